package io.github.zimage.serve;

import io.github.zimage.GenerationCancelledException;
import io.github.zimage.ModelLoadException;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.ZImageException;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/**
 * Why a job was not done.
 *
 * @param kind what to do about it
 * @param reason what it was, in one line, for the log
 * @param answer what the client is told
 */
record JobFailure(Kind kind, String reason, ApiException answer) {
    private static final int MAX_REASON = 500;

    enum Kind {
        /** There was too little memory; the next attempt may have more. */
        OUT_OF_MEMORY,
        /** The request does not suit the model. */
        BAD_REQUEST,
        /** The pipeline was closed under it. */
        INTERRUPTED,
        /** The model's files are not what they were, so that no request can be done. */
        BROKEN_MODEL,
        /** Anything else. */
        UNEXPECTED
    }

    static JobFailure of(@Nullable Throwable failure) {
        Throwable cause =
                failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
        String message = cause == null ? "no pictures and no reason" : String.valueOf(cause.getMessage());
        if (cause instanceof OutOfDeviceMemoryException || cause instanceof OutOfMemoryError) {
            return failure(Kind.OUT_OF_MEMORY, message, new ApiException(503, "out_of_memory", message));
        }
        if (cause instanceof IllegalArgumentException) {
            return failure(Kind.BAD_REQUEST, message, new ApiException(400, "invalid_value", message));
        }
        if (cause instanceof GenerationCancelledException || cause instanceof IllegalStateException) {
            return failure(Kind.INTERRUPTED, message, unexplained());
        }
        if (cause instanceof ZImageException) {
            Kind kind = cause instanceof ModelLoadException ? Kind.BROKEN_MODEL : Kind.UNEXPECTED;
            return failure(kind, message, new ApiException(500, "failed", message));
        }
        return failure(Kind.UNEXPECTED, reason(cause), unexplained());
    }

    private static JobFailure failure(Kind kind, String reason, ApiException answer) {
        return new JobFailure(kind, JsonFields.shown(reason, MAX_REASON), answer);
    }

    /** The library's own exceptions speak to users; of others, a stranger should not learn more. */
    private static ApiException unexplained() {
        return new ApiException(500, "failed", "it could not be drawn; the server's log says why");
    }

    /** Returns what a log line says of an exception that nobody expected. */
    static String reason(@Nullable Throwable e) {
        if (e == null) {
            return "nothing is known of it";
        }
        String text = e instanceof ZImageException
                ? String.valueOf(e.getMessage())
                : "%s: %s".formatted(e.getClass().getSimpleName(), e.getMessage());
        return JsonFields.shown(text, MAX_REASON);
    }
}
