package io.github.zimage.prompt;

import java.util.Objects;

/**
 * A named style, in words of both languages.
 *
 * @param name what it is called in {@link PromptLibrary#style(String)}: lower-case letters, digits and hyphens
 * @param english the words for English prompts, not blank
 * @param chinese the words for Chinese prompts, not blank
 */
public record StylePreset(String name, String english, String chinese) {
    /** @throws IllegalArgumentException if the name is not one, or words are blank or contain a vertical bar */
    public StylePreset {
        PromptText.checkName(name);
        english = PromptText.checkPart("english", Objects.requireNonNull(english, "english"));
        chinese = PromptText.checkPart("chinese", Objects.requireNonNull(chinese, "chinese"));
        if (english.isEmpty() || chinese.isEmpty()) {
            throw new IllegalArgumentException("style '%s' must have words in both languages".formatted(name));
        }
    }

    /** Returns the words for prompts in a language. */
    public String words(PromptLanguage language) {
        return language == PromptLanguage.CHINESE ? chinese : english;
    }
}
