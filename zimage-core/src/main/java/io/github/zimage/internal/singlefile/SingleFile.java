package io.github.zimage.internal.singlefile;

import io.github.zimage.Component;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.config.SchedulerConfig;
import io.github.zimage.internal.config.TextEncoderConfig;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.config.VaeConfig;
import io.github.zimage.internal.events.OpenEvent;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.CheckpointFolder;
import io.github.zimage.internal.weights.CheckpointParts;
import io.github.zimage.internal.weights.WeightIndex;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Opens a model whose transformer lies in a single file, with parts that lie in it, are named, or are found elsewhere. */
public final class SingleFile {
    private static final Logger LOG = LoggerFactory.getLogger(SingleFile.class);
    private static final Pattern ENDING = Pattern.compile("(?i)\\.(safetensors|sft|gguf)$");

    private static final Map<Component, String> CLASS_NAMES = Map.of(
            Component.TEXT_ENCODER, "Qwen3Model",
            Component.TRANSFORMER, "ZImageTransformer2DModel",
            Component.VAE, "AutoencoderKL");

    private static final List<PartKind<?>> KINDS = List.of(PartKind.TEXT_ENCODER, PartKind.TRANSFORMER, PartKind.VAE);

    private final ModelFiles given;
    private final Path model;
    private final PartReader reader;
    private final Places places;
    private final HubCaches caches;
    /** What is needed and was not found, each with the places that were searched. */
    private final List<String> missing = new ArrayList<>();

    private SingleFile(ModelFiles given, HubCaches caches) {
        this.given = given;
        this.model = given.model().toAbsolutePath().normalize();
        this.reader = new PartReader(given.variant());
        this.caches = caches;
        this.places = new Places(model, caches);
    }

    /**
     * Opens a model: a folder in the layout of diffusers, or files.
     *
     * @throws ModelLoadException if anything is missing, damaged or not supported
     * @throws IllegalArgumentException if the variant cannot be part of a file's name
     */
    public static Checkpoint open(ModelFiles files) {
        return open(files, HubCaches.ofThisUser());
    }

    static Checkpoint open(ModelFiles files, HubCaches caches) {
        boolean isFile = Files.isRegularFile(files.model()) && TensorTable.isOne(files.model());
        if (!isFile && files.isWhole()) {
            return Checkpoint.open(files.model(), files.variant());
        }
        OpenEvent event = new OpenEvent();
        event.begin();
        event.part = "checkpoint";
        Checkpoint opened = new SingleFile(files, caches).open(isFile);
        event.commit();
        return opened;
    }

    /**
     * What a file holds of a model.
     *
     * @param weights the parts' tensors
     * @param configs their configurations
     * @param notes what of these was assumed, and which parts are elsewhere
     */
    public record Held(Map<Component, WeightIndex> weights, Map<Component, Object> configs, List<String> notes) {}

    /**
     * Returns what a file holds, without looking for what it lacks.
     *
     * @throws ModelLoadException if it is damaged, or holds nothing of a model
     */
    public static Held held(Path file) {
        Path absolute = file.toAbsolutePath().normalize();
        PartReader reader = new PartReader(null);
        Map<Component, WeightIndex> weights = new HashMap<>();
        Map<Component, Object> configs = new HashMap<>();
        List<String> notes = new ArrayList<>();
        for (PartKind<?> kind : KINDS) {
            if (reader.contents(absolute).components().contains(kind.component())) {
                Part<?> part = checked(kind, reader, absolute);
                weights.put(kind.component(), part.weights());
                configs.put(kind.component(), part.config());
                notes.addAll(notes(part));
            } else {
                notes.add(kind.words() + ": not in this file");
            }
        }
        return new Held(weights, configs, notes);
    }

    private static <C> Part<C> checked(PartKind<C> kind, PartReader reader, Path file) {
        Part<C> part = reader.read(kind, file);
        part.weights().check(kind.tensors().apply(part.config()));
        return part;
    }

    /** Returns the class that a component of such a model has in Python. */
    public static String className(Component component) {
        return CLASS_NAMES.getOrDefault(component, component.id());
    }

    /** Returns the name of a model in a file. */
    public static String name(Path file) {
        return ModelFile.printable(
                ENDING.matcher(String.valueOf(file.getFileName())).replaceFirst(""));
    }

