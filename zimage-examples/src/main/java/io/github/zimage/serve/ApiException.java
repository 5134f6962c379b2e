package io.github.zimage.serve;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.internal.io.ShownText;
import org.jspecify.annotations.Nullable;

/** What a client is told when it does not get what it asked for, in the shape of OpenAI's errors. */
final class ApiException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int status;
    private final String code;
    private final @Nullable String parameter;
    private final long retryAfterSeconds;

    private ApiException(int status, String code, @Nullable String parameter, String message, long retryAfterSeconds) {
        super(ShownText.joined(message), null, false, false);
        this.status = status;
        this.code = code;
        this.parameter = parameter;
        this.retryAfterSeconds = retryAfterSeconds;
    }

    ApiException(int status, String code, String message) {
        this(status, code, null, message, 0);
    }

    static ApiException badParameter(String name, String message) {
        return invalid(name, message);
    }

    /** @param name the parameter that is wrong; null if it is not the fault of any one */
    static ApiException invalid(@Nullable String name, String message) {
        return new ApiException(400, "invalid_value", name, message, 0);
    }

    static ApiException retryable(int status, String code, String message, long seconds) {
        return new ApiException(status, code, null, message, seconds);
    }

    int status() {
        return status;
    }

    String code() {
        return code;
    }

    /** Returns when to try again; 0 if that would not help, or nobody knows. */
    long retryAfterSeconds() {
        return retryAfterSeconds;
    }

    /** Returns {@code {"error": {...}}}. */
    ObjectNode toJson() {
        ObjectNode root = JsonNodeFactory.instance.objectNode();
        root.putObject("error")
                .put("message", getMessage())
                .put("type", type())
                .put("param", parameter)
                .put("code", code);
        return root;
    }

    private String type() {
        if (status == 429) {
            return "rate_limit_error";
        }
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}
