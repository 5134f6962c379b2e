package io.github.zimage.bench;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.github.zimage.internal.text.PromptTokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
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
 * How long does it take to turn a prompt into tokens? They must give the prompt back when they are turned into text again.
 *
 * <pre>{@code java -jar zimage-bench/target/benchmarks.jar TokenizerBenchmark -p model=DIR}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 3, time = 1)
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class TokenizerBenchmark {
    private static final String SENTENCE = "a red fox in the snow, early morning light, film grain; ";

    @Param(BenchModel.TINY)
    String model;

    @Param({"50", "500", "5000"})
    int characters;

    private PromptTokenizer tokenizer;
    private String prompt;
    private int[] expected;
    private int[] latest;

    /** For JMH. */
    public TokenizerBenchmark() {}

    /** Loads the tokenizer. */
    @Setup
    public void setUp() throws IOException {
        Path file = BenchModel.folder(model).resolve("tokenizer").resolve("tokenizer.json");
        prompt = SENTENCE.repeat(characters / SENTENCE.length() + 1).substring(0, characters);
        tokenizer = PromptTokenizer.load(file);
        expected = tokenizer.encode(prompt);
        try (HuggingFaceTokenizer backwards = HuggingFaceTokenizer.builder()
                .optTokenizerPath(file)
                .optTruncation(false)
                .build()) {
            String text =
                    backwards.decode(Arrays.stream(expected).asLongStream().toArray());
            if (!text.equals(prompt)) {
                throw new IllegalStateException("the tokens stand for another text: " + text);
            }
        }
    }

    /** Encodes the prompt. */
    @Benchmark
    public int[] encode() {
        latest = tokenizer.encode(prompt);
        return latest;
    }

    /** Checks the latest tokens. */
    @TearDown(Level.Iteration)
    public void check() {
        if (!Arrays.equals(latest, expected)) {
            throw new IllegalStateException("the same prompt gave other tokens than before");
        }
    }

    /** Frees the tokenizer. */
    @TearDown
    public void close() {
        tokenizer.close();
    }
}
