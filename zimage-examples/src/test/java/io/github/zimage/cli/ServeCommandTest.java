package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.zimage.ImageParameters;
import java.io.BufferedReader;
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
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
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
                .noneMatch(line -> line.contains(ServeCommand.KEY_VARIABLE));
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
    void serverThatOthersReach_asksForAKey() throws Exception {
        BufferedReader err = start("--port", "0", "--host", "0.0.0.0", "--threads", "1");
        until(
                err,
                Pattern.compile(
                        "zimage: everybody who reaches 0\\.0\\.0\\.0 may draw: set " + ServeCommand.KEY_VARIABLE));
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
        builder.environment().remove(ServeCommand.KEY_VARIABLE);
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
