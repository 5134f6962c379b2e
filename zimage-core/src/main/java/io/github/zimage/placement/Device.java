package io.github.zimage.placement;

import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.io.ShownText;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Something that computes and has memory.
 *
 * @param kind what it is
 * @param index which of its kind, from 0; of the CPU there is one
 */
public record Device(Kind kind, int index) {
    private static final Pattern CUDA = Pattern.compile("cuda(:(?<index>\\d{1,3}))?");
    private static final Device CPU = new Device(Kind.CPU, 0);

    /** What computes. */
    public enum Kind {
        /** The processor and the machine's memory. */
        CPU,
        /** A graphics card of NVIDIA's. */
        CUDA
    }

    /** Checks the index. */
    public Device {
        Given.value(kind, "kind");
        if (index < 0 || (kind == Kind.CPU && index > 0)) {
            throw new IllegalArgumentException("the index of a device must be 0 or, of a card, more, but was " + index);
        }
    }

    /** Returns the processor. */
    public static Device cpu() {
        return CPU;
    }

    /** Returns a graphics card, counted from 0. */
    public static Device cuda(int index) {
        return new Device(Kind.CUDA, index);
    }

    /**
     * Reads {@code cpu}, {@code cuda} or {@code cuda:1}.
     *
     * @throws IllegalArgumentException if the text is something else
     */
    public static Device parse(String text) {
        if (Given.value(text, "device").equals("cpu")) {
            return CPU;
        }
        Matcher matcher = CUDA.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "device must be cpu or cuda:N, but was '%s'".formatted(ShownText.cut(text)));
        }
        String index = matcher.group("index");
        return cuda(index == null ? 0 : Integer.parseInt(index));
    }

    /** Returns the name as {@link #parse} reads it. */
    @Override
    public String toString() {
        return kind == Kind.CPU ? "cpu" : "cuda:" + index;
    }
}
