package io.github.zimage.internal.request;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * How a value stands in JSON.
 *
 * @param what what it is called in messages, such as {@code a text}
 * @param fits whether a node is such a value
 * @param read makes a value of a node that fits
 * @param write makes a node of a value
 * @param <T> the value's type in Java
 */
record FieldType<T>(String what, Predicate<JsonNode> fits, Function<JsonNode, T> read, Function<T, JsonNode> write) {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    /** A text of any length. */
    static final FieldType<String> TEXT =
            new FieldType<>("a text", JsonNode::isTextual, JsonNode::textValue, NODES::textNode);

    /** A number of 32 bits. */
    static final FieldType<Integer> WHOLE =
            new FieldType<>("a whole number", JsonNode::isInt, JsonNode::intValue, NODES::numberNode);

    /** A number of 64 bits. */
    static final FieldType<Double> NUMBER =
            new FieldType<>("a number", JsonNode::isNumber, JsonNode::doubleValue, NODES::numberNode);

    /** A number of 32 bits, which is written with the digits that it needs. */
    static final FieldType<Float> SINGLE =
            new FieldType<>("a number", JsonNode::isNumber, node -> (float) node.doubleValue(), NODES::numberNode);

    /** A seed: 64 bits, written without a sign, read with or without one. */
    static final FieldType<BigInteger> SEED = new FieldType<>(
            "a whole number from -2^63 to 2^64 - 1",
            node -> node.isIntegralNumber() && Seeds.fits(node.bigIntegerValue()),
            JsonNode::bigIntegerValue,
            NODES::numberNode);

    /**
     * Returns the type of values that stand there as texts.
     *
     * @param of reads one; throws {@link IllegalArgumentException} if it is none
     */
    static <E> FieldType<E> text(String what, Function<String, E> of, Function<E, String> written) {
        return new FieldType<>(
                what,
                node -> node.isTextual() && reads(of, node.textValue()),
                node -> of.apply(node.textValue()),
                value -> NODES.textNode(written.apply(value)));
    }

    private static boolean reads(Function<String, ?> of, String text) {
        try {
            return of.apply(text) != null;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    /** Returns the type of choices, which stand there by their names. */
    static <E> FieldType<E> choice(Function<E, String> name, List<E> all) {
        List<String> names = all.stream().map(name).toList();
        return new FieldType<>(
                "one of " + String.join(", ", names),
                node -> node.isTextual() && names.contains(node.textValue()),
                node -> all.get(names.indexOf(node.textValue())),
                value -> NODES.textNode(name.apply(value)));
    }

    /** Returns the type of lists. */
    static <T> FieldType<List<T>> listOf(FieldType<T> each) {
        return new FieldType<>(
                "a list, each " + each.what,
                node -> node.isArray() && all(node, each.fits),
                node -> {
                    List<T> values = new ArrayList<>();
                    node.forEach(value -> values.add(each.read.apply(value)));
                    return List.copyOf(values);
                },
                values ->
                        NODES.arrayNode().addAll(values.stream().map(each.write).toList()));
    }

    private static boolean all(JsonNode array, Predicate<JsonNode> fits) {
        for (JsonNode value : array) {
            if (!fits.test(value)) {
                return false;
            }
        }
        return true;
    }
}
