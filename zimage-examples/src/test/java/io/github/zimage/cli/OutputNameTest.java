package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.GenerationRequest;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class OutputNameTest {
    private static final GenerationRequest REQUEST = GenerationRequest.builder()
            .prompts(List.of("a fox", "左边是猫，右边是狗"))
            .count(2)
            .seed(-2)
            .build();

    @Test
    void places_takeWhatDiffers() {
        OutputName name = new OutputName(Path.of("out/{n}-{seed}-{prompt}.png"));
        assertThat(name.of(REQUEST, 0)).isEqualTo(Path.of("out/1-18446744073709551614-a-fox.png"));
        assertThat(name.of(REQUEST, 3)).isEqualTo(Path.of("out/4-1-左边是猫-右边是狗.png"));
        assertThat(name.tellsPicturesApart()).isTrue();
        assertThat(new OutputName(Path.of("{prompt}.png")).tellsPicturesApart()).isFalse();
        assertThat(new OutputName(Path.of("fox.png")).hasPlaces()).isFalse();
    }

    // A prompt must not choose the folder, hide the file, nor be read as an option or another place.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "../../etc/passwd | etc-passwd",
                "/absolute        | absolute",
                ".hidden          | hidden",
                "-rf *            | rf",
                "{seed}           | seed",
                "$HOME `ls` \\\\n | HOME-ls-n",
                "a\\u0000b        | a-u0000b",
                "???              | prompt",
            })
    void words_areOneHarmlessName(String prompt, String words) {
        assertThat(OutputName.words(prompt)).isEqualTo(words);
    }

    // File systems take 255 bytes.
    @Test
    void words_areCutBetweenCharacters() {
        for (String part : List.of("ab ", "狐狸", "𠀀")) {
            String words = OutputName.words(part.repeat(500));
            assertThat(words.getBytes(StandardCharsets.UTF_8)).hasSizeBetween(50, 120);
            assertThat(words).doesNotContain("\ufffd").doesNotEndWith("-");
        }
    }
}
