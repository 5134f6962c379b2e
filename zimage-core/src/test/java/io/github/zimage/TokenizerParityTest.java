package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.zimage.internal.text.PromptTokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Protects the first step of the way from prompt to picture: with Z-Image's own tokenizer, ids are those of HF tokenizers, and the
 * chat template is that of transformers. The fixtures are from {@code tools/parity/make_tokenizer_fixtures.py}.
 */
class TokenizerParityTest {
    private static PromptTokenizer tokenizer;
    private static JsonNode ids;

    @BeforeAll
    static void load(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("tokenizer.json");
        try (InputStream in = resource("tokenizer.json.gz")) {
            Files.copy(in, file);
        }
        tokenizer = PromptTokenizer.load(file);
        try (InputStream in = resource("ids.json.gz")) {
            ids = new ObjectMapper().readTree(in);
        }
    }

    @AfterAll
    static void close() {
        tokenizer.close();
    }

    @Test
    void encode_givesTheIdsOfHfTokenizers() {
        assertThat(ids.get("texts")).hasSizeGreaterThanOrEqualTo(2000);
        assertThat(differences(ids.get("texts"), tokenizer::encode)).isEmpty();
    }

    @Test
    void encodePrompt_givesTheIdsOfTheChatTemplate() {
        assertThat(ids.get("prompts")).hasSizeGreaterThanOrEqualTo(200);
        assertThat(differences(ids.get("prompts"), tokenizer::encodePrompt)).isEmpty();
    }

    private static List<String> differences(JsonNode fixtures, Function<String, int[]> encode) {
        List<String> differences = new ArrayList<>();
        for (JsonNode fixture : fixtures) {
            String text = fixture.get(0).textValue();
            int[] expected = new int[fixture.get(1).size()];
            Arrays.setAll(expected, i -> fixture.get(1).get(i).intValue());
            int[] actual = encode.apply(text);
            if (!Arrays.equals(actual, expected)) {
                differences.add("%s: expected %s, but got %s"
                        .formatted(fixture.get(0), Arrays.toString(expected), Arrays.toString(actual)));
            }
        }
        return differences;
    }

    private static InputStream resource(String name) throws IOException {
        String path = "/tokenizer/" + name;
        return new GZIPInputStream(Objects.requireNonNull(TokenizerParityTest.class.getResourceAsStream(path), path));
    }
}
