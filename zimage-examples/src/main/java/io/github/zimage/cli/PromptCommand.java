package io.github.zimage.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.ZImageModel;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.prompt.LintFinding;
import io.github.zimage.prompt.PromptLanguage;
import io.github.zimage.prompt.PromptLibrary;
import io.github.zimage.prompt.PromptLint;
import io.github.zimage.prompt.PromptLinter;
import io.github.zimage.prompt.PromptTemplate;
import io.github.zimage.prompt.SizeAdvisor;
import io.github.zimage.prompt.StepAdvisor;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Helps with prompts. Needs no model. */
@Command(
        name = "prompt",
        description = "Checks prompts, fills templates, advises on size and steps. Needs no model.",
        synopsisSubcommandLabel = "COMMAND")
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class PromptCommand implements Runnable {
    private static final String MARK = "\u001b[4;33m";
    private static final String PLAIN = "\u001b[0m";

    @Spec
    private CommandSpec spec;

    private enum Language {
        EN(Locale.ENGLISH, PromptLanguage.ENGLISH),
        ZH(Locale.CHINESE, PromptLanguage.CHINESE);

        private final Locale locale;
        private final PromptLanguage prompt;

        Language(Locale locale, PromptLanguage prompt) {
            this.locale = locale;
            this.prompt = prompt;
        }
    }

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(),
                "which command? One of %s (see zimage prompt --help)"
                        .formatted(String.join(", ", spec.subcommands().keySet())));
    }

    @Command(name = "lint", description = "Says what in a prompt contradicts itself, is not read, or is wasted.")
    int lint(
            @Parameters(paramLabel = "TEXT", description = "The prompt.") String prompt,
            @Option(
                            names = "--negative",
                            paramLabel = "TEXT",
                            description = "The negative prompt that shall go with it.")
                    @Nullable
                    String negative,
            @Option(
                            names = "--guidance",
                            paramLabel = "G",
                            defaultValue = "0",
                            description = "The guidance that shall go with it (default: ${DEFAULT-VALUE}).")
                    double guidance,
            @Option(
                            names = "--nag-scale",
                            paramLabel = "S",
                            defaultValue = "1",
                            description =
                                    "The scale of guidance by attention (default: ${DEFAULT-VALUE}, which is off).")
                    double nagScale,
            @Option(names = "--fix", description = "Print the prompt with the fixes applied, and nothing else.")
                    boolean fix,
            @Option(names = "--json", description = "Print one array of findings.") boolean json,
            @Option(
                            names = "--model",
                            paramLabel = "DIR",
                            description =
                                    "Count tokens with the tokenizer of this checkpoint (default: estimate them).")
                    @Nullable
                    Path model,
            @Option(
                            names = "--language",
                            paramLabel = "en|zh",
                            defaultValue = "en",
                            description = "Language of the messages (default: ${DEFAULT-VALUE}).")
                    Language language)
            throws IOException {
        if (fix && json) {
            throw new IllegalArgumentException("--fix prints a prompt and --json findings: give one of them");
        }
        PrintWriter out = out();
        PromptLint lint = lint(model, linter -> linter.lint(prompt, negative, guidance, nagScale));
        if (fix) {
            // Another program gets it to the letter.
            out.println(Terminal.isOutputWatched() ? ShownText.lines(lint.fixed()) : lint.fixed());
        } else if (json) {
            out.println(ShownText.escapedJson(json(lint, language.locale)));
        } else if (lint.findings().isEmpty()) {
            out.println(language == Language.ZH ? "没有发现问题" : "nothing found");
        } else {
            if (Ansi.AUTO.enabled()) {
                out.println(marked(lint));
            }
            for (LintFinding finding : lint.findings()) {
                out.println(ShownText.joined("%d-%d %s %s: %s"
                        .formatted(
                                finding.start(),
                                finding.end(),
                                finding.severity().name().toLowerCase(Locale.ROOT),
                                finding.code(),
                                finding.message(language.locale))));
            }
        }
        return 0;
    }

    @Command(
            name = "template",
            description = "Fills a template; without a name, says which templates and styles there are.")
    int template(
            @Parameters(paramLabel = "NAME", arity = "0..1", description = "Which template.") @Nullable String name,
            @Option(
                            names = "--set",
                            paramLabel = "PLACEHOLDER=WORDS",
                            description = "What a placeholder stands for; once for each.")
                    @Nullable
                    Map<String, String> values,
            @Option(names = "--style", paramLabel = "NAME", description = "Use this style instead of the template's.")
                    @Nullable
                    String style,
            @Option(
                            names = "--library",
                            paramLabel = "FILE",
                            description = "JSON file with templates and styles of your own.")
                    @Nullable
                    Path file,
            @Option(
                            names = "--language",
                            paramLabel = "en|zh",
                            defaultValue = "en",
                            description = "Language of the prompt (default: ${DEFAULT-VALUE}).")
                    Language language) {
        PromptLibrary library = library(file);
        PrintWriter out = out();
        if (name == null) {
            library.templates()
                    .forEach(known -> out.printf("%-16s %s%n", known, library.template(known, language.prompt)));
            out.println();
            library.styles()
                    .forEach(known ->
                            out.printf("%-18s %s%n", known, library.style(known).words(language.prompt)));
            return 0;
        }
        PromptTemplate template = library.template(name, language.prompt);
        if (values != null) {
            template = template.fill(values);
        }
        if (style != null) {
            template = new PromptTemplate(
                    template.subject(),
                    template.details(),
                    template.background(),
                    library.style(style).words(language.prompt));
        }
        if (!template.placeholders().isEmpty()) {
            throw new IllegalArgumentException("template %s needs --set %s=WORDS"
                    .formatted(name, String.join("=WORDS and --set ", template.placeholders())));
        }
        String filled = template.prompt(language.prompt);
        out.println(Terminal.isOutputWatched() ? ShownText.lines(filled) : filled);
        return 0;
    }

    @Command(
            name = "advise",
            description = "Advises on the size and the steps for a prompt. Folklore: try it on your model.")
    int advise(
            @Parameters(paramLabel = "TEXT", description = "The prompt.") String prompt,
            @Option(
                            names = "--for",
                            paramLabel = "draft|publish|print",
                            description = "What the picture is for (default: by the length of the prompt).")
                    SizeAdvisor.@Nullable Purpose purpose,
            @Option(
                            names = "--language",
                            paramLabel = "en|zh",
                            defaultValue = "en",
                            description = "Language of the reasons (default: ${DEFAULT-VALUE}).")
                    Language language) {
        SizeAdvisor sizes = SizeAdvisor.create();
        SizeAdvisor.Advice size = purpose == null ? sizes.advise(prompt) : sizes.advise(prompt, purpose);
        out().println(size.message(language.locale));
        out().println(StepAdvisor.advise(prompt).message(language.locale));
        return 0;
    }

    private PrintWriter out() {
        return spec.commandLine().getOut();
    }

    private static PromptLint lint(@Nullable Path folder, Function<PromptLinter, PromptLint> task) {
        if (folder == null) {
            return task.apply(PromptLinter.create());
        }
        try (ZImageModel model = ZImageModel.open(folder)) {
            return task.apply(PromptLinter.builder().tokens(model::countTokens).build());
        }
    }

    private static PromptLibrary library(@Nullable Path file) {
        if (file == null) {
            return PromptLibrary.standard();
        }
        try {
            return PromptLibrary.standard().with(PromptLibrary.load(file));
        } catch (IOException e) {
            throw new UncheckedIOException("%s cannot be read (%s)".formatted(file, e.getMessage()), e);
        }
    }

    private static String json(PromptLint lint, Locale locale) throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        ArrayNode array = mapper.createArrayNode();
        for (LintFinding finding : lint.findings()) {
            ObjectNode node = array.addObject();
            node.put("code", finding.code().name());
            node.put("severity", finding.severity().name());
            node.put("basis", finding.code().basis().name());
            node.put("start", finding.start());
            node.put("end", finding.end());
            node.put("text", lint.prompt().substring(finding.start(), finding.end()));
            node.put("message", finding.message(locale));
            node.put("replacement", finding.replacement());
        }
        return mapper.writeValueAsString(array);
    }

    private static String marked(PromptLint lint) {
        StringBuilder text = new StringBuilder();
        int done = 0;
        List<LintFinding> findings = lint.findings().stream()
                .filter(finding ->
                        finding.end() - finding.start() < lint.prompt().length())
                .sorted(Comparator.comparingInt(LintFinding::start))
                .toList();
        for (LintFinding finding : findings) {
            if (finding.start() >= done && finding.end() > finding.start()) {
                text.append(ShownText.lines(lint.prompt().substring(done, finding.start())))
                        .append(MARK)
                        .append(ShownText.lines(lint.prompt().substring(finding.start(), finding.end())))
                        .append(PLAIN);
                done = finding.end();
            }
        }
        return text.append(ShownText.lines(lint.prompt().substring(done))).toString();
    }
}
