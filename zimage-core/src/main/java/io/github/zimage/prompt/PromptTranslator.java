package io.github.zimage.prompt;

/**
 * A translator of prompts, for {@link BilingualPrompt}. The library has none: implement it with the service or the
 * model that you use.
 *
 * <pre>{@code
 * PromptTranslator translator = (text, to) -> myService.translate(text, to == PromptLanguage.CHINESE ? "zh" : "en");
 * BilingualPrompt prompt = translator.bilingual("一只红色的狐狸");
 * }</pre>
 */
@FunctionalInterface
public interface PromptTranslator {
    /**
     * Translates a prompt. What stands in quotation marks must stay as it is, because it is written in the picture.
     *
     * @param to the language to translate into
     */
    String translate(String text, PromptLanguage to);

    /**
     * Returns a prompt with its translation as the other half.
     *
     * @throws IllegalArgumentException if the translation is blank or has {@code //} in it
     */
    default BilingualPrompt bilingual(String text) {
        return PromptLanguage.of(text) == PromptLanguage.CHINESE
                ? new BilingualPrompt(text, translate(text, PromptLanguage.ENGLISH))
                : new BilingualPrompt(translate(text, PromptLanguage.CHINESE), text);
    }
}
