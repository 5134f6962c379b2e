package io.github.zimage.internal.device;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.placement.Device;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** All devices that can be computed on. */
public final class Devices {
    private static final Logger LOG = LoggerFactory.getLogger(Devices.class);
    private static final Set<String> WARNINGS = ConcurrentHashMap.newKeySet();

    private Devices() {}

    /**
     * Returns the first device beside the CPU that can be used, or else the CPU. Where there is a module for such devices but none can be
     * used, says why, once.
     */
    public static Device automatic() {
        for (Accelerator accelerator : accelerators()) {
            Status status = accelerator.status();
            if (!status.cards().isEmpty()) {
                return status.cards().get(0).device();
            }
            if (WARNINGS.add(status.explanation())) {
                LOG.warn("Computing on the CPU, because {}", status.explanation());
            }
        }
        return Device.cpu();
    }

    /**
     * Checks that a device can be used.
     *
     * @param what begins the message, such as {@code device cuda:0 cannot be used}
     * @throws IllegalArgumentException if it cannot; the message says why
     */
    public static void require(Device device, String what) {
        if (device.kind() == Device.Kind.CPU) {
            return;
        }
        Optional<Accelerator> accelerator = accelerator(device);
        if (accelerator.isEmpty()) {
            throw new IllegalArgumentException(
                    "%s: no module for graphics cards is on the class path; add the dependency io.github.zimage:zimage-%s, or use cpu"
                            .formatted(what, device.kind().name().toLowerCase(Locale.ROOT)));
        }
        Status status = accelerator.get().status();
        if (find(status, device).isEmpty()) {
            List<Device> usable = status.cards().stream().map(Card::device).toList();
            throw new IllegalArgumentException("%s: %s"
                    .formatted(
                            what,
                            status.problem().isEmpty()
                                    ? "this machine has " + usable
                                    : status.explanation() + (usable.isEmpty() ? ", or use cpu" : "")));
        }
    }

    /** Checks that there is an attention backend of a name on any device, without native code. */
    public static void require(AttentionBackend wanted) {
        Set<String> names = new LinkedHashSet<>(AttentionSelector.names());
        accelerators().forEach(each -> names.addAll(each.attentionNames()));
        if (!names.contains(wanted.name())) {
            throw new IllegalArgumentException(
                    "attention must be one of %s, but was %s".formatted(String.join(", ", names), wanted.name()));
        }
    }

    /** Returns the names of the attention backends of a device, without {@link AttentionBackend#AUTO}. Calls no native code. */
    public static List<String> attentionNames(Device device) {
        List<String> names = new ArrayList<>(AttentionSelector.names());
        if (device.kind() != Device.Kind.CPU) {
            names.clear();
            accelerator(device).ifPresent(each -> names.addAll(each.attentionNames()));
            AttentionSelector.provided().forEach(each -> names.add(each.name()));
        }
        names.remove(AttentionBackend.AUTO.name());
        return names;
    }

    /** Returns whether something can be computed in a precision on a device. Calls no native code. */
    public static boolean has(Device device, Precision precision) {
        return device.kind() == Device.Kind.CPU
                ? precision != Precision.FP8
                : accelerator(device)
                        .map(each -> each.precisions().contains(precision))
                        .orElse(false);
    }

    /**
     * Returns what is known of a device that is not the CPU.
     *
     * @throws IllegalArgumentException if it cannot be used
     */
    public static Card card(Device device) {
        require(device, "device " + device + " cannot be used");
        return accelerator(device).flatMap(each -> find(each.status(), device)).orElseThrow();
    }

    /** Returns what all modules for devices found. */
    public static List<Status> statuses() {
        return accelerators().stream().map(Accelerator::status).toList();
    }

    /**
     * Begins to use a device.
     *
     * @param limit above how many bytes of the device's allocator allocations shall fail, if any; nothing to the CPU
     * @throws IllegalArgumentException if it cannot be used
     */
    public static ComputeDevice open(Device device, OptionalLong limit) {
        if (device.kind() == Device.Kind.CPU) {
            return new CpuDevice();
        }
        require(device, "device " + device + " cannot be used");
        return accelerator(device).orElseThrow().open(device.index(), limit);
    }

    private static Optional<Card> find(Status status, Device device) {
        return status.cards().stream()
                .filter(card -> card.device().equals(device))
                .findFirst();
    }

    private static Optional<Accelerator> accelerator(Device device) {
        return accelerators().stream()
                .filter(each -> each.kind() == device.kind())
                .findFirst();
    }

    private static List<Accelerator> accelerators() {
        List<Accelerator> found = new ArrayList<>();
        try {
            ServiceLoader.load(Accelerator.class).forEach(found::add);
        } catch (ServiceConfigurationError e) {
            if (WARNINGS.add(String.valueOf(e.getMessage()))) {
                LOG.warn(
                        "A module for graphics cards is on the class path but does not fit this version: {}",
                        e.getMessage());
            }
        }
        return found;
    }
}
