package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.zimage.ImageParameters;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.DemoModel;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Protects that clients can name the LoRAs that a server has, and nothing else of its files. */
@Timeout(120)
final class LoraServerTest {
    private final ExecutorService encoder = Executors.newFixedThreadPool(1);
    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    @TempDir
    Path folder;

    private ImageServer server;
    private int port;

    @BeforeEach
    void open() throws Exception {
        Path loras = Files.createDirectory(folder.resolve("loras"));
        Files.copy(lora(), loras.resolve("dragon.safetensors"));
        Files.copy(lora(), folder.resolve("secret.safetensors"));
        Files.write(loras.resolve("broken.safetensors"), new byte[] {1, 2, 3});
        Files.write(loras.resolve("readme.txt"), new byte[] {1});
        server = new ImageServer(
                ServerOptions.builder()
                        .port(0)
                        .model("demo")
                        .size(64)
                        .maxPixels(128 * 128)
                        .drain(Duration.ofSeconds(30))
                        .loraFolder(loras)
                        .build(),
                MemoryBound.NONE,
                () -> new PipelineBackend(
                        ZImagePipeline.builder()
                                .model(DemoModel.path())
                                .threads(1)
                                .loraFolder(loras)
                                .build(),
                        encoder,
                        64),
                why -> {});
        port = server.listen();
        server.open();
    }

    private static Path lora() throws URISyntaxException {
        return Path.of(Objects.requireNonNull(LoraServerTest.class.getResource("/lora/dragon.safetensors"))
                .toURI());
    }

    @AfterEach
    void end() {
        server.close();
        encoder.shutdownNow();
    }

    private HttpResponse<String> send(HttpRequest.Builder request) throws IOException, InterruptedException {
        return http.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    private HttpRequest.Builder to(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path));
    }

    private HttpResponse<String> draw(String loras) throws Exception {
        String body = "{\"prompt\": \"a dragon\", \"size\": \"64x64\", \"steps\": 1, \"seed\": 1, \"loras\": %s}"
                .formatted(loras);
        return send(to("/v1/images/generations")
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body)));
    }

    @Test
    void info_namesThem() throws Exception {
        JsonNode info = Exchange.JSON.readTree(send(to("/api/info").GET()).body());
        assertThat(info.get("loras")).extracting(JsonNode::textValue).containsExactly("broken", "dragon");
        assertThat(send(to("/").GET()).body()).contains("id=\"loras\"");
    }

    @Test
    void requests_nameThem_andPicturesSayThem() throws Exception {
        HttpResponse<String> answer = draw("[{\"name\": \"dragon\", \"weight\": 0.5}]");
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        byte[] png = Base64.getDecoder()
                .decode(Exchange.JSON
                        .readTree(answer.body())
                        .at("/data/0/b64_json")
                        .textValue());
        Path file = Files.write(folder.resolve("picture.png"), png);
        assertThat(ImageParameters.read(file).orElseThrow().request().loras())
                .singleElement()
                .satisfies(each -> {
                    assertThat(each.name()).isEqualTo("dragon");
                    assertThat(each.weight()).isEqualTo(0.5);
                });
        assertThat(draw("[\"dragon\"]").statusCode()).isEqualTo(200);
    }

    @Test
    void pathsAndUnknownNames_areRefused() throws Exception {
        for (String loras : List.of(
                "[\"../secret\"]",
                "[\"..\"]",
                "[\"nothing\"]",
                "[\"readme.txt\"]",
                "[\"broken\"]",
                "[{\"name\": \"%s\"}]".formatted(folder.resolve("secret")),
                "[{\"file\": \"secret.safetensors\"}]",
                "[{\"name\": \"dragon\", \"weight\": 1000}]",
                "\"dragon\"")) {
            HttpResponse<String> answer = draw(loras);
            assertThat(answer.statusCode()).as(loras + " " + answer.body()).isEqualTo(400);
            JsonNode error = Exchange.JSON.readTree(answer.body()).get("error");
            assertThat(error.get("param").textValue()).as(loras).isEqualTo("loras");
            if (!loras.contains(folder.toString())) { // which the answer may quote
                assertThat(error.get("message").textValue()).doesNotContain(folder.toString());
            }
        }
    }
}
