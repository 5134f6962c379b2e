package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.SourceImage;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects {@code POST /v1/images/edits}: forms as OpenAI's clients send them, JSON with data URLs, and what is refused. */
@Timeout(60)
final class EditsTest {
    private static final String EDITS = "/v1/images/edits";
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final byte[] IMAGE = png(40, 32, 0xff);

    private final List<StubBackend> backends = new CopyOnWriteArrayList<>();
    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private ImageServer server;
    private int port;

    @BeforeEach
    void start() throws Exception {
        server = new ImageServer(
                ServerOptions.builder()
                        .port(0)
                        .model("stub")
                        .size(128)
                        .maxPixels(160 * 160)
                        .maxCount(4)
                        .maxSteps(50)
                        .drain(Duration.ofSeconds(5))
                        .build(),
                MemoryBound.NONE,
                () -> {
                    StubBackend backend = new StubBackend();
                    backend.atOnce = true;
                    backends.add(backend);
                    return backend;
                },
                why -> {});
        port = server.listen();
        server.open();
    }

    @AfterEach
    void end() {
        server.close();
    }

    private static byte[] png(int width, int height, int alpha) {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_ARGB);
        for (int x = 0; x < width; x++) {
            image.setRGB(x, 0, (x < width / 2 ? alpha : 0xff) << 24 | x);
        }
        for (int i = width; i < width * height; i++) {
            image.setRGB(i % width, i / width, 0xff000000 | i);
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            ImageIO.write(image, "png", out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    /** A form, part by part: a name with a text or, for a file, bytes. */
    private static byte[] form(Object... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int i = 0; i < parts.length; i += 2) {
            out.writeBytes(text("--X7\r\nContent-Disposition: form-data; name=\"" + parts[i] + "\""));
            boolean file = parts[i + 1] instanceof byte[];
            out.writeBytes(text(file ? "; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n" : "\r\n\r\n"));
            out.writeBytes(parts[i + 1] instanceof byte[] bytes ? bytes : text(parts[i + 1].toString()));
            out.writeBytes(text("\r\n"));
        }
        out.writeBytes(text("--X7--\r\n"));
        return out.toByteArray();
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private HttpResponse<String> send(String type, byte[] body) throws Exception {
        return send(EDITS, type, body);
    }

    private HttpResponse<String> send(String path, String type, byte[] body) throws Exception {
        return client.send(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                        .header("Content-Type", type)
                        .POST(HttpRequest.BodyPublishers.ofByteArray(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private HttpResponse<String> sendForm(Object... parts) throws Exception {
        return send("multipart/form-data; boundary=X7", form(parts));
    }

    private GenerationRequest drawn() {
        return backends.get(0).works.get(0).request();
    }

    @Test
    void form_isAnEdit_inThePicturesSize() throws Exception {
        HttpResponse<String> answer = sendForm(
                "image",
                IMAGE,
                "prompt",
                "123",
                "n",
                "2",
                "seed",
                "7",
                "strength",
                "0.4",
                "model",
                "stub",
                "user",
                "1");
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        assertThat(JSON.readTree(answer.body()).at("/data/1/b64_json").binaryValue())
                .isEqualTo(StubBackend.png(8));
        GenerationRequest request = drawn();
        assertThat(JSON.readTree(answer.body()).path("size").asText()).isEqualTo("32x32");
        assertThat(request.prompts()).as("a text, whatever it looks like").containsExactly("123");
        assertThat(List.of(request.width(), request.height())).containsExactly(32, 32);
        ImageToImage imageToImage = request.imageToImage();
        assertThat(imageToImage.image()).isEqualTo(SourceImage.of(IMAGE));
        assertThat(imageToImage.strength()).isEqualTo(0.4);
        assertThat(imageToImage.mask()).isNull();
        assertThat(answer.headers().firstValue("X-Ignored-Parameters")).contains("user");
    }

    // In OpenAI's masks what is transparent is drawn anew; those of other programs are black and white.
    @Test
    void masks_areTransparentOrWhite() throws Exception {
        byte[] holes = png(40, 32, 0);
        assertThat(sendForm("image[]", IMAGE, "mask", holes, "prompt", "fox").statusCode())
                .isEqualTo(200);
        byte[] mask = drawn().imageToImage().mask().rgb();
        assertThat(mask[0]).isEqualTo((byte) 255);
        assertThat(mask[mask.length - 1]).isZero();
        assertThat(sendForm("image", IMAGE, "mask", IMAGE, "prompt", "fox", "mask_mode", "soft")
                        .statusCode())
                .isEqualTo(200);
        ImageToImage imageToImage = backends.get(0).works.get(1).request().imageToImage();
        assertThat(imageToImage.mask()).isEqualTo(SourceImage.of(IMAGE));
        assertThat(imageToImage.maskMode()).isEqualTo(ImageToImage.MaskMode.SOFT);
    }

    // Without a prompt, things stay where they are; who asks for more has to say what.
    @Test
    void variations_areDrawnWithoutAPrompt() throws Exception {
        String variations = "/v1/images/variations";
        String type = "multipart/form-data; boundary=X7";
        HttpResponse<String> answer = send(variations, type, form("image", IMAGE, "n", "2", "size", "64x48"));
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        assertThat(JSON.readTree(answer.body()).path("data").size()).isEqualTo(2);
        assertThat(drawn().prompts()).containsExactly("");
        assertThat(drawn().imageToImage().strength()).isEqualTo(0.5);
        assertThat(List.of(drawn().width(), drawn().height())).containsExactly(64, 48);
        assertThat(send(variations, type, form("image", IMAGE, "strength", "0.2"))
                        .statusCode())
                .isEqualTo(200);
        assertThat(backends.get(0).works.get(1).request().imageToImage().strength())
                .isEqualTo(0.2);
        String url = "data:image/png;base64," + Base64.getEncoder().encodeToString(IMAGE);
        assertThat(send(JobsApi.PATH, "application/json", text("{\"image\": \"%s\"}".formatted(url)))
                        .statusCode())
                .isEqualTo(202);
        HttpResponse<String> prompted = send(variations, type, form("image", IMAGE, "prompt", "fox"));
        assertThat(prompted.statusCode()).isEqualTo(400);
        assertThat(prompted.body()).contains("variations have no prompt: use /v1/images/edits");
        HttpResponse<String> masked = send(variations, type, form("image", IMAGE, "mask", IMAGE));
        assertThat(masked.body()).contains("variations have no mask");
        HttpResponse<String> nothing = send(variations, type, form("n", "1"));
        assertThat(nothing.statusCode()).isEqualTo(400);
        assertThat(nothing.body()).contains("there must be one image to start from");
        HttpResponse<String> part = send(EDITS, type, form("image", IMAGE, "mask", IMAGE));
        assertThat(part.body()).contains("prompt must say what to draw, but was missing");
    }

    @Test
    void json_hasPicturesAsDataUrls() throws Exception {
        String url = "data:image/png;base64," + Base64.getEncoder().encodeToString(IMAGE);
        for (String image : List.of("\"image\": \"" + url + "\"", "\"images\": [{\"image_url\": \"" + url + "\"}]")) {
            HttpResponse<String> answer =
                    send("application/json", text("{" + image + ", \"prompt\": \"fox\", \"size\": \"64x48\"}"));
            assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        }
        assertThat(drawn().imageToImage().image()).isEqualTo(SourceImage.of(IMAGE));
        assertThat(drawn().width()).isEqualTo(64);
    }

    // What a job keeps is asked after for a quarter of an hour: pictures that it started from would fill the memory.
    @Test
    void jobs_startFromPicturesToo_andDoNotKeepThem() throws Exception {
        backends.get(0).atOnce = false;
        String url = "data:image/png;base64," + Base64.getEncoder().encodeToString(IMAGE);
        HttpResponse<String> answer = send(
                JobsApi.PATH,
                "application/json",
                text("{\"image\": \"%1$s\", \"mask\": \"%1$s\", \"prompt\": \"fox\", \"strength\": 0.3}"
                        .formatted(url)));
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(202);
        assertThat(JSON.readTree(answer.body()).get("width").asInt()).isEqualTo(32);
        ServerFixture.await(() -> !backends.get(0).works.isEmpty());
        StubBackend.Work work = backends.get(0).works.get(0);
        assertThat(work.request().imageToImage().image()).isEqualTo(SourceImage.of(IMAGE));
        assertThat(work.request().imageToImage().strength()).isEqualTo(0.3);
        assertThat(work.request().imageToImage().mask()).isEqualTo(SourceImage.of(IMAGE));
        Job job = new Job("client", work.request(), step -> false, 0);
        job.succeed(List.of(), 1);
        ImageToImage kept = job.request().imageToImage();
        assertThat(kept.image().isPresent() || kept.mask().isPresent())
                .as("pixels are kept")
                .isFalse();
        assertThat(List.of(job.request().width(), job.request().height())).containsExactly(32, 32);
        assertThat(kept.image().sha256()).isEqualTo(SourceImage.of(IMAGE).sha256());
    }

    @ParameterizedTest
    @CsvSource({"https://evil.example, 403", "null, 403", "http://127.0.0.1:1, 403", "http://127.0.0.1:PORT, 200"})
    void formsOfOtherSites_areRefused(String origin, int status) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + EDITS))
                .header("Content-Type", "multipart/form-data; boundary=X7")
                .header("Origin", origin.replace("PORT", Integer.toString(port)))
                .POST(HttpRequest.BodyPublishers.ofByteArray(form("image", IMAGE, "prompt", "fox")))
                .build();
        assertThat(client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode())
                .isEqualTo(status);
        assertThat(backends.get(0).works).hasSize(status == 200 ? 1 : 0);
    }

    // A form is one of the things that a page of another site can send without being asked.
    @Test
    void jobs_takeNoForms() throws Exception {
        byte[] form = form("image", IMAGE, "prompt", "fox");
        assertThat(send(JobsApi.PATH, "multipart/form-data; boundary=X7", form).statusCode())
                .isEqualTo(415);
        assertThat(backends.get(0).works).isEmpty();
    }

    @Test
    void streams_haveTheEventsOfEdits() throws Exception {
        String events =
                sendForm("image", IMAGE, "prompt", "fox", "stream", "true").body();
        assertThat(events).contains("event: image_edit.completed").doesNotContain("image_generation.");
    }

    @Test
    void largePictures_areDrawnSmaller() throws Exception {
        assertThat(sendForm("image", png(400, 200, 255), "prompt", "fox").statusCode())
                .isEqualTo(200);
        assertThat(List.of(drawn().width(), drawn().height())).containsExactly(224, 112);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"prompt\":\"fox\"}|image|there must be one image to start from, but there were 0",
                "{\"prompt\":\"fox\",\"image\":\"http://x/y.png\"}|image|nothing is fetched from elsewhere",
                "{\"prompt\":\"fox\",\"image\":\"data:image/png;base64,AAAA\"}|image|it must be a PNG, JPEG or WebP file",
                "{\"prompt\":\"fox\",\"image\":\"sha256:00\"}|image|must be a data URL",
            })
    void picturesThatAreNone_areRefused(String body, String parameter, String message) throws Exception {
        HttpResponse<String> answer = send("application/json", text(body));
        JsonNode error = JSON.readTree(answer.body()).path("error");
        assertThat(answer.statusCode()).isEqualTo(400);
        assertThat(error.path("param").asText()).isEqualTo(parameter);
        assertThat(error.path("message").asText()).contains(message);
        assertThat(backends.get(0).works).isEmpty();
    }

    @Test
    void mistakesInForms_areNamed() throws Exception {
        assertThat(sendForm("image", IMAGE, "image[]", IMAGE, "prompt", "fox").body())
                .contains("there must be one image to start from, but there were 2");
        assertThat(sendForm("image", IMAGE, "prompt", "fox", "other", new byte[3])
                        .body())
                .contains("files are image and mask only");
        assertThat(sendForm("image", IMAGE, "prompt", "fox", "strength", "2").body())
                .contains("strength must be above 0 and at most 1");
        assertThat(send("text/plain", IMAGE).statusCode()).isEqualTo(415);
        assertThat(send("multipart/form-data", IMAGE).statusCode()).isEqualTo(415);
        HttpResponse<String> large = send("multipart/form-data; boundary=X7", new byte[33 << 20]);
        assertThat(large.statusCode()).isEqualTo(413);
    }

    // Whatever is cut off or turned over on the way: an answer, and none of the server's own making.
    @Test
    void damagedForms_areRefusedOrDrawn() throws Exception {
        byte[] form = form("image", IMAGE, "prompt", "fox", "steps", "2");
        Random random = new Random(3);
        int refused = 0;
        for (int i = 0; i < 60; i++) {
            byte[] damaged = i < 30 ? Arrays.copyOf(form, form.length * i / 30) : form.clone();
            for (int j = 0; i >= 30 && j < 3; j++) {
                damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
            }
            int status = send("multipart/form-data; boundary=X7", damaged).statusCode();
            assertThat(status).isIn(200, 400);
            refused += status == 400 ? 1 : 0;
        }
        assertThat(refused).isGreaterThanOrEqualTo(30);
    }
}
