package io.github.zimage.prompt.zh;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.prompt.LintCode;
import io.github.zimage.prompt.LintFinding;
import io.github.zimage.prompt.PromptLint;
import io.github.zimage.prompt.PromptLinter;
import io.github.zimage.prompt.zh.LabelledPrompts.Labelled;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** How often the rules are right, on prompts that were labelled before the rules were written. */
class LabelledPromptsTest {
    private static final Path DOCS = Path.of("../docs/prompts.md");

    private final PromptLinter linter = PromptLinter.create();

    private static final class Count {
        int right;
        int wrong;
        int missed;

        double precision() {
            return right + wrong == 0 ? 1 : (double) right / (right + wrong);
        }

        double recall() {
            return right + missed == 0 ? 1 : (double) right / (right + missed);
        }
    }

    @Test
    void heldOutPrompts_areJudgedAsTheDocsSay() throws Exception {
        requireTable(first());
    }

    // These were written after the rules, so that nothing was fitted to the half that is held out.
    @Test
    void furtherPrompts_areJudgedAsTheDocsSay() throws Exception {
        Map<LintCode, Count> heldOut = requireTable(further());
        heldOut.forEach((code, count) ->
                assertThat(count.precision()).as("precision of %s", code).isGreaterThanOrEqualTo(0.9));
    }

    private Map<LintCode, Count> requireTable(List<Labelled> prompts) throws Exception {
        Map<LintCode, Count> heldOut = counts(prompts, true);
        Map<LintCode, Count> development = counts(prompts, false);

        StringBuilder table = new StringBuilder();
        heldOut.forEach((code, count) -> table.append(row(code.name(), count, development.get(code))));
        Count total = total(heldOut);
        table.append(row("all", total, total(development)));
        System.out.print(table);

        assertThat(total.precision()).isGreaterThanOrEqualTo(0.9);
        assertThat(total.recall()).isGreaterThanOrEqualTo(0.8);
        assertThat(Files.readString(DOCS)).contains(table);
        return heldOut;
    }

    @Test
    void fewCleanPrompts_areFoundFaultWith() throws Exception {
        List<Labelled> clean =
                all().stream().filter(prompt -> prompt.codes().isEmpty()).toList();
        long blamed = clean.stream()
                .filter(prompt -> !linter.lint(prompt.text()).findings().isEmpty())
                .count();

        System.out.printf("clean prompts with a finding: %d of %d%n", blamed, clean.size());
        assertThat(blamed * 20).isLessThanOrEqualTo(clean.size());
    }

    @Test
    void theSetsAreLargeAndHalfClean() throws Exception {
        for (Map.Entry<String, Integer> least :
                Map.of("zh", 300, "en", 200, "zh-2", 200, "en-2", 100).entrySet()) {
            List<Labelled> prompts = LabelledPrompts.read(least.getKey());
            long clean =
                    prompts.stream().filter(prompt -> prompt.codes().isEmpty()).count();

            assertThat(prompts).hasSizeGreaterThanOrEqualTo(least.getValue()).doesNotHaveDuplicates();
            assertThat((double) clean / prompts.size()).isBetween(0.4, 0.55);
        }
    }

    @Test
    void fixes_areIdempotentAndLeaveQuotedTextAlone() throws Exception {
        for (Labelled prompt : all()) {
            PromptLint lint = linter.lint(prompt.text());
            PromptLint again = linter.lint(lint.fixed());

            assertThat(again.fixed()).isEqualTo(lint.fixed());
            assertThat(again.findings()).allMatch(finding -> finding.replacement() == null);
            for (String quoted : prompt.text()
                    .replaceAll("[^“]*(?:“([^”]*)”)?", "$1\n")
                    .lines()
                    .toList()) {
                assertThat(lint.fixed()).contains(quoted);
            }
        }
    }

    private static List<Labelled> first() throws Exception {
        return read("zh", "en");
    }

    private static List<Labelled> further() throws Exception {
        return read("zh-2", "en-2");
    }

    private static List<Labelled> all() throws Exception {
        return read("zh", "en", "zh-2", "en-2");
    }

    private static List<Labelled> read(String... files) throws Exception {
        List<Labelled> prompts = new ArrayList<>();
        for (String file : files) {
            prompts.addAll(LabelledPrompts.read(file));
        }
        return prompts;
    }

    private Map<LintCode, Count> counts(List<Labelled> prompts, boolean heldOut) {
        Map<LintCode, Count> counts = new EnumMap<>(LintCode.class);
        for (Labelled prompt : prompts) {
            if (prompt.heldOut() != heldOut) {
                continue;
            }
            Set<LintCode> found = linter.lint(prompt.text()).findings().stream()
                    .map(LintFinding::code)
                    .collect(Collectors.toCollection(() -> EnumSet.noneOf(LintCode.class)));
            Set<LintCode> either = EnumSet.copyOf(found);
            either.addAll(prompt.codes());
            for (LintCode code : either) {
                Count count = counts.computeIfAbsent(code, key -> new Count());
                if (!prompt.codes().contains(code)) {
                    count.wrong++;
                } else if (found.contains(code)) {
                    count.right++;
                } else {
                    count.missed++;
                }
            }
        }
        return counts;
    }

    private static Count total(Map<LintCode, Count> counts) {
        Count total = new Count();
        counts.values().forEach(count -> {
            total.right += count.right;
            total.wrong += count.wrong;
            total.missed += count.missed;
        });
        return total;
    }

    private static String row(String name, Count heldOut, Count development) {
        return String.format(
                Locale.ROOT,
                "| `%s` | %d | %.2f | %.2f | %d | %.2f | %.2f |\n",
                name,
                heldOut.right + heldOut.missed,
                heldOut.precision(),
                heldOut.recall(),
                development.right + development.missed,
                development.precision(),
                development.recall());
    }
}
