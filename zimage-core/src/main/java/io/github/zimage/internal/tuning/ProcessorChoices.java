package io.github.zimage.internal.tuning;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.config.ConfigFile;
import io.github.zimage.internal.io.AtomicFile;
import io.github.zimage.internal.io.PrivateFiles;
import io.github.zimage.internal.io.Sha256;
import io.github.zimage.internal.system.ProcessorWatch;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What was measured to be the best on a processor, kept in a small file, so that it is measured once and pictures come out the same each
 * time. A file that is damaged counts as none; where none can be written, what was measured lasts as long as the process. Thread-safe.
 */
public final class ProcessorChoices {
    private static final Logger LOG = LoggerFactory.getLogger(ProcessorChoices.class);

    private static final String VERSION_KEY = "zimageProcessor";
    private static final int VERSION = 1;
    private static final String PROCESSOR_KEY = "processor";
    private static final String CHOICES_KEY = "choices";

    private final @Nullable Path file;
    private final String processor;
    private final Supplier<ProcessorWatch> watches;
    private final Map<String, String> known = new TreeMap<>();
    /** What was measured beside other programs, which is not kept. */
    private final Map<String, String> passing = new HashMap<>();

    private boolean warned;

    /**
     * Reads what is known.
     *
     * @param folder where the file lies, or shall lie; null if nothing is kept
     * @param processor all that the choices depend on; others have files of their own
     * @param watches tell whether other programs disturb what is measured
     */
    public ProcessorChoices(@Nullable Path folder, String processor, Supplier<ProcessorWatch> watches) {
        this.watches = watches;
        this.file = folder == null ? null : folder.resolve("processor-" + hash(processor) + ".json");
        this.processor = processor;
        known.putAll(read());
    }

    private static String hash(String text) {
        return HexFormat.of().formatHex(Sha256.of(text), 0, 8);
    }

    /** Returns where the choices lie, or null if they are not kept. */
    public @Nullable Path file() {
        return file;
    }

    private Map<String, String> read() {
        if (file == null || !Files.exists(file)) {
            return Map.of();
        }
        try {
            ConfigFile json = ConfigFile.read(file);
            json.integer(VERSION_KEY, 0, VERSION, VERSION);
            json.onlyText(PROCESSOR_KEY, processor);
            ConfigFile choices = json.object(CHOICES_KEY);
            Map<String, String> read = new TreeMap<>();
            if (choices != null) {
                choices.keys().forEach(key -> read.put(key, choices.text(key, "")));
            }
            return read;
        } catch (ModelLoadException e) {
            LOG.debug("what was measured of the processor cannot be used and is measured anew", e);
            return Map.of();
        }
    }

    /**
     * Returns the answer to a question, after measuring it if it is not known. What was measured beside other programs lasts as long as
     * the process.
     *
     * @param valid tells whether an answer that was kept is one that this version knows
     * @param measure finds the answers to this question and maybe to others, by question
     */
    public synchronized String get(String question, Predicate<String> valid, Supplier<Map<String, String>> measure) {
        String answer = known.getOrDefault(question, passing.get(question));
        if (answer != null && valid.test(answer)) {
            return answer;
        }
        ProcessorWatch watch = watches.get();
        Map<String, String> measured = measure.get();
        passing.putAll(measured);
        put(measured, watch);
        String found = measured.get(question);
        if (found == null) {
            throw new IllegalStateException(question + " was not answered");
        }
        return found;
    }

    /** Starts to watch whether other programs disturb what is measured from now on. */
    public ProcessorWatch watch() {
        return watches.get();
    }

    /**
     * Keeps answers, in place of those to the same questions, unless they were measured beside other programs.
     *
     * @param watch was there while they were measured
     */
    public synchronized void put(Map<String, String> answers, ProcessorWatch watch) {
        ProcessorWatch.Others others = watch.seen();
        if (others.disturb()) {
            if (!warned) {
                LOG.info("What was measured of the processor is not kept: {} meanwhile", others);
                warned = true;
            }
            return;
        }
        known.putAll(answers);
        if (file == null) {
            return;
        }
        // Another process may have answered other questions meanwhile.
        Map<String, String> all = new TreeMap<>(read());
        all.putAll(known);
        try {
            PrivateFiles.createFolders(file.resolveSibling("").toAbsolutePath());
            AtomicFile.writePrivate(file, json(all).getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            LOG.debug("what was measured of the processor is not kept", e);
        }
    }

    private String json(Map<String, String> answers) {
        ObjectNode json = JsonMapper.builder().build().createObjectNode();
        json.put(VERSION_KEY, VERSION);
        json.put(PROCESSOR_KEY, processor);
        ObjectNode choices = json.putObject(CHOICES_KEY);
        answers.forEach(choices::put);
        return json.toPrettyString() + "\n";
    }
}
