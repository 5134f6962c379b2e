package io.github.zimage.prompt;

/**
 * The rules of {@link PromptLinter}. The name of a constant is the code that is printed; it stays the same from one
 * release to the next.
 *
 * <p>How often each rule is right was measured on labelled prompts, see {@code docs/prompts.md}. That says whether it
 * finds what it looks for, not whether the picture gets better; for the latter, see {@link #basis()}.
 */
public enum LintCode {
    /** An intensifier that is doubled, or the third and later of a prompt ("very … very … very"). */
    REPEATED_INTENSIFIER(LintSeverity.INFO, LintBasis.FOLKLORE),
    /** Two or more words that praise the picture instead of describing it ("masterpiece, best quality, 8k"). */
    QUALITY_PILE(LintSeverity.INFO, LintBasis.FOLKLORE),
    /** Two descriptions that cannot both hold: midnight and noon, photograph and oil painting. */
    CONTRADICTION(LintSeverity.WARNING, LintBasis.ADVICE),
    /** Text to be written in the picture that does not stand in quotation marks. */
    UNQUOTED_TEXT(LintSeverity.WARNING, LintBasis.ADVICE),
    /** More kinds of people and animals, or a larger number of them, than a picture usually keeps apart. */
    TOO_MANY_SUBJECTS(LintSeverity.INFO, LintBasis.ADVICE),
    /** Weights such as {@code (x:1.2)} or {@code ((x))}: the text encoder reads them as plain characters. */
    PROMPT_WEIGHT(LintSeverity.WARNING, LintBasis.MODEL),
    /** Other programs' syntax: {@code --ar 16:9}, {@code <lora:…>}, {@code BREAK}, <code>{a|b}</code>. */
    OTHER_SYNTAX(LintSeverity.WARNING, LintBasis.MODEL),
    /**
     * A negative prompt written into the prompt, where it names what it wants to avoid; or one that is given while
     * guidance is off, also that by attention, where it is not used.
     */
    NEGATIVE_PROMPT(LintSeverity.WARNING, LintBasis.MODEL),
    /** Guidance above 0 with the Turbo model, which was distilled to do without. */
    GUIDANCE_ON_TURBO(LintSeverity.WARNING, LintBasis.MODEL),
    /** More tokens than the text encoder's limit. Without a tokenizer the number is an estimate. */
    TOO_LONG(LintSeverity.ERROR, LintBasis.MODEL),
    /**
     * Punctuation of both widths in one text, full-width letters and digits, mixed brackets, full-width punctuation in English.
     * Chinese with half-width punctuation throughout is none.
     */
    PUNCTUATION_WIDTH(LintSeverity.INFO, LintBasis.FOLKLORE),
    /** Halves of a bilingual prompt that name another number, another colour or another quoted text. */
    BILINGUAL_MISMATCH(LintSeverity.WARNING, LintBasis.ADVICE),
    /** A Chinese word with a character in one of its rarer readings. Needs a {@link ChineseAnalyzer}. */
    AMBIGUOUS_READING(LintSeverity.INFO, LintBasis.FOLKLORE),
    /** A Chinese idiom whose image is not what it means, and may be drawn. Needs a {@link ChineseAnalyzer}. */
    LITERAL_IDIOM(LintSeverity.INFO, LintBasis.FOLKLORE),
    /** A Chinese classifier that does not go with its noun. Needs a {@link ChineseAnalyzer}. */
    CLASSIFIER(LintSeverity.INFO, LintBasis.FOLKLORE),
    /**
     * One of a thing, with a Chinese classifier that is a word for something else ({@code 一座山}: a seat, {@code 一尊佛像}: a vessel). Guides to
     * prompts advise to name the thing alone. Needs a {@link ChineseAnalyzer}.
     */
    LITERAL_CLASSIFIER(LintSeverity.INFO, LintBasis.FOLKLORE),
    /** A dialect word that has a standard one. Needs a {@link ChineseAnalyzer}. */
    DIALECT(LintSeverity.INFO, LintBasis.FOLKLORE),
    /** Traditional and simplified characters in one text. Needs a {@link ChineseAnalyzer}. */
    MIXED_SCRIPT(LintSeverity.INFO, LintBasis.LANGUAGE);

    private final LintSeverity severity;
    private final LintBasis basis;

    LintCode(LintSeverity severity, LintBasis basis) {
        this.severity = severity;
        this.basis = basis;
    }

    /** Returns how much findings of this rule matter. */
    public LintSeverity severity() {
        return severity;
    }

    /** Returns what this rule rests on. */
    public LintBasis basis() {
        return basis;
    }
}
