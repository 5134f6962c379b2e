package io.github.zimage.internal.placement;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.weights.Checkpoint;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;

/**
 * How much memory the weights of a model take in the types that the engine computes with, block by block.
 *
 * @param entries the components that the model has, in the order in which a generation uses them
 */
public record ModelLayout(List<Entry> entries) {
    /** Beside each row of a matrix of 8-bit integers: its scale, and the zero point that oneDNN asks for. */
    private static final long ROW_BYTES = Float.BYTES + Integer.BYTES;

    /**
     * A component in the type that it computes in.
     *
     * @param catalog what is known of it
     * @param precision what it computes in
     * @param part the sizes of its weights
     * @param memory what it needs beside them
     */
    public record Entry(CatalogEntry catalog, Precision precision, WeightSizes part, ComponentMemory memory) {
        /** Returns the component. */
        public Component component() {
            return catalog.component();
        }

        /** Returns whether some work needs it at all. */
        public boolean runsFor(Workload work) {
            return catalog.cadence().passes(work) > 0;
        }

        /** Returns whether it runs in a phase. */
        boolean runsIn(Phase phase) {
            return catalog.phases().contains(phase);
        }
    }

    /**
     * Copies the list.
     *
     * @throws IllegalArgumentException if a component is there twice
     */
    public ModelLayout {
        entries = List.copyOf(entries);
        long distinct = entries.stream().map(Entry::component).distinct().count();
        if (distinct < entries.size()) {
            throw new IllegalArgumentException("components must be different, but were "
                    + entries.stream().map(Entry::component).toList());
        }
    }

    /** Returns the layout of a checkpoint. */
    public static ModelLayout of(Checkpoint checkpoint, Map<Component, Precision> precisions) {
        return of(
                Catalog.of(
                        checkpoint.textEncoder(), checkpoint.transformer(), checkpoint.vae(), checkpoint.controlNet()),
                precisions);
    }

    /** Returns the layout of a model that is known by its configurations. */
    public static ModelLayout of(
            TextEncoderConfig textEncoder,
            TransformerConfig transformer,
            VaeConfig vae,
            Map<Component, Precision> precisions) {
        return of(Catalog.of(textEncoder, transformer, vae), precisions);
    }

    /** Returns the layout of a model of any components. */
    public static ModelLayout of(List<CatalogEntry> catalog, Map<Component, Precision> precisions) {
        List<Entry> entries = new ArrayList<>();
        for (CatalogEntry each : catalog) {
            Precision precision = ComponentSettings.of(precisions, each.component());
            if (precision == null) {
                throw new IllegalArgumentException(
                        "precisions must name every component, but lack " + each.component());
            }
            WeightSizes part = part(each, precision);
            entries.add(new Entry(each, precision, part, each.memory().of(precision, part)));
        }
        return new ModelLayout(entries);
    }

    private static WeightSizes part(CatalogEntry entry, Precision precision) {
        WeightRoles roles = entry.roles();
        Map<String, Long> blocks = new LinkedHashMap<>();
        long modulation = 0;
        long rest = 0;
        long embeddings = 0;
        long largest = 0;
        for (Map.Entry<String, List<Long>> tensor : entry.tensors().entrySet()) {
            String name = tensor.getKey();
            Matcher block = roles.block().matcher(name);
            long width = width(roles, name, block.matches(), precision);
            long bytes = tensor.getValue().stream().reduce(width, Math::multiplyExact);
            if (precision == Precision.INT8 && width == Precision.INT8.bytes()) {
                bytes = Math.addExact(bytes, tensor.getValue().get(0) * ROW_BYTES);
            }
            if (name.equals(roles.embeddings())) {
                embeddings = bytes;
                continue;
            }
            largest = Math.max(largest, bytes);
            if (block.matches()) {
                blocks.merge(block.group(1), bytes, Math::addExact);
            } else if (roles.modulation().matcher(name).matches()) {
                modulation = Math.addExact(modulation, bytes);
            } else {
                rest = Math.addExact(rest, bytes);
            }
        }
        List<Long> staying = new ArrayList<>();
        List<Long> once = new ArrayList<>();
        blocks.forEach((name, bytes) -> (roles.once().matcher(name).matches() ? once : staying).add(bytes));
        return new WeightSizes(staying, once, modulation, rest, embeddings, largest);
    }

    private static long width(WeightRoles roles, String name, boolean inBlock, Precision precision) {
        if (roles.fp32().matcher(name).matches()) {
            return Float.BYTES;
        }
        return precision.isEightBit() && !inBlock ? Short.BYTES : precision.bytes();
    }

    /** Returns the phases that some work goes through, in order. */
    public List<Phase> phases(Workload work) {
        return entries.stream()
                .filter(entry -> entry.runsFor(work))
                .flatMap(entry -> entry.catalog().phases().stream())
                .distinct()
                .toList();
    }

    /** Returns whether the model has a component. */
    public boolean has(Component component) {
        return entries.stream().anyMatch(entry -> entry.component().equals(component));
    }

    /** Returns a component that the model has. */
    public Entry entry(Component component) {
        return entries.stream()
                .filter(entry -> entry.component().equals(component))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("the model has no " + component));
    }

    /** Returns the weights of a component. */
    public WeightSizes part(Component component) {
        return entry(component).part();
    }
}
