package io.github.zimage.prompt;

import java.util.List;
import java.util.Locale;
import java.util.ServiceLoader;
import org.jspecify.annotations.Nullable;

/**
 * Advises on the size of a square picture. The sizes, and that short prompts need fewer pixels, are
 * {@link LintBasis#FOLKLORE}: nothing is changed unless you ask for it.
 */
public final class SizeAdvisor {
    private static final int SHORT = 30;
    private static final int LONG = 60;

    private final @Nullable ChineseAnalyzer chinese;

    /** What a picture is for. */
    public enum Purpose {
        /** To look at ideas: 768 pixels. */
        DRAFT(768),
        /** For a screen: 1024 pixels. */
        PUBLISH(1024),
        /** For paper: 1280 pixels. */
        PRINT(1280);

        private final int pixels;

        Purpose(int pixels) {
            this.pixels = pixels;
        }
    }

    /**
     * A size and why.
     *
     * @param pixels width and height, a multiple of 16
     * @param words how many words the prompt has; Chinese is counted by words too
     * @param purpose what the picture is for, or null if only the prompt was looked at
     */
    public record Advice(int pixels, int words, @Nullable Purpose purpose) {
        /** Returns the reason, in Chinese for Chinese locales and in English otherwise. */
        public String message(Locale locale) {
            String size = Integer.toString(pixels);
            String count = Integer.toString(words);
            if (purpose == null) {
                return Messages.format(locale, "size", List.of(count, size));
            }
            String reason = Messages.format(locale, "size." + purpose.name(), List.of(size));
            int fitting = pixelsFor(words);
            if (fitting == pixels) {
                return reason;
            }
            String key = fitting < pixels ? "size.short" : "size.long";
            return reason + " " + Messages.format(locale, key, List.of(count, Integer.toString(fitting)));
        }
    }

    private SizeAdvisor(@Nullable ChineseAnalyzer chinese) {
        this.chinese = chinese;
    }

    /** Returns an advisor that counts Chinese words with the {@link ChineseAnalyzer} that is found, or estimates them. */
    public static SizeAdvisor create() {
        return with(ServiceLoader.load(ChineseAnalyzer.class).findFirst().orElse(null));
    }

    /** Returns an advisor that counts Chinese words with an analyzer, or estimates them if it is null. */
    public static SizeAdvisor with(@Nullable ChineseAnalyzer chinese) {
        return new SizeAdvisor(chinese);
    }

    /** Returns 768 for prompts of fewer than 30 words, 1024 for fewer than 60, and 1280 for longer ones. */
    public Advice advise(String prompt) {
        int words = PromptWords.count(prompt, chinese);
        return new Advice(pixelsFor(words), words, null);
    }

    /** Returns the size for a purpose; the reason says if the prompt's length suggests another. */
    public Advice advise(String prompt, Purpose purpose) {
        return new Advice(purpose.pixels, PromptWords.count(prompt, chinese), purpose);
    }

    private static int pixelsFor(int words) {
        return words < SHORT ? Purpose.DRAFT.pixels : words < LONG ? Purpose.PUBLISH.pixels : Purpose.PRINT.pixels;
    }
}
