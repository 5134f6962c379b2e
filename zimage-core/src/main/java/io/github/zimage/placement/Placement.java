package io.github.zimage.placement;

import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.io.ShownText;
import org.jspecify.annotations.Nullable;

/**
 * Where the weights of a component are, and when. What is not {@linkplain #on placed on} another device computes on the pipeline's.
 *
 * <p>For a pipeline that computes on the CPU, the files are the only other place. What is parked or streamed is read from them through
 * the page cache of the operating system, which keeps it where memory is free that nobody else wants: then nothing comes from the disk
 * again, although the memory counts as the pipeline's no longer. {@code streamedFrom(cpu())} and {@link #streamedFromDisk} are
 * therefore the same there.
 *
 * @param kind when the weights are on the device that computes with them
 * @param device if {@link Kind#ON}, the device that computes; else the one in whose memory the weights wait, or null for the disk
 */
public record Placement(Kind kind, @Nullable Device device) {

    /** When weights are on the device that computes with them. */
    public enum Kind {
        /** Always. */
        ON,
        /** As a whole, while the component runs. */
        PARKED,
        /** Block by block, while the component runs; as many blocks stay as there is room for. */
        STREAMED
    }

    /** Checks the device. */
    public Placement {
        if (Given.value(kind, "kind") == Kind.ON) {
            Given.value(device, "device");
        } else if (device != null && device.kind() != Device.Kind.CPU) {
            throw new IllegalArgumentException("weights can wait on the CPU or on the disk, but not on " + device);
        }
    }

    /** Computes on a device, and keeps the weights there. */
    public static Placement on(Device device) {
        return new Placement(Kind.ON, device);
    }

    /** Keeps the weights in the memory of another device, the CPU, while the component does not run. */
    public static Placement parkedOn(Device device) {
        return new Placement(Kind.PARKED, Given.value(device, "device"));
    }

    /** Reads the weights from the disk whenever the component runs, and lets go of them after it. */
    public static Placement parkedOnDisk() {
        return new Placement(Kind.PARKED, null);
    }

    /** Brings the weights block by block from the memory of another device, the CPU, whenever the component runs. */
    public static Placement streamedFrom(Device device) {
        return new Placement(Kind.STREAMED, Given.value(device, "device"));
    }

    /** Brings the weights block by block from the disk whenever the component runs. */
    public static Placement streamedFromDisk() {
        return new Placement(Kind.STREAMED, null);
    }

    /**
     * Reads {@code cpu} or {@code cuda:N} (there), {@code park:cpu}, {@code disk} (parked there), {@code stream:cpu} or
     * {@code stream:disk}.
     *
     * @throws IllegalArgumentException if the text is something else
     */
    public static Placement parse(String text) {
        return switch (Given.value(text, "place")) {
            case "disk", "park:disk" -> parkedOnDisk();
            case "park:cpu" -> parkedOn(Device.cpu());
            case "stream:disk" -> streamedFromDisk();
            case "stream:cpu" -> streamedFrom(Device.cpu());
            default -> {
                if (!text.equals("cpu") && !text.startsWith("cuda")) {
                    throw new IllegalArgumentException(
                            "place must be cpu, cuda:N, disk, park:cpu, stream:cpu or stream:disk, but was '%s'"
                                    .formatted(ShownText.cut(text)));
                }
                yield on(Device.parse(text));
            }
        };
    }

    /** Returns the placement as {@link #parse} reads it. */
    @Override
    public String toString() {
        String where = device == null ? "disk" : device.toString();
        return switch (kind) {
            case ON -> where;
            case PARKED -> device == null ? where : "park:" + where;
            case STREAMED -> "stream:" + where;
        };
    }
}
