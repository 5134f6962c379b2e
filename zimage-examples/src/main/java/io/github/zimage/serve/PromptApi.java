package io.github.zimage.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.prompt.LintFinding;
import io.github.zimage.prompt.PromptLanguage;
import io.github.zimage.prompt.PromptLibrary;
import io.github.zimage.prompt.PromptLint;
import io.github.zimage.prompt.PromptLinter;
import io.github.zimage.prompt.PromptTemplate;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** Help with prompts. */
final class PromptApi implements AutoCloseable {
    private static final Duration LINT_TIME = Duration.ofSeconds(2);
    private static final int WAITING_LINTS = 32;
    /** In both languages, with something to fix. */
    private static final String FIRST = "一只狐狸，(红色:1.2) // a fox, (red:1.2), masterpiece";

    private final PromptLinter linter = PromptLinter.create();
    private final PromptLibrary library = PromptLibrary.standard();
    /** One thread, so that those who type prompts take no more than that from those who wait for pictures. */
    private final ExecutorService lints;

    private final AtomicBoolean prepared = new AtomicBoolean();

    PromptApi(ThreadFactory threads) {
        lints = new ThreadPoolExecutor(1, 1, 0, TimeUnit.SECONDS, new ArrayBlockingQueue<>(WAITING_LINTS), threads);
    }

    /** {@code POST /api/prompt/lint}. */
    void lint(Exchange exchange) {
        exchange.readJson(fields -> {
            String prompt = fields.text("prompt", RequestReader.MAX_PROMPT);
            String negative = fields.text("negative_prompt", RequestReader.MAX_PROMPT);
            double guidance = fields.number("guidance", 0, 100, 0);
            double nagScale = fields.number("nag_scale", 1, 20, 1);
            Locale locale = Locale.forLanguageTag(fields.choice("language", "en", Set.of("en", "zh")));
            fields.rejectOthers();
            if (prompt == null) {
                throw ApiException.badParameter("prompt", "prompt must be given, but was missing");
            }
            long timer = exchange.vertx()
                    .setTimer(
                            LINT_TIME.toMillis(),
                            id -> exchange.fail(ApiException.retryable(
                                    503,
                                    "timeout",
                                    "the prompt was not looked at within %d s: try again later"
                                            .formatted(LINT_TIME.toSeconds()),
                                    1)));
            exchange.offload(lints, () -> json(linter.lint(prompt, negative, guidance, nagScale), locale), json -> {
                exchange.vertx().cancelTimer(timer);
                exchange.json(200, json);
            });
        });
    }

    private static ObjectNode json(PromptLint lint, Locale locale) {
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
        return root;
    }

    @Override
    public void close() {
        lints.shutdownNow();
    }

    /** Reads the rules and dictionaries, once, where nobody waits for it: half a second that the first prompt would take longer. */
    private void prepare() {
        if (!prepared.getAndSet(true)) {
            try {
                lints.execute(() -> linter.lint(FIRST));
            } catch (RejectedExecutionException e) {
                // enough prompts are there already
            }
        }
    }

    /** {@code GET /api/prompt/templates}. Who asks for them, as the page does when it is opened, is about to write a prompt. */
    void templates(Exchange exchange) {
        prepare();
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
