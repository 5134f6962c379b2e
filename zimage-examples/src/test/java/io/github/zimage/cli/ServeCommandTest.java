package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.zimage.ImageParameters;
import io.github.zimage.serve.ServerOptions;
import java.io.BufferedReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.TypeConversionException;

/** The command from its start to SIGTERM, in a process of its own, with the demo model. */
@Timeout(120)
final class ServeCommandTest {
    private static final Pattern READY = Pattern.compile("zimage: ready after [0-9.]+ s, on (http://\\S+/)");

    @TempDir
    Path folder;

    private final List<String> said = new ArrayList<>();
    private Process process;

    @AfterEach
    void end() {
        if (process != null) {
            process.destroyForcibly();
        }
    }

    @Test
    void server_isReadyAfterItHasDrawn_draws_andEndsWith0OnSigterm() throws Exception {
        BufferedReader err = start("--port", "0", "--threads", "1");
        URI uri = URI.create(until(err, READY).group(1));
        assertThat(said)
                .as("nobody else reaches this one, so there is no word of a key")
                .noneMatch(line -> line.contains(HttpOptions.KEY_VARIABLE));
        HttpClient http = HttpClient.newHttpClient();
        String metrics = http.send(
                        HttpRequest.newBuilder(uri.resolve("/metrics")).build(), HttpResponse.BodyHandlers.ofString())
                .body();
        assertThat(metrics).as("the first picture is nobody's job").doesNotContain("zimage_jobs_total");
        // What only a picture that was drawn leaves behind.
        assertThat(metrics).doesNotContain("zimage_peak_bytes 0.0");

        HttpResponse<String> answer = http.send(
                HttpRequest.newBuilder(uri.resolve("/v1/images/generations"))
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(
                                "{\"prompt\": \"a fox\", \"size\": \"64x64\", \"steps\": 2, \"seed\": 9}"))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
        assertThat(answer.statusCode()).isEqualTo(200);
        JsonNode json = new ObjectMapper().readTree(answer.body());
        assertThat(json.get("model").asText()).isEqualTo("zimage-demo");
        Path png = Files.write(
                folder.resolve("answer.png"), json.at("/data/0/b64_json").binaryValue());
        ImageParameters parameters = ImageParameters.read(png).orElseThrow();
        assertThat(parameters.prompt()).isEqualTo("a fox");
        assertThat(parameters.seed()).isEqualTo(9);
        assertThat(parameters.request().steps()).isEqualTo(2);

        process.toHandle().destroy(); // the other one closes the streams, too
        assertThat(process.waitFor(35, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();
        assertThat(err.lines()).anyMatch(line -> line.contains("ending, once what is being drawn is done"));
    }

    @Test
    void serverThatOthersReach_needsAKey_orTheWordThatItNeedsNone() {
        for (String host : List.of("0.0.0.0", "::", "192.0.2.7", "server.example")) {
            assertThatThrownBy(() -> http("--host", host).options(null))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("everybody who reaches %s could draw: set %s to ask for a key, or say --no-key"
                            .formatted(host, HttpOptions.KEY_VARIABLE));
            assertThat(http("--host", host, "--no-key").options(null).build().apiKeys())
                    .isEmpty();
            assertThat(http("--host", host)
                            .options(" a23456789abcdef0 \n b23456789abcdef0 ")
                            .build()
                            .apiKeys())
                    .containsExactly("a23456789abcdef0", "b23456789abcdef0");
        }
        for (String host : List.of("127.0.0.1", "127.1.2.3", "localhost", "::1")) {
            assertThat(http("--host", host).options("").build().host()).isEqualTo(host);
        }
    }

    private static HttpOptions http(String... options) {
        HttpOptions parsed = new HttpOptions();
        new CommandLine(parsed).parseArgs(options);
        return parsed;
    }

    @Test
    void proxiesAndSites_areReadFromTheCommandLine() {
        ServerOptions options = http(
                        "--public-url=https://pictures.example/zimage/",
                        "--trust-proxy=10.0.0.0/8,localhost",
                        "--cors-origin=https://app.example,http://localhost:3000")
                .options(null)
                .build();
        assertThat(options.publicUrl()).hasToString("https://pictures.example/zimage");
        assertThat(options.trustedProxies()).containsExactly("10.0.0.0/8", "localhost");
        assertThat(options.corsOrigins()).containsExactly("https://app.example", "http://localhost:3000");
        assertThatThrownBy(() -> http("--public-url=https://a b"))
                .hasMessageContaining("must be an address such as https://pictures.example/zimage");
    }

    @ParameterizedTest
    @CsvSource({"1024, 1792, 1024", "1024, 1024, 1536", "512, 896, 512"})
    void largestPicture_isAsLargeAsOpenAisWhereTheModelIsAtHome(int side, long width, long height) {
        long largest = ServeCommand.largest(side);
        assertThat(largest * largest).isGreaterThanOrEqualTo(width * height);
        assertThat(largest).isLessThan(side * 4 / 3 + 16);
    }

    @ParameterizedTest
    @CsvSource({"1024, , 1024", "1024, 256, 256", "1024, 100, 96", "128, 256, 128", "1024, 16, 16"})
    void usualSize_fitsTheLargest(int usual, Integer largest, int size) {
        assertThat(ServeCommand.defaultSize(usual, largest)).isEqualTo(size);
    }

    @ParameterizedTest
    @ValueSource(ints = {15, 0, -1, 8193})
    void largestThatNoPictureCanBe_isRefused(int largest) {
        assertThatThrownBy(() -> ServeCommand.defaultSize(1024, largest))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("--max-size must be between 16 and 8192, but was " + largest);
    }

    @Test
    void portInUse_isOneLine() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            BufferedReader err = start("--port", Integer.toString(taken.getLocalPort()), "--threads", "1");
            List<String> lines = err.lines().toList();
            assertThat(process.waitFor()).isEqualTo(2);
            assertThat(lines)
                    .singleElement(InstanceOfAssertFactories.STRING)
                    .startsWith("zimage: cannot listen on 127.0.0.1, port " + taken.getLocalPort() + ": ")
                    .contains("in use")
                    .endsWith("; choose another one with --port");
        }
    }

    @ParameterizedTest
    @CsvSource({"300s, PT5M", "300, PT5M", "10m, PT10M", "1H, PT1H"})
    void time_isReadWithItsUnit(String text, Duration expected) {
        assertThat(new ServeCommand.TimeConverter().convert(text)).isEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "s", "-1s", "1.5m", "10 m", "1d", "9999999s"})
    void timeThatIsNone_isRefused(String text) {
        assertThatThrownBy(() -> new ServeCommand.TimeConverter().convert(text))
                .isInstanceOf(TypeConversionException.class)
                .hasMessage("must be a time such as 300s, 10m or 1h, but was '" + text + "'");
    }

    private BufferedReader start(String... options) throws Exception {
        List<String> line = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "serve"));
        line.addAll(List.of(options));
        ProcessBuilder builder = new ProcessBuilder(line).redirectErrorStream(true);
        builder.environment().remove(HttpOptions.KEY_VARIABLE);
        builder.environment().remove(ModelOptions.VARIABLE);
        process = builder.start();
        return process.inputReader(StandardCharsets.UTF_8);
    }

    private Matcher until(BufferedReader lines, Pattern wanted) throws Exception {
        for (String line; (line = lines.readLine()) != null; ) {
            said.add(line);
            Matcher matcher = wanted.matcher(line);
            if (matcher.find()) {
                return matcher;
            }
        }
        throw new AssertionError("it ended, and said only " + said);
    }
}
