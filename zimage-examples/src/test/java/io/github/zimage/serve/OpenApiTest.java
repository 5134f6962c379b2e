package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.zimage.GuidanceMethod;
import io.github.zimage.Sampling;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Protects that {@code openapi.json} says what the server does: its addresses, methods, parameters, choices and answers. */
@Timeout(60)
final class OpenApiTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern LISTED = Pattern.compile("there is no parameter 'zzz', only (.*)");
    private static final Set<String> METHODS = Set.of("get", "post", "delete", "put", "patch");

    /** Addresses that stand for those with names. */
    private static final Map<String, String> SAMPLES =
            Map.of("{model}", "stub", "{id}", "A".repeat(24), "{number}", "0");

    private ServerFixture server;
    private JsonNode document;

    @BeforeEach
    void open() throws Exception {
        server = new ServerFixture(ServerFixture.options().build());
        document = json(server.get("/openapi.json", ""));
    }

    @AfterEach
    void close() {
        server.close();
    }

    private static JsonNode json(Wire.Answer answer) throws IOException {
        assertThat(answer.status()).as(answer.text()).isBetween(200, 202);
        return JSON.readTree(answer.body());
    }

    private static Set<String> names(JsonNode object) {
        Set<String> names = new TreeSet<>();
        object.fieldNames().forEachRemaining(names::add);
        return names;
    }

    private JsonNode resolved(JsonNode schema) {
        return schema.has("$ref") ? document.at(schema.get("$ref").textValue().substring(1)) : schema;
    }

    /** Returns the properties of a schema and of all that it is made of. */
    private Set<String> properties(JsonNode given) {
        JsonNode schema = resolved(given);
        Set<String> names = names(schema.path("properties"));
        schema.path("allOf").forEach(part -> names.addAll(properties(part)));
        return names;
    }

    private JsonNode schema(String name) {
        JsonNode schema = document.at("/components/schemas/" + name);
        assertThat(schema.isObject()).as(name).isTrue();
        return schema;
    }

    @Test
    void addresses_areThoseOfTheRouter() {
        Set<String> all = Stream.concat(server.server.router().plainPaths().stream(), Router.NAMED.keySet().stream())
                .collect(Collectors.toSet());
        assertThat(names(document.get("paths"))).hasSizeGreaterThan(10).isEqualTo(new TreeSet<>(all));
    }

    @Test
    void methods_areThoseThatAnAddressAllows() throws Exception {
        for (String path : names(document.get("paths"))) {
            String sample = path;
            for (Map.Entry<String, String> each : SAMPLES.entrySet()) {
                sample = sample.replace(each.getKey(), each.getValue());
            }
            Pattern named = Router.NAMED.get(path);
            assertThat(named == null || named.matcher(sample).matches())
                    .as(sample)
                    .isTrue();
            Wire.Answer answer = server.send("OPTIONS " + sample + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
            Set<String> allowed = new TreeSet<>(List.of(answer.header("allow").split(", ")));
            allowed.removeAll(Set.of("HEAD", "OPTIONS"));
            Set<String> documented = names(document.get("paths").get(path));
            documented.retainAll(METHODS);
            assertThat(documented.stream().map(String::toUpperCase)).as(path).containsExactlyElementsOf(allowed);
        }
    }

    // The server lists its parameters to whoever names one that there is not.
    @ParameterizedTest
    @CsvSource({
        "/v1/images/generations, ImagesRequest",
        "/v1/images/edits, EditsRequest",
        "/api/jobs, JobRequest",
        "/api/prompt/lint, LintRequest"
    })
    void parameters_areThoseOfTheServer(String path, String schema) throws Exception {
        String image = path.endsWith("edits") ? ", \"image\": \"" + picture() + "\"" : "";
        Wire.Answer answer = server.post(path, "", "{\"prompt\": \"fox\", \"zzz\": 1" + image + "}");
        Matcher listed =
                LISTED.matcher(ServerFixture.error(answer).get("message").textValue());
        assertThat(listed.matches()).as(answer.text()).isTrue();
        Set<String> known = new TreeSet<>(List.of(listed.group(1).split(", ")));
        if (schema.equals("ImagesRequest")) {
            known.removeAll(properties(schema("EditValues"))); // read, and without a picture to no effect
            known.removeAll(Set.of("image", "mask"));
        }
        assertThat(properties(schema(schema))).isEqualTo(known);
        JsonNode body = document.get("paths").get(path).at("/post/requestBody/content/application~1json/schema");
        assertThat(resolved(body)).isEqualTo(schema(schema));
    }

    private static String picture() throws IOException {
        ByteArrayOutputStream png = new ByteArrayOutputStream();
        ImageIO.write(new BufferedImage(32, 32, BufferedImage.TYPE_INT_RGB), "png", png);
        return "data:image/png;base64," + Base64.getEncoder().encodeToString(png.toByteArray());
    }

    @Test
    void choices_areThoseOfTheLibrary() {
        assertThat(choices("Values", "sampler"))
                .isEqualTo(Arrays.stream(Sampling.Sampler.values())
                        .map(Sampling.Sampler::id)
                        .toList());
        assertThat(choices("Values", "schedule"))
                .isEqualTo(Arrays.stream(Sampling.Schedule.values())
                        .map(Sampling.Schedule::id)
                        .toList());
        assertThat(choices("Values", "guidance_method"))
                .isEqualTo(Arrays.stream(GuidanceMethod.Kind.values())
                        .map(GuidanceMethod.Kind::id)
                        .toList());
        assertThat(document.at("/components/schemas/JobRequest/allOf/2/properties/quality/enum"))
                .extracting(JsonNode::textValue)
                .containsExactlyInAnyOrderElementsOf(RequestReader.QUALITIES.keySet());
    }

    private List<String> choices(String schema, String property) {
        JsonNode choices = schema(schema).at("/properties/" + property + "/enum");
        return Stream.iterate(0, i -> i < choices.size(), i -> i + 1)
                .map(i -> choices.get(i).textValue())
                .toList();
    }

    @Test
    void answers_haveTheFieldsThatAreSaid() throws Exception {
        answers("Info", json(server.get("/api/info", "")));
        answers("Models", json(server.get("/v1/models", "")));
        answers("Model", json(server.get("/v1/models/stub", "")));
        answers("Health", json(server.get("/health/ready", "")));
        answers("Templates", json(server.get("/api/prompt/templates", "")));
        JsonNode lint = json(server.post("/api/prompt/lint", "", "{\"prompt\": \"a fox, masterpiece, 8k\"}"));
        answers("Lint", lint);
        answers("Finding", lint.at("/findings/0"));
        JsonNode images = json(server.post(ServerFixture.GENERATIONS, "", ServerFixture.FOX));
        answers("ImagesResponse", images);
        answers("Image", images.at("/data/0"));
        String id =
                json(server.post("/api/jobs", "", ServerFixture.FOX)).get("id").textValue();
        ServerFixture.await(() -> state(id).equals("succeeded"));
        JsonNode job = json(server.get("/api/jobs/" + id, ""));
        answers("Job", job);
        answers("JobImage", job.at("/images/0"));
        JsonNode error = JSON.readTree(server.get("/nowhere", "").body());
        answers("Error", error);
        answers("ErrorBody", error.get("error"));
    }

    private String state(String id) {
        try {
            return json(server.get("/api/jobs/" + id, "")).get("state").textValue();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Requires that an answer has all fields that it must have, and none that is not said. */
    private void answers(String name, JsonNode answer) {
        Set<String> required = new TreeSet<>();
        schema(name).path("required").forEach(each -> required.add(each.textValue()));
        assertThat(names(answer)).as(name).isNotEmpty().containsAll(required);
        assertThat(properties(schema(name))).as(name).containsAll(names(answer));
    }

    @Test
    void references_leadSomewhere() {
        List<JsonNode> references = document.findValues("$ref");
        assertThat(references).hasSizeGreaterThan(20);
        assertThat(references)
                .allMatch(each -> document.at(each.textValue().substring(1)).isObject());
    }

    @Test
    void document_needsNoKey_andIconIsOne() throws Exception {
        try (ServerFixture guarded = new ServerFixture(
                ServerFixture.options().apiKeys(List.of("0123456789abcdef")).build())) {
            assertThat(guarded.get("/openapi.json", "").status()).isEqualTo(200);
            Wire.Answer icon = guarded.get("/favicon.ico", "");
            assertThat(icon.header("content-type")).isEqualTo("image/x-icon");
            assertThat(icon.body()).startsWith(0, 0, 1, 0);
        }
    }
}
