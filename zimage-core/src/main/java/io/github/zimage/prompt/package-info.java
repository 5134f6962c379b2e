/**
 * Help with prompts: templates, a linter, bilingual prompts, advice on size and steps. Pure Java: nothing here loads a
 * native library or a model.
 *
 * <p>Every rule says what it rests on, see {@link io.github.zimage.prompt.LintBasis}. Some are folklore: true for some
 * users of some models, and worth a try on yours before you believe them.
 */
package io.github.zimage.prompt;
