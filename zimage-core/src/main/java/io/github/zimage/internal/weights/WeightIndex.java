package io.github.zimage.internal.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.numbers.RowRounding;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Where all tensors of a component lie, in one safetensors file or in several that an index file ties together. */
public final class WeightIndex {
    private static final Logger LOG = LoggerFactory.getLogger(WeightIndex.class);

    private static final int MAX_INDEX_BYTES = 16_000_000;
    private static final int NAMED_PROBLEMS = 5;
    /** Transformers' stem, for which a single file goes before an index; for diffusers' it is the other way round. */
    private static final String TRANSFORMERS_STEM = "model";

    private static final Pattern VARIANT = Pattern.compile("[A-Za-z0-9_-]{1,64}");
    private static final Pattern SHARD = Pattern.compile("[^/\\\\:\\p{Cntrl}]{1,240}\\.safetensors");

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(16)
                    .maxNumberLength(100)
                    .maxNameLength(10_000)
                    .maxStringLength(10_000)
                    .maxTokenCount(500_000)
                    .build())
            .build();

    private final String label;
    private final Map<String, TensorEntry> tensors;

    private WeightIndex(String label, Map<String, TensorEntry> tensors) {
        this.label = label;
        this.tensors = Collections.unmodifiableMap(tensors);
    }

    /**
     * Finds a component's weights and reads their headers.
     *
     * @param folder the component's folder
     * @param stem how its files' names begin: {@code diffusion_pytorch_model} or {@code model}
     * @param variant the name in the middle of the files' names, such as {@code bf16}, or null. If there are no such
     *     files, the plain ones are taken with a warning; if only files of one variant are there, null takes them
     * @throws ModelLoadException if there are none, or any of them is damaged
     * @throws IllegalArgumentException if the variant cannot be part of a file's name
     */
    public static WeightIndex open(Path folder, String stem, @Nullable String variant) {
        Path file = find(folder, stem, variant);
        String label = ModelFile.printable(String.valueOf(folder.getFileName()));
        if (!file.toString().endsWith(".json")) {
            return new WeightIndex(label, SafetensorsHeader.read(file).tensors());
        }
        Map<String, String> weightMap = readWeightMap(file);
        Map<String, SafetensorsHeader> shards = new LinkedHashMap<>();
        for (String shard : new LinkedHashSet<>(weightMap.values())) {
            shards.put(shard, SafetensorsHeader.read(shard(folder, file, shard)));
        }
        Map<String, TensorEntry> tensors = new LinkedHashMap<>();
        weightMap.forEach((name, shard) -> {
            SafetensorsHeader header = shards.get(shard);
            TensorEntry tensor = header == null ? null : header.tensors().get(name);
            if (tensor == null) {
                throw new ModelLoadException(ModelFile.name(file) + ": tensor " + ModelFile.quote(name) + " must be in "
                        + ModelFile.quote(shard) + ", but is not");
            }
            tensors.put(name, tensor);
        });
        return new WeightIndex(label, tensors);
    }

    /** Returns whether a folder has weights of a variant. */
    static boolean hasVariant(Path folder, String stem, String variant) {
        return candidates(stem, variant).stream().anyMatch(name -> Files.exists(folder.resolve(name)));
    }

    private static Path find(Path folder, String stem, @Nullable String variant) {
        if (variant != null && !VARIANT.matcher(variant).matches()) {
            throw new IllegalArgumentException(
                    "variant must consist of letters, digits, '_' and '-', but was " + ModelFile.quote(variant));
        }
        if (!Files.isDirectory(folder)) {
            throw new ModelLoadException(ModelFile.name(folder) + ": the folder is missing");
        }
        Path plain = firstOf(folder, candidates(stem, null));
        if (variant != null) {
            Path file = firstOf(folder, candidates(stem, variant));
            if (file == null && plain != null) {
                LOG.warn(
                        "{} has no weights of variant {}, taking {}",
                        ModelFile.name(folder),
                        variant,
                        plain.getFileName());
            }
            plain = file != null ? file : plain;
        }
        if (plain != null) {
            return plain;
        }
        Set<String> names = names(folder);
        Set<String> variants = variants(names, stem);
        if (variants.size() == 1) {
            String only = variants.iterator().next();
            Path file = firstOf(folder, candidates(stem, only));
            if (file != null) {
                LOG.info("{} has only weights of variant {}, taking them", ModelFile.name(folder), only);
                return file;
            }
        }
        String wanted = ModelFile.name(folder) + ": must hold " + stem + ".safetensors or " + stem
                + ".safetensors.index.json, but ";
        if (variants.size() > 1) {
            throw new ModelLoadException(wanted + "holds several variants, of which one must be chosen: "
                    + ModelFile.printable(String.join(", ", variants)));
        }
        if (names.stream().anyMatch(name -> name.startsWith(stem) && name.endsWith(".safetensors"))) {
            throw new ModelLoadException(wanted + "holds only parts of sharded weights, without their index");
        }
        if (names.stream().anyMatch(name -> name.endsWith(".bin") || name.endsWith(".pt") || name.endsWith(".ckpt"))) {
            throw new ModelLoadException(wanted + "holds only PyTorch files, which are Python pickles: convert them to"
                    + " safetensors, for instance with save_pretrained(..., safe_serialization=True)");
        }
        throw new ModelLoadException(wanted + "holds " + (names.isEmpty() ? "nothing" : "neither"));
    }

    private static List<String> candidates(String stem, @Nullable String variant) {
        List<String> indexes;
        String single;
        if (variant == null) {
            single = stem + ".safetensors";
            indexes = List.of(stem + ".safetensors.index.json");
        } else {
            single = stem + "." + variant + ".safetensors";
            indexes = List.of(
                    stem + ".safetensors.index." + variant + ".json",
                    stem + "." + variant + ".safetensors.index.json",
                    stem + ".safetensors." + variant + ".index.json");
        }
        List<String> names = new ArrayList<>(indexes);
        names.add(stem.equals(TRANSFORMERS_STEM) ? 0 : names.size(), single);
        return names;
    }

    private static @Nullable Path firstOf(Path folder, List<String> names) {
        for (String name : names) {
            Path file = folder.resolve(name);
            if (Files.exists(file)) {
                return file;
            }
        }
        return null;
    }

    private static Set<String> variants(Collection<String> names, String stem) {
        String quoted = Pattern.quote(stem);
        Pattern file = Pattern.compile(quoted + "\\.(?<before>[A-Za-z0-9_-]+)\\.safetensors(\\.index\\.json)?|"
                + quoted + "\\.safetensors\\.index\\.(?<within>[A-Za-z0-9_-]+)\\.json|"
                + quoted + "\\.safetensors\\.(?<after>[A-Za-z0-9_-]+)\\.index\\.json");
        Pattern part = Pattern.compile(".*-\\d{5}-of-\\d{5}");
        Set<String> variants = new TreeSet<>();
        for (String name : names) {
            Matcher matcher = file.matcher(name);
            if (matcher.matches()) {
                String variant = matcher.group("before");
                variant = variant != null ? variant : matcher.group("within");
                variant = variant != null ? variant : matcher.group("after");
                if (!part.matcher(variant).matches()) {
                    variants.add(variant);
                }
            }
        }
        return variants;
    }

    private static Set<String> names(Path folder) {
        Set<String> names = new TreeSet<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
            for (Path file : files) {
                names.add(String.valueOf(file.getFileName()));
            }
        } catch (IOException e) {
            throw ModelFile.unreadable(folder, e);
        } catch (DirectoryIteratorException e) {
            throw ModelFile.unreadable(folder, new IOException(e));
        }
        return names;
    }

    private static Path shard(Path folder, Path index, String name) {
        if (!SHARD.matcher(name).matches()) {
            throw wrongShard(index, name, null);
        }
        try {
            return folder.resolve(name);
        } catch (InvalidPathException e) {
            throw wrongShard(index, name, e);
        }
    }

    private static ModelLoadException wrongShard(Path index, String name, @Nullable Exception cause) {
        return new ModelLoadException(
                ModelFile.name(index) + ": weight_map must name .safetensors files in the same folder, but names "
                        + ModelFile.quote(name),
                cause);
    }

    private static Map<String, String> readWeightMap(Path file) {
        String fileName = ModelFile.name(file);
        long size = ModelFile.size(file);
        if (size > MAX_INDEX_BYTES) {
            throw new ModelLoadException(
                    fileName + ": an index must have at most " + MAX_INDEX_BYTES + " bytes, but this has " + size);
        }
        Map<String, String> weightMap = null;
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file));
                JsonParser parser = JSON.createParser(in)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new ModelLoadException(fileName + ": must be a JSON object, but is not");
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                boolean wanted = parser.currentName().equals("weight_map");
                parser.nextToken();
                if (wanted) {
                    weightMap = weightMap(parser, fileName);
                } else {
                    parser.skipChildren();
                }
            }
            if (parser.nextToken() != null) {
                throw new ModelLoadException(fileName + ": must be one JSON object, but more follows it");
            }
        } catch (JsonProcessingException e) {
            throw new ModelLoadException(fileName + ": not sound JSON: " + ModelFile.reason(e), e);
        } catch (IOException e) {
            throw ModelFile.unreadable(file, e);
        }
        if (weightMap == null || weightMap.isEmpty()) {
            throw new ModelLoadException(
                    fileName + ": must have a weight_map, but it is " + (weightMap == null ? "absent" : "empty"));
        }
        return weightMap;
    }

    private static Map<String, String> weightMap(JsonParser parser, String fileName) throws IOException {
        if (!parser.hasToken(JsonToken.START_OBJECT)) {
            throw new ModelLoadException(fileName + ": weight_map must be an object, but is not");
        }
        Map<String, String> weightMap = new LinkedHashMap<>();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            if (parser.nextToken() != JsonToken.VALUE_STRING) {
                throw new ModelLoadException(fileName + ": weight_map must give a file's name for "
                        + ModelFile.quote(name) + ", but does not");
            }
            if (weightMap.size() == SafetensorsHeader.MAX_TENSORS) {
                throw new ModelLoadException(fileName + ": more than " + SafetensorsHeader.MAX_TENSORS + " tensors");
            }
            weightMap.put(name, parser.getText());
        }
        return weightMap;
    }

    /** Returns the tensors by name. */
    public Map<String, TensorEntry> tensors() {
        return tensors;
    }

    /** Returns the files that the tensors lie in. */
    public List<Path> files() {
        return tensors.values().stream().map(TensorEntry::file).distinct().toList();
    }

    /** Returns the size of all tensors in bytes, as they are stored. */
    public long byteSize() {
        return tensors.values().stream().mapToLong(TensorEntry::byteSize).sum();
    }

    /**
     * Returns a tensor.
     *
     * @throws ModelLoadException if there is none of that name
     */
    public TensorEntry get(String name) {
        TensorEntry tensor = tensors.get(name);
        if (tensor == null) {
            throw new ModelLoadException(label + ": tensor " + ModelFile.quote(name) + " is missing");
        }
        return tensor;
    }

    /**
     * Returns an index of the same tensors under other names.
     *
     * @throws ModelLoadException if two tensors would get the same name
     */
    public WeightIndex renamed(UnaryOperator<String> rename) {
        Map<String, TensorEntry> renamed = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> {
            String newName = rename.apply(name);
            if (renamed.put(newName, tensor.withName(newName)) != null) {
                throw new ModelLoadException(label + ": tensor " + ModelFile.quote(newName)
                        + " is there twice, under an old and a new name");
            }
        });
        return new WeightIndex(label, renamed);
    }

    /** Returns an index of the same tensors with other shapes of as many elements. */
    WeightIndex reshaped(BiFunction<String, List<Long>, List<Long>> reshape) {
        Map<String, TensorEntry> reshaped = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> reshaped.put(name, tensor.withShape(reshape.apply(name, tensor.shape()))));
        return new WeightIndex(label, reshaped);
    }

    /** Returns an index of the same tensors, in the same order, at other places, each with its scales if these are there. */
    public WeightIndex movedTo(Map<String, TensorEntry> places) {
        List<String> names = new ArrayList<>();
        for (String name : tensors.keySet()) {
            names.add(name);
            if (places.containsKey(RowRounding.scales(name))) {
                names.add(RowRounding.scales(name));
            }
        }
        return new WeightIndex(label, places).selected(names);
    }

    /**
     * Returns an index of some of the tensors, in the order of their names.
     *
     * @throws ModelLoadException if one of them is missing
     */
    WeightIndex selected(Collection<String> names) {
        Map<String, TensorEntry> selected = new LinkedHashMap<>();
        names.forEach(name -> selected.put(name, get(name)));
        return new WeightIndex(label, selected);
    }

    /**
     * Makes sure that tensors are there, have the right shapes, and are stored in a format that can be loaded. Tensors
     * beyond those are tolerated.
     *
     * @param expected shapes by name
     * @throws ModelLoadException if anything is wrong; its message names the first few problems
     */
    public void check(Map<String, List<Long>> expected) {
        List<String> problems = new ArrayList<>();
        expected.forEach((name, shape) -> {
            TensorEntry tensor = tensors.get(name);
            if (tensor == null) {
                problems.add(ModelFile.printable(name) + " is missing");
            } else if (!tensor.shape().equals(shape)) {
                problems.add(ModelFile.printable(name) + " must have shape " + shape + ", but has " + tensor.shape());
            } else if (!tensor.type().isSupportedWeight()) {
                problems.add(
                        ModelFile.printable(name) + " must be stored as F32, F16 or BF16, but is " + tensor.type());
            }
        });
        if (!problems.isEmpty()) {
            int named = Math.min(problems.size(), NAMED_PROBLEMS);
            String rest = problems.size() > named ? "; and " + (problems.size() - named) + " more" : "";
            throw new ModelLoadException(label + ": the weights do not fit config.json: "
                    + String.join("; ", problems.subList(0, named)) + rest);
        }
        long unused = tensors.keySet().stream()
                .filter(name -> !expected.containsKey(name))
                .count();
        if (unused > 0) {
            LOG.debug("{}: {} tensors are not used", label, unused);
        }
    }
}
