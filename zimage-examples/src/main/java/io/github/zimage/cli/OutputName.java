package io.github.zimage.cli;

import io.github.zimage.GenerationRequest;
import io.github.zimage.internal.io.FileNames;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The name of pictures' files, with places for what differs: {@code {seed}}, {@code {n}} from 1, and {@code {prompt}}. */
final class OutputName {
    private static final Pattern PLACE = Pattern.compile("\\{([^{}]*)}");
    private static final List<String> PLACES = List.of("seed", "n", "prompt");

    /** What separates words of a prompt in a name: all but letters, marks and digits of any script. */
    private static final Pattern GAPS = Pattern.compile("[^\\p{L}\\p{M}\\p{Nd}]+");

    /** Names have at most 255 bytes on most file systems, and ends and numbers come behind. */
    private static final int MOST_PROMPT_BYTES = 120;

    private static final int MOST_PROMPT_CHARACTERS = 60;

    private final String pattern;

    /**
     * Checks a name.
     *
     * @throws IllegalArgumentException if it has a place for anything else
     */
    OutputName(Path pattern) {
        this.pattern = pattern.toString();
        Matcher place = PLACE.matcher(this.pattern);
        while (place.find()) {
            if (!PLACES.contains(place.group(1))) {
                throw new IllegalArgumentException(
                        "--out may have {seed}, {n} and {prompt} in it, but not '%s'".formatted(place.group()));
            }
        }
    }

    /** Returns whether it has places. */
    boolean hasPlaces() {
        return PLACE.matcher(pattern).find();
    }

    /** Returns whether the names of a request's pictures differ by what is in the places. */
    boolean tellsPicturesApart() {
        return pattern.contains("{seed}") || pattern.contains("{n}");
    }

    /**
     * Returns the name of a picture.
     *
     * @param request with a seed
     * @param index the picture's place in the request, from 0
     */
    Path of(GenerationRequest request, int index) {
        String name = PLACE.matcher(pattern)
                .replaceAll(place -> Matcher.quoteReplacement(
                        switch (place.group(1)) {
                            case "seed" -> Long.toUnsignedString(request.seedOf(index));
                            case "n" -> String.valueOf(index + 1);
                            default -> words(request.prompts().get(index / request.count()));
                        }));
        return FileNames.parse("--out", name);
    }

    /** Returns a prompt as a part of a file's name: its words, as many as there is room for, with hyphens between. */
    static String words(String prompt) {
        String words = GAPS.matcher(prompt).replaceAll("-").replaceAll("^-|-$", "");
        StringBuilder name = new StringBuilder();
        int bytes = 0;
        int[] characters = words.codePoints().limit(MOST_PROMPT_CHARACTERS).toArray();
        for (int character : characters) {
            bytes += Character.toString(character).getBytes(StandardCharsets.UTF_8).length;
            if (bytes > MOST_PROMPT_BYTES) {
                break;
            }
            name.appendCodePoint(character);
        }
        String cut = name.toString().replaceAll("-$", "");
        return cut.isEmpty() ? "prompt" : cut;
    }

    /** Returns the name as it was given. */
    @Override
    public String toString() {
        return pattern;
    }
}
