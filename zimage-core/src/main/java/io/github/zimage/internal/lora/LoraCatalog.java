package io.github.zimage.internal.lora;

import io.github.zimage.Component;
import io.github.zimage.GenerationRequest;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.Lora;
import io.github.zimage.LoraReport;
import io.github.zimage.ModelLoadException;
import io.github.zimage.Precision;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.io.Sha256;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The LoRAs that requests to a model name: finds their files, reads each once, and says what of it is applied. Thread-safe. */
public final class LoraCatalog {
    private static final Logger LOG = LoggerFactory.getLogger(LoraCatalog.class);

    private static final String FIELD = "loras";
    private static final int MOST_KEPT = 64;
    private static final int MOST_NAMED = 10;
    private static final int MOST_LORAS = 32;

    private final ModelShapes model;
    private final @Nullable Precision precision;
    private final List<Lora> always;
    private final @Nullable Path folder;
    private final Map<Path, Read> known = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Path, Read> eldest) {
            return size() > MOST_KEPT;
        }
    };

    /** A file as it was when it was read. */
    private record Read(Adapter adapter, String sha256, long size, FileTime modified) {
        boolean isAs(Path file) throws IOException {
            return Files.size(file) == size && Files.getLastModifiedTime(file).equals(modified);
        }
    }

    /**
     * What a request's LoRAs come to.
     *
     * @param described as they were named, each with its file and its digest
     * @param positive what is for pictures
     * @param negative what is for what pictures shall not show
     */
    public record Resolved(List<Lora> described, List<AdapterUse> positive, List<AdapterUse> negative) {}

    /**
     * Creates a catalog. Reads nothing.
     *
     * @param precision that of the transformer, or null if nothing shall be computed
     * @param always what requests have that name none
     * @param folder where files of a name are looked for, or null
     */
    public LoraCatalog(ModelShapes model, @Nullable Precision precision, List<Lora> always, @Nullable Path folder) {
        this.model = model;
        this.precision = precision;
        this.always = List.copyOf(always);
        this.folder = folder;
    }

    /** Returns the names of all files in a folder that could be LoRAs, in order. */
    public static List<String> names(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(Files::isRegularFile)
                    .filter(LoraFile::isNamedSo)
                    .map(LoraFile::name)
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw ModelFile.unreadable(folder, e);
        }
    }

    /** Reads what requests have that name none; refuses as {@link #resolve} does. */
    public void requireAlways() {
        always.forEach(this::read);
    }

    /**
     * Finds and reads what a request names.
     *
     * @throws InvalidRequestException if there is no LoRA of a name, it is not the one that is meant, or it is to be applied wholly and cannot
     * @throws ModelLoadException if a file is damaged, or is a LoRA of another model
     */
    public Resolved resolve(GenerationRequest request) {
        List<Lora> named = request.loras();
        List<Lora> wanted = named == null ? always : named;
        if (wanted.size() > MOST_LORAS) {
            throw refused("a request can have at most %d LoRAs, but has %d".formatted(MOST_LORAS, wanted.size()));
        }
        List<Lora> described = new ArrayList<>();
        List<AdapterUse> positive = new ArrayList<>();
        List<AdapterUse> negative = new ArrayList<>();
        for (Lora each : wanted) {
            Read read = read(each);
            AdapterUse use = new AdapterUse(read.adapter(), each.weight(), each.blockWeights());
            described.add(described(each, read));
            if (each.prompts() != Lora.Prompts.NEGATIVE) {
                positive.add(use);
            }
            if (each.prompts() != Lora.Prompts.POSITIVE) {
                negative.add(use);
            }
        }
        return new Resolved(described, positive, negative);
    }

    private static Lora described(Lora lora, Read read) {
        Lora found = Lora.of(read.adapter().file())
                .weight(lora.weight())
                .blockWeights(lora.blockWeights())
                .prompts(lora.prompts())
                .sha256(read.sha256());
        return lora.isStrict() ? found.strict() : found;
    }

    private Read read(Lora lora) {
        Read read = lora.file() == null ? readNamed(lora) : read(file(lora));
        String wanted = lora.sha256();
        if (wanted != null && !wanted.equals(read.sha256())) {
            throw refused("LoRA %s must be the file with SHA-256 %s, but is another: %s"
                    .formatted(ModelFile.quote(lora.name()), wanted, read.sha256()));
        }
        LoraReport report = read.adapter().report();
        if (lora.isStrict() && !report.isComplete()) {
            LoraReport.Skipped first = report.skipped().get(0);
            throw refused("LoRA %s must be applied wholly, but %d of its tensors cannot be, such as %s: %s"
                    .formatted(ModelFile.quote(lora.name()), report.skipped().size(), first.tensor(), first.reason()));
        }
        return read;
    }

    /** Whoever names a LoRA that is there chose it, and not the file: what is wrong with it is wrong with the request. */
    private Read readNamed(Lora lora) {
        Path file = file(lora);
        try {
            return read(file);
        } catch (ModelLoadException e) {
            throw refused(String.valueOf(e.getMessage()));
        }
    }

    private Path file(Lora lora) {
        Path given = lora.file();
        if (given != null) {
            return given.toAbsolutePath().normalize();
        }
        if (folder == null) {
            throw refused("LoRA %s cannot be found by its name: the pipeline has no folder of LoRAs"
                    .formatted(ModelFile.quote(lora.name())));
        }
        List<String> names = names(folder);
        if (!names.contains(lora.name())) {
            throw refused("there is no LoRA %s, but %s"
                    .formatted(ModelFile.quote(lora.name()), names.isEmpty() ? "none at all" : some(names)));
        }
        return LoraFile.file(folder.toAbsolutePath().normalize(), lora.name());
    }

    private static String some(List<String> names) {
        String shown = String.join(
                ", ",
                names.subList(0, Math.min(names.size(), MOST_NAMED)).stream()
                        .map(ModelFile::shown)
                        .toList());
        return names.size() > MOST_NAMED ? shown + " and " + (names.size() - MOST_NAMED) + " more" : shown;
    }

    private static InvalidRequestException refused(String message) {
        return new InvalidRequestException(List.of(FIELD), message);
    }

    /** Requests that name other files do not wait while this one is read; two that come at once with the same new file read it twice. */
    private Read read(Path file) {
        try {
            Read before = known(file);
            if (before != null && before.isAs(file)) {
                return before;
            }
            ModelFile.size(file);
            FileTime modified = Files.getLastModifiedTime(file);
            long size = Files.size(file);
            Adapter adapter = LoraFile.read(file, model);
            Read read = new Read(adapter, Sha256.of(file), size, modified);
            if (!read.isAs(file)) {
                throw new ModelLoadException(ModelFile.name(file) + ": the file changes while it is read");
            }
            return remembered(file, read);
        } catch (IOException e) {
            throw ModelFile.unreadable(file, e);
        }
    }

    private synchronized @Nullable Read known(Path file) {
        return known.get(file);
    }

    /** Returns what another thread has read of the same file meanwhile, if there is any, so that all have the same. */
    private synchronized Read remembered(Path file, Read read) {
        Read other = known.get(file);
        if (other != null
                && other.sha256().equals(read.sha256())
                && other.modified().equals(read.modified())) {
            return other;
        }
        known.put(file, read);
        log(read.adapter());
        return read;
    }

    /** What an adapter adds to a weight is a hundredth of it at most places: the error of merging is that of rounding to BF16, for such a change. */
    private void log(Adapter adapter) {
        LoraReport report = adapter.report();
        LOG.info(
                "{}; computed beside the weights, with {} % more products in the transformer{}",
                report.summary(),
                String.format(Locale.ROOT, "%.1f", 100.0 * adapter.products(Component.TRANSFORMER) / model.products()),
                precision == Precision.BF16 ? "; merged into BF16 weights, a change of 1 % would lose 16 % of it" : "");
        if (!report.isComplete()) {
            LOG.warn("Not all of it is applied. {}", report);
        }
    }
}
