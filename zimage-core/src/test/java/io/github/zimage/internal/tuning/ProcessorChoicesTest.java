package io.github.zimage.internal.tuning;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects that what was measured is measured once, and that no file can make a pipeline fail. */
final class ProcessorChoicesTest {
    private static final String QUESTION = "linear";

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
        ProcessorChoices choices = new ProcessorChoices(cache, "one, 2 threads");
        assertThat(ask(choices)).isEqualTo("a");
        assertThat(ask(choices)).isEqualTo("a");
        assertThat(ask(new ProcessorChoices(cache, "one, 2 threads"))).isEqualTo("a");
        assertThat(measured).hasValue(1);
        assertThat(cache).isDirectoryContaining(file -> file.equals(choices.file()));

        ask(new ProcessorChoices(cache, "one, 4 threads"));
        assertThat(measured).as("on another processor").hasValue(2);
    }

    @Test
    void put_replacesWhatWasKept_andLeavesTheAnswersOfOthers() {
        ProcessorChoices first = new ProcessorChoices(folder, "one");
        ask(first);
        ProcessorChoices second = new ProcessorChoices(folder, "one");
        first.put(Map.of("third", "a"));
        second.put(Map.of(QUESTION, "b"));
        ProcessorChoices read = new ProcessorChoices(folder, "one");
        assertThat(ask(read)).isEqualTo("b");
        assertThat(read.get("third", answer -> true, Map::of)).isEqualTo("a");
        assertThat(measured).hasValue(1);
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
        Path file = Objects.requireNonNull(new ProcessorChoices(folder, "one").file());
        Files.writeString(file, content);
        assertThat(ask(new ProcessorChoices(folder, "one"))).isEqualTo("a");
        assertThat(ask(new ProcessorChoices(folder, "one"))).isEqualTo("a");
        assertThat(measured).hasValue(1);
    }

    @Test
    void whereNothingCanBeWritten_anAnswerLastsAsLongAsTheProcess() throws IOException {
        Path noFolder = Files.writeString(folder.resolve("file"), "");
        for (ProcessorChoices choices :
                new ProcessorChoices[] {new ProcessorChoices(noFolder, "one"), new ProcessorChoices(null, "one")}) {
            measured.set(0);
            ask(choices);
            ask(choices);
            assertThat(measured).hasValue(1);
        }
    }
}
