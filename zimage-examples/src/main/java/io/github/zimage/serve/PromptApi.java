package io.github.zimage.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.prompt.LintFinding;
import io.github.zimage.prompt.PromptLanguage;
import io.github.zimage.prompt.PromptLibrary;
import io.github.zimage.prompt.PromptLint;
import io.github.zimage.prompt.PromptLinter;
import io.github.zimage.prompt.PromptTemplate;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Help with prompts. */
final class PromptApi {
    private final PromptLinter linter = PromptLinter.create();
    private final PromptLibrary library = PromptLibrary.standard();

    /** {@code POST /api/prompt/lint}. */
    void lint(Exchange exchange) {
        exchange.readJson(fields -> {
            String prompt = fields.text("prompt", RequestReader.MAX_PROMPT);
            Locale locale = Locale.forLanguageTag(fields.choice("language", "en", Set.of("en", "zh")));
            fields.rejectOthers();
            if (prompt == null) {
                throw ApiException.badParameter("prompt", "prompt must be given, but was missing");
            }
            PromptLint lint = linter.lint(prompt);
            ObjectNode root = Exchange.JSON.createObjectNode().put("fixed", lint.fixed());
            ArrayNode findings = root.putArray("findings");
            for (LintFinding finding : lint.findings()) {
                findings.addObject()
                        .put("code", finding.code().name())
                        .put("severity", finding.severity().name().toLowerCase(Locale.ROOT))
                        .put("start", finding.start())
                        .put("end", finding.end())
                        .put("message", finding.message(locale));
            }
            exchange.json(200, root);
        });
    }

    /** {@code GET /api/prompt/templates}. */
    void templates(Exchange exchange) {
        ObjectNode root = Exchange.JSON.createObjectNode();
        ObjectNode templates = root.putObject("templates");
        for (String name : library.templates()) {
            templates
                    .putObject(name)
                    .put("en", words(name, PromptLanguage.ENGLISH))
                    .put("zh", words(name, PromptLanguage.CHINESE));
        }
        ObjectNode styles = root.putObject("styles");
        for (String name : library.styles()) {
            styles.putObject(name)
                    .put("en", library.style(name).english())
                    .put("zh", library.style(name).chinese());
        }
        exchange.json(200, root);
    }

    /** Returns a template as a prompt, with {@code [subject]} where words are to be put. */
    private String words(String name, PromptLanguage language) {
        PromptTemplate template = library.template(name, language);
        Map<String, String> placeholders = new HashMap<>();
        template.placeholders().forEach(each -> placeholders.put(each, "[" + each + "]"));
        return template.fill(placeholders).prompt(language);
    }
}
