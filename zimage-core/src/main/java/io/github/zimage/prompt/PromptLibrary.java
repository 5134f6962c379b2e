package io.github.zimage.prompt;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;

/**
 * Styles and ready-made templates, as data. {@link #standard()} has some; {@link #with(PromptLibrary)} adds your own,
 * read from a file such as
 *
 * <pre>{@code
 * {
 *   "styles": {"linocut": {"en": "linocut print, two colours", "zh": "双色麻胶版画"}},
 *   "templates": {"stamp": {"en": "{subject} | perforated edge | plain background | engraving",
 *                           "zh": "{subject} | 齿孔边缘 | 纯色背景 | 雕版画"}}
 * }
 * }</pre>
 *
 * <p>Immutable and thread-safe.
 */
public final class PromptLibrary {
    private static final long LARGEST_FILE_BYTES = 4 << 20;
    private static final PromptLibrary STANDARD = readStandard();

    private final NavigableMap<String, StylePreset> styles = new TreeMap<>();
    private final NavigableMap<String, Map<PromptLanguage, PromptTemplate>> templates = new TreeMap<>();

    private PromptLibrary() {}

    /** Returns the library that comes with this package. */
    public static PromptLibrary standard() {
        return STANDARD;
    }

    /**
     * Reads a library from a JSON file in UTF-8.
     *
     * @throws IllegalArgumentException if it is not such a file, larger than 4 MiB, or an entry is wrong
     * @throws IOException if it cannot be read
     */
    public static PromptLibrary load(Path file) throws IOException {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new IllegalArgumentException(
                    file + ": a prompt library must be a file, but is a folder or a special file");
        }
        long size = Files.size(file);
        if (size > LARGEST_FILE_BYTES) {
            throw new IllegalArgumentException(
                    "%s: a prompt library has at most 4 MiB, but this file has %d bytes".formatted(file, size));
        }
        try {
            return parse(Files.readString(file));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("%s: %s".formatted(file, e.getMessage()), e);
        }
    }

    /**
     * Reads a library from JSON.
     *
     * @throws IllegalArgumentException if it is not JSON, or an entry is wrong
     */
    public static PromptLibrary parse(String json) {
        JsonNode root;
        try {
            root = new ObjectMapper().readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("not JSON: " + Excerpt.of(String.valueOf(e.getOriginalMessage())), e);
        }
        if (!root.isObject()) {
            throw new IllegalArgumentException("a prompt library is a JSON object with 'styles' and 'templates'");
        }
        PromptLibrary library = new PromptLibrary();
        root.properties().forEach(section -> {
            if (!Set.of("styles", "templates").contains(section.getKey())) {
                throw new IllegalArgumentException(
                        "unknown key '%s', known are 'styles' and 'templates'".formatted(Excerpt.of(section.getKey())));
            }
            boolean styles = section.getKey().equals("styles");
            section.getValue().properties().forEach(entry -> {
                String name = PromptText.checkName(entry.getKey());
                String english = words(name, entry.getValue(), "en");
                String chinese = words(name, entry.getValue(), "zh");
                if (styles) {
                    library.styles.put(name, new StylePreset(name, english, chinese));
                } else {
                    library.templates.put(
                            name,
                            Map.of(
                                    PromptLanguage.ENGLISH,
                                    PromptTemplate.parse(english),
                                    PromptLanguage.CHINESE,
                                    PromptTemplate.parse(chinese)));
                }
            });
        });
        return library;
    }

    /** Returns a library with the entries of both; where both have a name, the other's entry counts. */
    public PromptLibrary with(PromptLibrary other) {
        PromptLibrary both = new PromptLibrary();
        both.styles.putAll(styles);
        both.styles.putAll(other.styles);
        both.templates.putAll(templates);
        both.templates.putAll(other.templates);
        return both;
    }

    /** Returns the names of the styles, sorted. */
    public Set<String> styles() {
        return sorted(styles);
    }

    /** Returns the names of the templates, sorted. */
    public Set<String> templates() {
        return sorted(templates);
    }

    /**
     * Returns a style.
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public StylePreset style(String name) {
        return found("style", name, styles);
    }

    /**
     * Returns a template.
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public PromptTemplate template(String name, PromptLanguage language) {
        return Objects.requireNonNull(found("template", name, templates).get(language));
    }

    private static <T> T found(String kind, String name, Map<String, T> entries) {
        T entry = entries.get(name);
        if (entry == null) {
            throw new IllegalArgumentException("there is no %s '%s', only %s"
                    .formatted(kind, Excerpt.of(name), Excerpt.of(String.join(", ", entries.keySet()))));
        }
        return entry;
    }

    private static Set<String> sorted(NavigableMap<String, ?> entries) {
        return Collections.unmodifiableSet(entries.navigableKeySet());
    }

    private static String words(String name, JsonNode entry, String language) {
        JsonNode words = entry.path(language);
        if (!words.isTextual()) {
            throw new IllegalArgumentException("'%s' must have a text '%s'".formatted(Excerpt.of(name), language));
        }
        return words.textValue();
    }

    private static PromptLibrary readStandard() {
        try (InputStream in = PromptLibrary.class.getResourceAsStream("library.json")) {
            return parse(new String(Objects.requireNonNull(in, "library.json").readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException("library.json", e);
        }
    }
}
