package io.github.zimage.prompt;

import java.util.List;
import java.util.Locale;

/**
 * Advises on the number of steps (evaluations of the transformer) of the Turbo model: 7, 8 or 9, by how much the prompt
 * wants to have right. That one step more or less shows is {@link LintBasis#FOLKLORE}: nothing is changed unless you ask
 * for it.
 */
public final class StepAdvisor {
    private static final int SIMPLE = 2;
    private static final int COMPLEX = 6;

    private StepAdvisor() {}

    /**
     * A number of steps and what was counted.
     *
     * @param steps 7, 8 or 9
     * @param subjects people and animals that are named
     * @param texts quoted texts, to be written in the picture
     * @param relations words such as "left of", "behind", "holding"
     */
    public record Advice(int steps, int subjects, int texts, int relations) {
        /** Returns the reason, in Chinese for Chinese locales and in English otherwise. */
        public String message(Locale locale) {
            return Messages.format(
                    locale,
                    "steps",
                    List.of(
                            Integer.toString(steps),
                            Integer.toString(subjects),
                            Integer.toString(texts),
                            Integer.toString(relations)));
        }
    }

    /**
     * Counts a point for each subject and relation, and three for each text: 7 steps for fewer than two points, 9 for six
     * and more, 8 otherwise. Of a {@link BilingualPrompt}, the English half is counted.
     */
    public static Advice advise(String prompt) {
        String text =
                BilingualPrompt.parse(prompt).map(BilingualPrompt::english).orElse(prompt);
        var words = Lexicon.instance().matches(Quotes.masked(text));
        int subjects = words.getOrDefault("subject", List.of()).size();
        int relations = words.getOrDefault("relation", List.of()).size();
        int texts = Quotes.contents(text).size();
        int points = subjects + relations + 3 * texts;
        return new Advice(points < SIMPLE ? 7 : points < COMPLEX ? 8 : 9, subjects, texts, relations);
    }
}
