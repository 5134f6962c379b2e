package io.github.zimage.internal.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
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
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds a component's weights in its folder: in one safetensors file, or in several that an index file ties together. */
public final class WeightFiles {
    private static final Logger LOG = LoggerFactory.getLogger(WeightFiles.class);

    private static final int MAX_INDEX_BYTES = 16_000_000;
    /** Transformers' stem, for which a single file goes before an index; for diffusers' it is the other way round. */
    private static final String TRANSFORMERS_STEM = "model";

    private static final Pattern VARIANT = Pattern.compile("[A-Za-z0-9_-]{1,64}");
    private static final Pattern SHARD = Pattern.compile("[^/\\\\:\\p{Cntrl}]{1,240}\\.safetensors");

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(500)
                    .maxNumberLength(4300)
                    .maxNameLength(10_000)
                    .build())
            .build();

    private WeightFiles() {}

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
            return WeightIndex.of(label, SafetensorsHeader.read(file).tensors());
        }
        Map<String, String> weightMap = readWeightMap(file);
        Map<String, SafetensorsHeader> shards = new LinkedHashMap<>();
        for (String shard : new LinkedHashSet<>(weightMap.values())) {
            shards.put(shard, SafetensorsHeader.read(shard(folder, file, shard)));
        }
        Map<String, TensorEntry> tensors = new LinkedHashMap<>();
        Map<String, String> absent = new HashMap<>();
        weightMap.forEach((name, shard) -> {
            SafetensorsHeader header = shards.get(shard);
            TensorEntry tensor = header == null ? null : header.tensors().get(name);
            if (tensor == null) {
                absent.put(
                        name,
                        ModelFile.name(file) + ": tensor " + ModelFile.quote(name) + " must be in "
                                + ModelFile.quote(shard) + ", but is not");
            } else {
                tensors.put(name, tensor);
            }
        });
        return WeightIndex.of(label, tensors, absent);
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
            throw Files.isSymbolicLink(folder)
                    ? ModelFile.missing(folder)
                    : new ModelLoadException(ModelFile.name(folder) + ": the folder is missing");
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
        requireTargets(folder, stem, names);
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
                    + ModelFile.shown(String.join(", ", variants)));
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

    /** Refuses links to what is missing, of which nothing else can be said. */
    private static void requireTargets(Path folder, String stem, Set<String> names) {
        for (String name : names) {
            Path file = folder.resolve(name);
            if (name.startsWith(stem) && Files.isSymbolicLink(file) && !Files.exists(file)) {
                throw ModelFile.missing(file);
            }
        }
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
        if (Files.exists(folder) && !Files.isDirectory(folder)) { // opening a pipe would wait for its other end
            throw new ModelLoadException(ModelFile.name(folder) + ": must be a folder, but is not");
        }
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
                    fileName + ": zimage reads indices of at most " + MAX_INDEX_BYTES + " bytes, but this has " + size);
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
                throw new ModelLoadException(fileName + ": more than " + SafetensorsHeader.MAX_TENSORS
                        + " tensors, which is zimage's limit");
            }
            if (weightMap.put(name, parser.getText()) != null) {
                throw new ModelLoadException(
                        fileName + ": not sound JSON: Duplicate field '" + ModelFile.shown(name) + "' in weight_map");
            }
        }
        return weightMap;
    }
}
