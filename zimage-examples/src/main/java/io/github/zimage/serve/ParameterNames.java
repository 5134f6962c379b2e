package io.github.zimage.serve;

import io.github.zimage.InvalidRequestException;
import io.github.zimage.PromptTooLongException;
import io.github.zimage.internal.request.RequestJson;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What the values of a request are called in an interface, so that an error names the parameter that the client knows: the count may have
 * a name of its own, and width and height are a size unless they were given as such.
 */
final class ParameterNames {
    private final JsonFields fields;
    private final String count;

    /** @param count what the number of pictures is called */
    ParameterNames(JsonFields fields, String count) {
        this.fields = fields;
        this.count = count;
    }

    String count() {
        return count;
    }

    /** Returns all names of a request's values, in both ways of writing them. */
    Set<String> all() {
        Set<String> all = new TreeSet<>();
        for (String name : RequestJson.names()) {
            all.add(name);
            all.add(RequestJson.pythonName(name));
        }
        return all;
    }

    /** Returns the parameter of a request's value. */
    String of(String value) {
        if (fields.has(value)) {
            return value;
        }
        return switch (value) {
            case "width", "height" -> "size";
            case "count" -> count;
            case "prompt" -> fields.has("prompts") ? "prompts" : "prompt";
            default -> RequestJson.pythonName(value);
        };
    }

    /** Runs what refuses a request by its values' names, and refuses it by the names of its parameters. */
    <T> T explaining(Supplier<T> task) {
        try {
            return task.get();
        } catch (PromptTooLongException e) {
            throw ApiException.invalid(parameter(e), tooLong(e));
        } catch (InvalidRequestException e) {
            throw explained(e);
        }
    }

    /** What else the library names to do is not for clients. */
    private String tooLong(PromptTooLongException e) {
        return "%s must have at most %d tokens, but has %d (with those of the chat template): shorten it to %2$d tokens"
                .formatted(parameter(e), e.limit(), e.tokens());
    }

    private @Nullable String parameter(InvalidRequestException e) {
        return e.fields().isEmpty() ? null : of(e.fields().get(0));
    }

    private ApiException explained(InvalidRequestException e) {
        List<String> values = e.fields();
        String message = String.valueOf(e.getMessage());
        for (String value : values) {
            String name = of(value);
            if (!name.equals("size")) {
                message = message.replace(value + " must", name + " must");
            }
        }
        return ApiException.invalid(parameter(e), message);
    }
}
