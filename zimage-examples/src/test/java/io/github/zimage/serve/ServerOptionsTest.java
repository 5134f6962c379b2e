package io.github.zimage.serve;

import static io.github.zimage.serve.ServerFixture.GENERATIONS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a server is started with must let it answer requests that leave all to it. */
@Timeout(60)
final class ServerOptionsTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "1024 | 65536 | size 1024, which is drawn where a request names none, must fit",
                "1024 | 0     | must fit into the largest picture",
                "100  | 65536 | size must be a multiple of 16, but was 100",
                "0    | 65536 | size must be between 16 and 8192, but was 0",
                "-16  | 65536 | size must be between 16 and 8192, but was -16"
            })
    void sizeThatEachRequestWouldBeRefusedFor_isRefusedAtTheStart(int size, long pixels, String message) {
        ServerOptions.Builder options = ServerOptions.builder().size(size).maxPixels(pixels);
        assertThatThrownBy(options::build)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    @Test
    void portOfThePublicUrl_mustBeOne() {
        assertThatThrownBy(() -> ServerOptions.builder()
                        .publicUrl(URI.create("https://pictures.example:99999"))
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("the public URL must be an address");
    }

    // Of a server that allows nothing larger than its usual size, all of these used to ask for more.
    @ParameterizedTest
    @ValueSource(strings = {"low", "medium", "high", "hd", "auto", "standard"})
    void sizeOfAQuality_fitsTheLimits(String quality) throws Exception {
        ServerOptions options = ServerFixture.options()
                .maxPixels(128 * 128)
                .maxSteps(2)
                .maxCount(1)
                .build();
        try (ServerFixture server = new ServerFixture(options)) {
            Wire.Answer answer =
                    server.post(GENERATIONS, "", "{\"prompt\":\"fox\",\"quality\":\"%s\"}".formatted(quality));
            assertThat(answer.status()).as(answer.text()).isEqualTo(200);
            assertThat(server.backend().works.get(0).request().width()).isEqualTo(quality.equals("low") ? 96 : 128);
        }
    }
}