    private Checkpoint open(boolean isFile) {
        if (!isFile && !CheckpointFolder.is(model)) {
            return Checkpoint.open(given.model(), given.variant()); // which says what is wrong with it
        }
        if (isFile && !reader.contents(model).components().contains(Component.TRANSFORMER)) {
            throw new ModelLoadException(
                    "%s: holds %s, but no transformer: name the transformer's file, and this one with its own option (%s, %s)"
                            .formatted(
                                    ModelFile.name(model),
                                    reader.holds(model),
                                    PartKind.TEXT_ENCODER.option(),
                                    PartKind.VAE.option()));
        }
        Part<TransformerConfig> transformer = reader.read(PartKind.TRANSFORMER, model);
        Part<TextEncoderConfig> textEncoder = part(
                PartKind.TEXT_ENCODER,
                given.textEncoder(),
                config -> config.hiddenSize() == transformer.config().capFeatDim());
        Part<VaeConfig> vae = part(
                PartKind.VAE,
                given.vae(),
                config -> config.latentChannels() == transformer.config().inChannels());
        Path tokenizer = tokenizer(textEncoder);
        if (textEncoder == null || vae == null || tokenizer == null) {
            throw new ModelLoadException("%s: holds %s; missing are %s"
                    .formatted(
                            ModelFile.name(model),
                            isFile ? reader.holds(model) : "a checkpoint",
                            String.join("; and ", missing)));
        }
        List<String> notes = notes(transformer, textEncoder, vae);
        SchedulerConfig scheduler = scheduler(isFile, notes);
        notes.forEach(note -> LOG.info("{}", note));
        return Checkpoint.of(new CheckpointParts(
                model,
                name(model),
                CLASS_NAMES,
                transformer.config(),
                textEncoder.config(),
                vae.config(),
                scheduler,
                tokenizer,
                Map.of(
                        Component.TRANSFORMER, transformer.weights(),
                        Component.TEXT_ENCODER, textEncoder.weights(),
                        Component.VAE, vae.weights()),
                notes));
    }

    /** Returns a part that is named, in the model's file or folder, or found; null if there is none. */
    private <C> @Nullable Part<C> part(PartKind<C> kind, @Nullable Path named, Predicate<C> fits) {
        if (named != null) {
            return reader.read(kind, named.toAbsolutePath().normalize());
        }
        if (Files.isDirectory(model) || reader.contents(model).components().contains(kind.component())) {
            return reader.read(kind, model);
        }
        Set<Path> searched = new LinkedHashSet<>();
        for (Path folder : places.folders(kind)) {
            searched.add(folder);
            List<Part<C>> found = new ArrayList<>();
            for (Path candidate : places.candidates(kind, folder)) {
                Part<C> part = fitting(kind, candidate, fits);
                if (part != null) {
                    found.add(part);
                }
            }
            if (!found.isEmpty()) {
                return best(kind, found);
            }
        }
        caches.roots().forEach(searched::add);
        missing.add("the %s, which is not in %s: fetch it and name it with %s"
                .formatted(kind.words(), joined(searched), kind.option()));
        return null;
    }

    private <C> @Nullable Part<C> fitting(PartKind<C> kind, Path candidate, Predicate<C> fits) {
        try {
            boolean other = Files.isRegularFile(candidate)
                    && reader.contents(candidate).components().contains(Component.TRANSFORMER);
            Part<C> part = other ? null : reader.read(kind, candidate);
            return part != null && fits.test(part.config()) ? part : null;
        } catch (ModelLoadException e) {
            LOG.debug("{} is not taken", candidate, e);
            return null;
        }
    }

    /** Several that fit differ in what they are stored in, most often; the largest loses least. */
    private static <C> Part<C> best(PartKind<C> kind, List<Part<C>> found) {
        Part<C> best = found.stream()
                .max(Comparator.comparingLong(part -> part.weights().storedBytes()))
                .orElseThrow();
        String others = found.size() == 1 ? "" : ", the largest of " + found.size() + " there";
        LOG.info("The {} is that of {}{}", kind.words(), best.place(), others);
        return best;
    }

    private @Nullable Path tokenizer(@Nullable Part<TextEncoderConfig> textEncoder) {
        Path named = given.tokenizer();
        if (named != null) {
            Path in = in(named.toAbsolutePath().normalize());
            return in == null ? named.toAbsolutePath().normalize() : in;
        }
        Set<Path> folders = new LinkedHashSet<>();
        if (Files.isDirectory(model)) {
            return model.resolve("tokenizer/tokenizer.json");
        }
        if (textEncoder != null) {
            Stream.iterate(textEncoder.place(), path -> path != null, Path::getParent)
                    .limit(2)
                    .filter(Files::isDirectory)
                    .forEach(folders::add);
        }
        folders.addAll(places.tokenizerFolders());
        for (Path folder : folders) {
            Path file = in(folder);
            if (file != null) {
                LOG.info("The tokenizer is {}", file);
                return file;
            }
        }
        caches.roots().forEach(folders::add);
        missing.add(
                "the tokenizer, tokenizer.json of Qwen3, which is not in %s: name it with --tokenizer or tokenizer(Path)"
                        .formatted(joined(folders)));
        return null;
    }

    private static @Nullable Path in(Path folder) {
        return Stream.of("tokenizer.json", "tokenizer/tokenizer.json")
                .map(folder::resolve)
                .filter(Files::isRegularFile)
                .findFirst()
                .orElse(null);
    }

    private SchedulerConfig scheduler(boolean isFile, List<String> notes) {
        List<Path> folders = isFile ? places.checkpoints() : List.of(model);
        if (!folders.isEmpty()) {
            return SchedulerConfig.read(folders.get(0).resolve("scheduler/scheduler_config.json"));
        }
        notes.add("scheduler: shift 3 is assumed, which is Turbo's");
        return AssumedConfigs.scheduler();
    }

    private static List<String> notes(Part<?>... parts) {
        List<String> notes = new ArrayList<>();
        for (Part<?> part : parts) {
            String note = part.note();
            if (note != null) {
                notes.add(note);
            }
        }
        return notes;
    }

    private static String joined(Set<Path> paths) {
        return ModelFile.printable(
                String.join(", ", paths.stream().map(Path::toString).toList()));
    }
}
