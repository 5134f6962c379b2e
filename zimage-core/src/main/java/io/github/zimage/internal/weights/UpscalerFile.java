package io.github.zimage.internal.weights;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.config.RrdbNetConfig;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.io.Sha256;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.torchfile.TorchFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An upscaler's file, whose tensors say by their names and shapes what network it is.
 *
 * @param name the file's name without its ending
 * @param sha256 that of the file
 * @param config the network's shape
 * @param weights where its weights lie, under BasicSR's names
 */
public record UpscalerFile(String name, String sha256, RrdbNetConfig config, WeightIndex weights) {
    private static final String SAFETENSORS = ".safetensors";
    private static final List<String> ENDINGS = List.of(SAFETENSORS, ".pth", ".pt");

    /** The dictionaries in files of BasicSR, the averaged weights first, and of other programs. */
    private static final List<String> GROUPS = List.of("params_ema", "params", "state_dict", "");

    private static final Pattern BLOCK = Pattern.compile("body\\.(\\d{1,3})\\.rdb1\\.conv1\\.weight");
    private static final Pattern DOUBLING = Pattern.compile("conv_up(\\d{1,2})\\.weight");
    private static final int MOST_KNOWN = 16;

    private static final Map<Known, UpscalerFile> KNOWN = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Known, UpscalerFile> eldest) {
            return size() > MOST_KNOWN;
        }
    };

    /** A file as it was when it was read. */
    private record Known(Path file, long size, FileTime modified) {}

    private static final int MOST_FEATURES = 1024;
    private static final int MOST_DOUBLINGS = 4;

    /**
     * Reads a file's header and its digest, once for each state of the file.
     *
     * @throws ModelLoadException if it is missing, damaged, or no RRDBNet that turns red, green and blue into more of them
     */
    public static UpscalerFile read(Path file) {
        Path absolute = file.toAbsolutePath().normalize();
        Known known = new Known(absolute, ModelFile.size(absolute), modified(absolute));
        synchronized (KNOWN) {
            UpscalerFile before = KNOWN.get(known);
            if (before == null) {
                before = readAnew(absolute);
                KNOWN.put(known, before);
            }
            return before;
        }
    }

    private static FileTime modified(Path file) {
        try {
            return Files.getLastModifiedTime(file);
        } catch (IOException e) {
            throw ModelFile.unreadable(file, e);
        }
    }

    private static UpscalerFile readAnew(Path file) {
        String fileName = ModelFile.name(file);
        Map<String, TensorEntry> stored = tensors(file);
        Map<String, String> names = RrdbNames.modern(stored.keySet());
        Map<String, TensorEntry> tensors = new LinkedHashMap<>();
        stored.forEach((name, tensor) -> {
            String modern = names.getOrDefault(name, name);
            if (tensors.put(modern, tensor.withName(modern)) != null) {
                throw new ModelLoadException(
                        "%s: tensor %s is there twice, under an old and a new name".formatted(fileName, modern));
            }
        });
        RrdbNetConfig config = config(fileName, tensors);
        requireAll(fileName, tensors, config.tensors());
        return new UpscalerFile(name(file), digest(file), config, WeightIndex.of(fileName, tensors));
    }

    /** Returns the name of an upscaler in a file: that of the file without its ending. */
    public static String name(Path file) {
        String name = ModelFile.printable(String.valueOf(file.getFileName()));
        return ENDINGS.stream()
                .filter(name::endsWith)
                .findFirst()
                .map(ending -> name.substring(0, name.length() - ending.length()))
                .orElse(name);
    }

    private static Map<String, TensorEntry> tensors(Path file) {
        if (String.valueOf(file.getFileName()).endsWith(SAFETENSORS)) {
            return SafetensorsHeader.read(file).tensors();
        }
        Map<String, Map<String, TensorEntry>> groups = TorchFile.read(file);
        return GROUPS.stream()
                .filter(group -> !groups.getOrDefault(group, Map.of()).isEmpty())
                .findFirst()
                .map(groups::get)
                .orElseThrow(() -> new ModelLoadException("%s: holds no tensors, but %s"
                        .formatted(
                                ModelFile.name(file),
                                groups.size() > 1 ? "dictionaries " + ModelFile.shown(groups.keySet()) : "nothing")));
    }

    private static RrdbNetConfig config(String file, Map<String, TensorEntry> tensors) {
        List<Long> first = shape(file, tensors, "conv_first.weight");
        List<Long> dense = shape(file, tensors, "body.0.rdb1.conv1.weight");
        int unshuffle = (int) Math.round(Math.sqrt(first.get(1) / (double) RrdbNetConfig.BANDS));
        int doublings = count(tensors, DOUBLING, 1);
        if (first.get(1) != RrdbNetConfig.BANDS * (long) unshuffle * unshuffle
                || Integer.bitCount(unshuffle) != 1
                || doublings > MOST_DOUBLINGS
                || 1 << doublings < unshuffle) {
            throw new ModelLoadException(
                    "%s: is no upscaler that is known here: it takes %d channels and doubles %d times, but should take 3, 12 or 48 and enlarge by a whole factor up to %d"
                            .formatted(file, first.get(1), doublings, 1 << MOST_DOUBLINGS));
        }
        if (first.get(0) > MOST_FEATURES || dense.get(0) > MOST_FEATURES) {
            throw new ModelLoadException(
                    "%s: an upscaler may have %d features and as much growth, but this has %d and %d"
                            .formatted(file, MOST_FEATURES, first.get(0), dense.get(0)));
        }
        return new RrdbNetConfig(
                unshuffle, first.get(0).intValue(), dense.get(0).intValue(), count(tensors, BLOCK, 0), doublings);
    }

    private static List<Long> shape(String file, Map<String, TensorEntry> tensors, String name) {
        TensorEntry tensor = tensors.get(name);
        if (tensor == null || tensor.shape().size() != 4) {
            throw new ModelLoadException(
                    "%s: is no upscaler that is known here (ESRGAN, RRDBNet): it lacks %s, and has %s"
                            .formatted(
                                    file,
                                    name,
                                    tensors.isEmpty()
                                            ? "no tensors"
                                            : ModelFile.quote(
                                                    tensors.keySet().iterator().next())));
        }
        return tensor.shape();
    }

    private static int count(Map<String, TensorEntry> tensors, Pattern numbered, int from) {
        return tensors.keySet().stream()
                .map(numbered::matcher)
                .filter(Matcher::matches)
                .mapToInt(each -> Integer.parseInt(each.group(1)) + 1 - from)
                .max()
                .orElse(0);
    }

    /** What is beside an RRDBNet's weights makes it another network. */
    private static void requireAll(String file, Map<String, TensorEntry> tensors, Map<String, List<Long>> expected) {
        for (Map.Entry<String, List<Long>> each : expected.entrySet()) {
            TensorEntry tensor = tensors.get(each.getKey());
            if (tensor == null) {
                throw new ModelLoadException("%s: the upscaler lacks %s".formatted(file, each.getKey()));
            }
            if (!tensor.shape().equals(each.getValue()) || !tensor.type().isSupportedWeight()) {
                throw new ModelLoadException("%s: %s must have shape %s in F32, F16 or BF16, but has %s in %s"
                        .formatted(
                                file, each.getKey(), each.getValue(), ModelFile.shown(tensor.shape()), tensor.type()));
            }
        }
        for (String name : tensors.keySet()) {
            if (!expected.containsKey(name)) {
                throw new ModelLoadException(
                        "%s: is no plain RRDBNet: it has %s, too".formatted(file, ModelFile.quote(name)));
            }
        }
    }

    private static String digest(Path file) {
        try {
            return Sha256.of(file);
        } catch (IOException e) {
            throw ModelFile.unreadable(file, e);
        }
    }

    /** Compares what is computed: files of the same content are the same. */
    @Override
    public boolean equals(Object other) {
        return other instanceof UpscalerFile that
                && sha256.equals(that.sha256)
                && weights.files().equals(that.weights.files());
    }

    @Override
    public int hashCode() {
        return sha256.hashCode();
    }

    /** Returns the name. */
    @Override
    public String toString() {
        return name;
    }
}
