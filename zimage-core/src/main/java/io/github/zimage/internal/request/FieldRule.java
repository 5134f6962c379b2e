package io.github.zimage.internal.request;

import java.util.List;
import java.util.function.Predicate;

/**
 * What a value must be.
 *
 * @param text the rule as messages say it, after "must"
 * @param holds whether a value is that
 * @param <T> the value's type in Java
 */
record FieldRule<T>(String text, Predicate<T> holds) {
    /** Lets every value be. */
    static final FieldRule<Object> ANY = new FieldRule<>("be there", value -> true);

    /** Returns the rule of numbers in a range. */
    static FieldRule<Number> between(double least, double most, String unit) {
        return new FieldRule<>(
                "be between %s and %s%s".formatted(number(least), number(most), unit),
                value -> value.doubleValue() >= least && value.doubleValue() <= most);
    }

    /** Returns the rule of numbers in a range. */
    static FieldRule<Number> between(double least, double most) {
        return between(least, most, "");
    }

    /** Returns, for messages, what a value was instead. */
    String shown(T value) {
        if (value instanceof List<?>) {
            return "were " + value;
        }
        return "was " + (value instanceof Number given ? number(given.doubleValue()) : value);
    }

    private static String number(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? Long.toString((long) value)
                : Double.toString(value);
    }
}
