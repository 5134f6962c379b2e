package io.github.zimage.internal.request;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GenerationRequest;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.internal.io.ShownText;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One value of a request, as it stands in JSON.
 *
 * @param name as its setter is called
 * @param type how it stands there
 * @param rule what it must be; nothing, for those of any value
 * @param get returns it, or null if it is not to be written, since it says no more than the default
 * @param set takes it
 * @param <T> its type in Java
 */
record RequestField<T>(
        String name,
        FieldType<T> type,
        FieldRule<? super T> rule,
        Function<GenerationRequest, @Nullable T> get,
        BiConsumer<GenerationRequest.Builder, T> set) {

    private static final int SHOWN = 40;

    /** Tells what is wrong with a request's value, if anything is. */
    void check(GenerationRequest request, BiConsumer<String, String> problem) {
        T value = get.apply(request);
        if (value != null && !rule.holds().test(value)) {
            problem.accept(name, "%s must %s, but %s".formatted(name, rule.text(), rule.shown(value)));
        }
    }

    void write(GenerationRequest request, ObjectNode json) {
        T value = get.apply(request);
        if (value != null) {
            json.set(name, type.write().apply(value));
        }
    }

    void read(JsonNode value, GenerationRequest.Builder into) {
        if (!type.fits().test(value)) {
            throw new InvalidRequestException(
                    List.of(name),
                    "%s must be %s, but was %s".formatted(name, type.what(), ShownText.cut(value.toString(), SHOWN)));
        }
        set.accept(into, type.read().apply(value));
    }
}
