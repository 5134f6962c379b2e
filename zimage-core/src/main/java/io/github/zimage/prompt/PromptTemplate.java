package io.github.zimage.prompt;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A prompt in parts: {@code subject with action or state | detail | … | background and mood | style}. That this order
 * suits the model is folklore; that nothing is forgotten is its use.
 *
 * <pre>{@code
 * PromptTemplate.builder()
 *         .subject("a red fox asleep in the snow")
 *         .detail("frost on its fur")
 *         .background("birch forest at dawn")
 *         .style(PromptLibrary.standard().style("film-photo"))
 *         .build()
 *         .prompt(); // a red fox asleep in the snow, frost on its fur, birch forest at dawn, 35 mm film photograph, …
 * }</pre>
 *
 * <p>A part may have placeholders, {@code {text}}, which {@link #fill(Map)} replaces.
 *
 * @param subject who or what is shown, and what it does or is like; not empty
 * @param details what else can be seen of it
 * @param background where it is, light and mood; may be empty
 * @param style the kind of picture; may be empty
 */
public record PromptTemplate(String subject, List<String> details, String background, String style) {
    private static final Pattern PLACEHOLDER = Pattern.compile("\\{([a-z][a-z0-9_]*+)\\}");
    private static final String ENDS = ",.;\uFF0C\u3002\uFF1B\u3001";

    /**
     * @throws IllegalArgumentException if the subject or a detail is blank, a part contains a vertical bar or a line break, or
     *     all together have more than {@value PromptLinter#MAX_CHARACTERS} characters
     */
    public PromptTemplate {
        subject = PromptText.checkPart("subject", subject);
        background = PromptText.checkPart("background", background);
        style = PromptText.checkPart("style", style);
        details = details.stream()
                .map(detail -> PromptText.checkPart("detail", detail))
                .toList();
        if (subject.isEmpty()) {
            throw new IllegalArgumentException("subject must not be blank: say what the picture shows");
        }
        if (details.contains("")) {
            throw new IllegalArgumentException("a detail must not be blank: leave it out");
        }
        checkLength(toString(subject, details, background, style).length());
    }

    /** Returns a builder. */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Reads what {@link #toString()} writes. With one part, it is the subject; with two, subject and a detail; with more,
     * the last two are background and style. Background, style and details may be empty; empty details are left out.
     *
     * @throws IllegalArgumentException if the subject is blank or there is a line break
     */
    public static PromptTemplate parse(String text) {
        List<String> parts = List.of(text.split("\\|", -1));
        int size = parts.size();
        int detailsEnd = size > 2 ? size - 2 : size;
        return new PromptTemplate(
                parts.get(0),
                parts.subList(1, detailsEnd).stream()
                        .filter(detail -> !detail.isBlank())
                        .toList(),
                size > 2 ? parts.get(size - 2) : "",
                size > 2 ? parts.get(size - 1) : "");
    }

    /** Returns the names of the placeholders that are left, sorted. */
    public Set<String> placeholders() {
        Set<String> names = new TreeSet<>();
        Matcher matcher = PLACEHOLDER.matcher(toString());
        while (matcher.find()) {
            names.add(matcher.group(1));
        }
        return names;
    }

    /**
     * Replaces placeholders. Those that have no value stay.
     *
     * @throws IllegalArgumentException if there is no placeholder of a name, a value is blank or cannot stand in a part, or the
     *     template would have more than {@value PromptLinter#MAX_CHARACTERS} characters
     */
    public PromptTemplate fill(Map<String, String> values) {
        Set<String> known = placeholders();
        values.forEach((name, value) -> {
            if (!known.contains(name)) {
                throw new IllegalArgumentException("there is no placeholder {%s}, only %s"
                        .formatted(Excerpt.of(name), Excerpt.of(known.toString())));
            }
            if (PromptText.checkPart(name, value).isEmpty()) {
                throw new IllegalArgumentException("%s must not be blank".formatted(Excerpt.of(name)));
            }
        });
        checkLength(filledLength(values));
        return new PromptTemplate(
                filled(subject, values),
                details.stream().map(detail -> filled(detail, values)).toList(),
                filled(background, values),
                filled(style, values));
    }

    /** Returns the prompt, joined as the language of the parts wants it; a style of the other language is taken as it is. */
    public String prompt() {
        return prompt(PromptLanguage.of(subject));
    }

    /**
     * Returns the prompt.
     *
     * @param language how the parts are joined: with commas and spaces, or with full-width commas
     * @throws IllegalStateException if placeholders are left
     */
    public String prompt(PromptLanguage language) {
        Set<String> open = placeholders();
        if (!open.isEmpty()) {
            throw new IllegalStateException("placeholders are left: " + Excerpt.of(open.toString()));
        }
        List<String> parts = new ArrayList<>();
        for (String part : parts(subject, details, background, style)) {
            String stripped = withoutEnd(part);
            if (!stripped.isEmpty()) {
                parts.add(stripped);
            }
        }
        return String.join(language == PromptLanguage.CHINESE ? "\uFF0C" : ", ", parts);
    }

    /** Returns the parts with vertical bars between them, as {@link #parse(String)} reads them. */
    @Override
    public String toString() {
        return toString(subject, details, background, style);
    }

    private static String toString(String subject, List<String> details, String background, String style) {
        List<String> parts = parts(subject, details, background, style);
        return background.isEmpty() && style.isEmpty() && details.size() < 2
                ? String.join(" | ", parts.subList(0, 1 + details.size()))
                : String.join(" | ", parts);
    }

    private static List<String> parts(String subject, List<String> details, String background, String style) {
        List<String> parts = new ArrayList<>();
        parts.add(subject);
        parts.addAll(details);
        parts.add(background);
        parts.add(style);
        return parts;
    }

    /** Returns how long {@link #toString()} will be with values in place of the placeholders, before any of it is built. */
    private long filledLength(Map<String, String> values) {
        String text = toString();
        long length = text.length();
        for (Matcher matcher = PLACEHOLDER.matcher(text); matcher.find(); ) {
            String value = values.get(matcher.group(1));
            length += value == null ? 0 : value.length() - matcher.group().length();
        }
        return length;
    }

    private static void checkLength(long length) {
        if (length > PromptLinter.MAX_CHARACTERS) {
            throw new IllegalArgumentException(
                    "a template must have at most %d characters, but has %d: shorten its parts"
                            .formatted(PromptLinter.MAX_CHARACTERS, length));
        }
    }

    private static String filled(String part, Map<String, String> values) {
        return PLACEHOLDER
                .matcher(part)
                .replaceAll(match -> Matcher.quoteReplacement(
                        Objects.requireNonNull(values.getOrDefault(match.group(1), match.group()))));
    }

    private static String withoutEnd(String part) {
        int end = part.length();
        while (end > 0 && (ENDS.indexOf(part.charAt(end - 1)) >= 0 || Character.isWhitespace(part.charAt(end - 1)))) {
            end--;
        }
        return part.substring(0, end);
    }

    /** Collects the parts of a {@link PromptTemplate}. Not thread-safe. */
    public static final class Builder {
        private final List<String> details = new ArrayList<>();
        private String subject = "";
        private String background = "";
        private String style = "";
        private @Nullable StylePreset preset;

        private Builder() {}

        /** Sets who or what is shown. Required. */
        @CanIgnoreReturnValue
        public Builder subject(String words) {
            subject = words;
            return this;
        }

        /** Adds a detail. */
        @CanIgnoreReturnValue
        public Builder detail(String words) {
            details.add(words);
            return this;
        }

        /** Sets place, light and mood. Default: none. */
        @CanIgnoreReturnValue
        public Builder background(String words) {
            background = words;
            return this;
        }

        /** Sets the kind of picture in words. Default: none. */
        @CanIgnoreReturnValue
        public Builder style(String words) {
            style = words;
            preset = null;
            return this;
        }

        /** Sets the kind of picture to a preset, in the language of the subject. */
        @CanIgnoreReturnValue
        public Builder style(StylePreset chosen) {
            preset = chosen;
            return this;
        }

        /**
         * Returns the template.
         *
         * @throws IllegalArgumentException if there is no subject, or a part cannot be one
         */
        public PromptTemplate build() {
            String words = preset == null ? style : preset.words(PromptLanguage.of(subject));
            return new PromptTemplate(subject, details, background, words);
        }
    }
}
