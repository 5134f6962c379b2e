package io.github.zimage.internal.tuning;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.system.ProcessorWatch;
import io.github.zimage.internal.system.SystemFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects that what was measured is measured once, and that no file can make a pipeline fail. */
final class ProcessorChoicesTest {
    private static final String QUESTION = "linear";

    /** Of a system that tells nothing, where nobody is seen. */
    private static ProcessorWatch quiet() {
        return ProcessorWatch.start(new SystemFiles(Path.of("none")), 2);
    }

    @TempDir
    Path folder;

    private final AtomicInteger measured = new AtomicInteger();

    private String ask(ProcessorChoices choices) {
        return choices.get(QUESTION, answer -> answer.equals("a") || answer.equals("b"), () -> {
            measured.incrementAndGet();
            return Map.of(QUESTION, "a", "another", "b");
        });
    }

    @Test
    void answer_isMeasuredOnceAndKept() {
        Path cache = folder.resolve("zimage");
        ProcessorChoices choices = new ProcessorChoices(cache, "one, 2 threads", ProcessorChoicesTest::quiet);
        assertThat(ask(choices)).isEqualTo("a");
        assertThat(ask(choices)).isEqualTo("a");
        assertThat(ask(new ProcessorChoices(cache, "one, 2 threads", ProcessorChoicesTest::quiet)))
                .isEqualTo("a");
        assertThat(measured).hasValue(1);
        assertThat(cache).isDirectoryContaining(file -> file.equals(choices.file()));

        ask(new ProcessorChoices(cache, "one, 4 threads", ProcessorChoicesTest::quiet));
        assertThat(measured).as("on another processor").hasValue(2);
    }

    @Test
    void put_replacesWhatWasKept_andLeavesTheAnswersOfOthers() {
        ProcessorChoices first = new ProcessorChoices(folder, "one", ProcessorChoicesTest::quiet);
        ask(first);
        ProcessorChoices second = new ProcessorChoices(folder, "one", ProcessorChoicesTest::quiet);
        first.put(Map.of("third", "a"), quiet());
        second.put(Map.of(QUESTION, "b"), quiet());
        ProcessorChoices read = new ProcessorChoices(folder, "one", ProcessorChoicesTest::quiet);
        assertThat(ask(read)).isEqualTo("b");
        assertThat(read.get("third", answer -> true, Map::of)).isEqualTo("a");
        assertThat(measured).hasValue(1);
    }

    // A machine that computes something else meanwhile would have the wrong choice for good.
    @Test
    void answerThatWasMeasuredBesideOthers_isUsed_butNotKept() throws IOException {
        Path system = Files.createDirectories(folder.resolve("system/proc"));
        Path stat = Files.writeString(system.resolve("stat"), "cpu0 0 0 0 0\n");
        Supplier<ProcessorWatch> busy = () -> ProcessorWatch.start(new SystemFiles(system.getParent()), 1);
        ProcessorChoices choices = new ProcessorChoices(folder, "one", busy);
        for (int time = 0; time < 2; time++) {
            String answer = choices.get(QUESTION, each -> true, () -> {
                measured.incrementAndGet();
                write(stat, "cpu0 90 0 0 10\n");
                return Map.of(QUESTION, "a");
            });
            assertThat(answer).isEqualTo("a");
        }
        assertThat(measured).as("once a process").hasValue(1);
        write(stat, "cpu0 0 0 0 0\n");
        choices.put(Map.of("third", "b"), choices.watch());
        ProcessorChoices read = new ProcessorChoices(folder, "one", ProcessorChoicesTest::quiet);
        assertThat(read.get("third", each -> true, Map::of)).isEqualTo("b");
        ask(read);
        assertThat(measured).as("by the next process").hasValue(2);
    }

    private static void write(Path file, String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{",
                "[]",
                "{\"zimageProcessor\": 1, \"processor\": \"two\", \"choices\": {\"linear\": \"b\"}}",
                "{\"zimageProcessor\": 2, \"processor\": \"one\", \"choices\": {\"linear\": \"b\"}}",
                "{\"zimageProcessor\": 1, \"processor\": \"one\", \"choices\": {\"linear\": 7}}",
                "{\"zimageProcessor\": 1, \"processor\": \"one\", \"choices\": {\"linear\": \"of a later version\"}}"
            })
    void damagedOrForeignFile_isMeasuredAnewAndReplaced(String content) throws IOException {
        Path file = Objects.requireNonNull(new ProcessorChoices(folder, "one", ProcessorChoicesTest::quiet).file());
        Files.writeString(file, content);
        assertThat(ask(new ProcessorChoices(folder, "one", ProcessorChoicesTest::quiet)))
                .isEqualTo("a");
        assertThat(ask(new ProcessorChoices(folder, "one", ProcessorChoicesTest::quiet)))
                .isEqualTo("a");
        assertThat(measured).hasValue(1);
    }

    @Test
    void whereNothingCanBeWritten_anAnswerLastsAsLongAsTheProcess() throws IOException {
        Path noFolder = Files.writeString(folder.resolve("file"), "");
        for (ProcessorChoices choices : new ProcessorChoices[] {
            new ProcessorChoices(noFolder, "one", ProcessorChoicesTest::quiet),
            new ProcessorChoices(null, "one", ProcessorChoicesTest::quiet)
        }) {
            measured.set(0);
            ask(choices);
            ask(choices);
            assertThat(measured).hasValue(1);
        }
    }
}
