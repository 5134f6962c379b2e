package io.github.zimage.bench;

import io.github.zimage.prompt.LintCode;
import io.github.zimage.prompt.LintFinding;
import io.github.zimage.prompt.PromptLint;
import io.github.zimage.prompt.PromptLinter;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * How long does the linter take? The prompt has weights and quality words, which must be found and be gone from the fixed one.
 *
 * <pre>{@code java -jar zimage-bench/target/benchmarks.jar PromptLintBenchmark}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 3, time = 1)
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class PromptLintBenchmark {
    private static final String START =
            "a girl in a red coat, (smiling:1.2), masterpiece, best quality, 8k, ultra detailed, ";
    private static final String SENTENCE =
            "she walks along the harbour at dusk while lamps are lit one after another. ";

    @Param("500")
    int characters;

    private PromptLinter linter;
    private String prompt;
    private PromptLint latest;

    /** For JMH. */
    public PromptLintBenchmark() {}

    /** Makes the prompt. */
    @Setup
    public void setUp() {
        linter = PromptLinter.create();
        prompt = (START + SENTENCE.repeat(characters / SENTENCE.length() + 1)).substring(0, characters);
    }

    /** Lints the prompt. */
    @Benchmark
    public PromptLint lint() {
        latest = linter.lint(prompt);
        return latest;
    }

    /** Checks the latest findings. */
    @TearDown(Level.Iteration)
    public void check() {
        Set<LintCode> found = EnumSet.noneOf(LintCode.class);
        for (LintFinding finding : latest.findings()) {
            found.add(finding.code());
        }
        if (!found.containsAll(Set.of(LintCode.PROMPT_WEIGHT, LintCode.QUALITY_PILE))
                || latest.fixed().contains("1.2")) {
            throw new IllegalStateException("weights or quality words were missed: %s".formatted(latest));
        }
    }
}
