package io.github.zimage.serve;

import static io.github.zimage.serve.ServerFixture.FOX;
import static io.github.zimage.serve.ServerFixture.GENERATIONS;
import static io.github.zimage.serve.ServerFixture.postOf;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** HTTP as RFC 9110 and 9112 have it, with bytes that client libraries do not send. */
@Timeout(60)
final class HttpRulesTest {
    private static final String KEY = "0123456789abcdef";
    private static final String JSON_TYPE = "Content-Type: application/json\r\n";
    private static final String EXPECT = "Expect: 100-continue\r\n";

    private static ServerFixture server;

    @BeforeAll
    static void start() throws Exception {
        server = new ServerFixture(ServerFixture.options().build());
    }

    @AfterAll
    static void end() {
        server.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"100-continue", "100-Continue", " 100-CONTINUE "})
    void bodyThatWaitsForLeave_getsItAtOnce(String expectation) throws Exception {
        try (Wire wire = server.connect()) {
            String request = postOf(GENERATIONS, JSON_TYPE + "Expect: " + expectation + "\r\n", FOX);
            wire.write(request.substring(0, request.length() - FOX.length()));
            assertThat(wire.answer().line()).isEqualTo("HTTP/1.1 100 Continue");
            wire.write(FOX);
            assertThat(wire.answer().status()).isEqualTo(200);
            assertThat(wire.isOpen()).isTrue();
        }
    }

    @Test
    void bodyInChunksThatWaitsForLeave_getsItAtOnce() throws Exception {
        try (Wire wire = server.connect()) {
            wire.write("POST " + GENERATIONS + " HTTP/1.1\r\nHost: localhost\r\n" + JSON_TYPE + EXPECT
                    + "Transfer-Encoding: chunked\r\n\r\n");
            assertThat(wire.answer().line()).isEqualTo("HTTP/1.1 100 Continue");
            wire.write("%x\r\n%s\r\n0\r\n\r\n".formatted(FOX.length(), FOX));
            assertThat(wire.answer().status()).isEqualTo(200);
        }
    }

    // The body never comes: only an answer that does not wait for it can.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "/v1/images/generations | Content-Type: text/plain       | 10    | 415",
                "/v1/images/generations | X: no type                     | 10    | 415",
                "/v1/images/generations | Content-Type: application/json | 70000 | 413",
                "/api/jobs              | Content-Type: application/json | 34000000 | 413",
                "/api/prompt/lint       | Content-Type: application/json | 70000 | 413",
                "/api/prompt/lint       | Content-Type: application/xml  | 10    | 415",
                "/nowhere               | Content-Type: application/json | 10    | 404",
                "/v1/models             | Content-Type: application/json | 10    | 405"
            })
    void bodyThatWillNotDo_isAnsweredBeforeItComes(String path, String type, int length, int status) throws Exception {
        Wire.Answer answer = server.send("POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" + type
                + "\r\nContent-Length: " + length + "\r\n" + EXPECT + "\r\n");
        assertThat(answer.status()).isEqualTo(status);
        assertThat(answer.header("connection")).isEqualTo("close");
    }

    @ParameterizedTest
    @ValueSource(strings = {"200-ok", "100-continue, more", "yes"})
    void otherExpectation_is417(String expectation) throws Exception {
        assertThat(server.post(GENERATIONS, "Expect: " + expectation + "\r\n", FOX)
                        .status())
                .isEqualTo(417);
    }

    @Test
    void keyThatIsMissing_isToldBeforeTheBodyComes() throws Exception {
        try (ServerFixture keyed = keyed()) {
            Wire.Answer answer = keyed.send("POST %s HTTP/1.1\r\nHost: localhost\r\n%s%sContent-Length: 10\r\n\r\n"
                    .formatted(GENERATIONS, JSON_TYPE, EXPECT));
            assertThat(answer.status()).isEqualTo(401);
            assertThat(answer.header("www-authenticate")).isEqualTo("Bearer");
        }
    }

    private static ServerFixture keyed() throws Exception {
        return new ServerFixture(
                ServerFixture.options().apiKeys(java.util.List.of(KEY)).build());
    }

    @ParameterizedTest
    @CsvSource({"Bearer, 200", "bearer, 200", "BEARER, 200", "Basic, 401", "Token, 401", "'', 401"})
    void schemeOfAKey_mayHaveAnyCase(String scheme, int status) throws Exception {
        try (ServerFixture keyed = keyed()) {
            String header = "authorization: " + scheme + " " + KEY + "\r\n";
            assertThat(keyed.get("/v1/models", header).status()).isEqualTo(status);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/",
                "/health/live",
                "/health/ready",
                "/v1/models",
                "/v1/models/stub",
                "/api/info",
                "/api/prompt/templates",
                "/nowhere",
                "/v1/models/other",
                "/api/jobs/AAAAAAAAAAAAAAAAAAAAAAAA",
                "/api/jobs/AAAAAAAAAAAAAAAAAAAAAAAA/images/0.png"
            })
    void head_isGetWithoutABody(String path) throws Exception {
        try (Wire wire = server.connect()) {
            Wire.Answer got = wire.write("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    .answer();
            Wire.Answer head = wire.write("HEAD " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    .headOnly();
            assertThat(head.line()).isEqualTo(got.line());
            assertThat(undated(head)).isEqualTo(undated(got));
            assertThat(head.header("content-length")).isNotEmpty().isNotEqualTo("0");
            assertThat(wire.isOpen())
                    .as("nothing of a body is left on the wire")
                    .isTrue();
        }
    }

    private static Map<String, String> undated(Wire.Answer answer) {
        Map<String, String> headers = new TreeMap<>(answer.headers());
        headers.remove("date");
        return headers;
    }

    // What it says changes from one time to the next, and so does its length.
    @Test
    void headOfMetrics_is200() throws Exception {
        try (Wire wire = server.connect()) {
            wire.write("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
            assertThat(wire.headOnly().status()).isEqualTo(200);
            assertThat(wire.isOpen()).isTrue();
        }
    }

    @Test
    void headOfAServerThatIsNotReady_is503() throws Exception {
        server.server.drain();
        try (Wire wire = server.connect()) {
            wire.write("HEAD /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
            assertThat(wire.headOnly().status()).isEqualTo(503);
        } finally {
            server.close();
            start();
        }
    }

    @Test
    void headOfAPictureAndOfEvents_isTheirHeaders() throws Exception {
        String id =
                ServerFixture.json(server.post("/api/jobs", "", FOX)).get("id").textValue();
        try (Wire wire = server.connect()) {
            String head = "HEAD /api/jobs/" + id + "%s HTTP/1.1\r\nHost: localhost\r\n\r\n";
            ServerFixture.await(() -> isDone(id));
            Wire.Answer picture = wire.write(head.formatted("/images/0.png")).headOnly();
            assertThat(picture.header("content-type")).isEqualTo("image/png");
            assertThat(picture.header("content-length")).isEqualTo("9");
            Wire.Answer events = wire.write(head.formatted("/events")).headOnly();
            assertThat(events.status()).isEqualTo(200);
            assertThat(events.header("content-type")).startsWith("text/event-stream");
            assertThat(wire.isOpen()).isTrue();
        }
    }

    private static boolean isDone(String id) {
        try {
            return ServerFixture.json(server.get("/api/jobs/" + id, ""))
                    .get("state")
                    .textValue()
                    .equals("succeeded");
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "HTTP/1.0 | X: y                       | true",
                "HTTP/1.0 | Connection: keep-alive     | false",
                "HTTP/1.0 | connection: Keep-Alive     | false",
                "HTTP/1.0 | Connection: close          | true",
                "HTTP/1.1 | X: y                       | false",
                "HTTP/1.1 | connection: close          | true",
                "HTTP/1.1 | Connection: TE, Close      | true",
                "HTTP/1.1 | Connection: keep-alive     | false"
            })
    void connection_endsWhenItShould(String version, String header, boolean closes) throws Exception {
        for (String path : new String[] {"/v1/models", "/nowhere", "/"}) {
            try (Wire wire = server.connect()) {
                Wire.Answer answer = wire.write(
                                "GET " + path + " " + version + "\r\nHost: localhost\r\n" + header + "\r\n\r\n")
                        .answer();
                if (closes) {
                    assertThat(answer.header("connection")).isEqualTo("close");
                    assertThat(wire.isClosed()).isTrue();
                } else {
                    assertThat(answer.header("connection")).isEqualTo(version.equals("HTTP/1.0") ? "keep-alive" : "");
                    assertThat(wire.isOpen()).isTrue();
                }
            }
        }
    }

    @Test
    void oldClients_needNameNoHost_andGetNoChunks() throws Exception {
        try (Wire wire = server.connect()) {
            wire.write("POST %s HTTP/1.0\r\n%s%sContent-Length: %d\r\n\r\n%s"
                    .formatted(GENERATIONS, JSON_TYPE, EXPECT, FOX.length(), FOX));
            Wire.Answer answer = wire.answer();
            assertThat(answer.line()).as("100 is not for them").isEqualTo("HTTP/1.0 200 OK");
            assertThat(answer.headers()).doesNotContainKey("transfer-encoding");
            assertThat(wire.isClosed()).isTrue();
        }
    }

    @Test
    void eventsOfOldClients_endWithTheConnection() throws Exception {
        String body = "{\"prompt\": \"fox\", \"stream\": true}";
        try (Wire wire = server.connect()) {
            wire.write("POST %s HTTP/1.0\r\n%sConnection: keep-alive\r\nContent-Length: %d\r\n\r\n%s"
                    .formatted(GENERATIONS, JSON_TYPE, body.length(), body));
            Wire.Answer answer = wire.answer();
            assertThat(answer.headers()).doesNotContainKey("transfer-encoding");
            assertThat(answer.header("connection")).isEqualTo("close");
            while (!wire.line().equals("event: image_generation.completed")) {
                // what comes before does not matter
            }
            assertThat(wire.line()).startsWith("data: {");
            assertThat(wire.line()).isEmpty();
            assertThat(wire.isClosed()).isTrue();
        }
    }

    @Test
    void compressedBody_is415_whateverTheCoding() throws Exception {
        ByteArrayOutputStream zipped = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(zipped)) {
            out.write(FOX.getBytes(StandardCharsets.UTF_8));
        }
        for (String coding : new String[] {"gzip", "GZIP", "deflate", "br", "zstd", "x-gzip", "identity, gzip"}) {
            try (Wire wire = server.connect()) {
                wire.write("POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n"
                        .formatted(GENERATIONS, JSON_TYPE, coding, zipped.size()));
                Wire.Answer answer = wire.write(zipped.toByteArray()).answer();
                assertThat(answer.status()).as(coding).isEqualTo(415);
                assertThat(answer.header("accept-encoding")).isEqualTo("identity");
                assertThat(answer.text()).contains("compressed");
            }
        }
        assertThat(server.post(GENERATIONS, "Content-Encoding: Identity\r\n", FOX)
                        .status())
                .isEqualTo(200);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "application/json                         | 200",
                "Application/JSON                         | 200",
                "application/json;charset=utf-8           | 200",
                "application/json ; Charset=\"UTF-8\"     | 200",
                "application/json; charset=iso-8859-1     | 415",
                "application/vnd.api+json                 | 415",
                "application/jsonp                        | 415",
                "text/json                                | 415",
                "multipart/form-data; boundary=x          | 415",
                "application/x-www-form-urlencoded        | 415",
                "application/json, text/plain             | 415",
                "json                                     | 415"
            })
    void typeOfABody_mustBeJson(String type, int status) throws Exception {
        Wire.Answer answer = server.send(postOf(GENERATIONS, "Content-Type: " + type + "\r\n", FOX));
        assertThat(answer.status()).isEqualTo(status);
        assertThat(answer.header("accept")).isEqualTo(status == 415 ? "application/json" : "");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/v1/models/",
                "//v1/models",
                "/v1//models//",
                "/v1/./models",
                "/v1/%6Dodels",
                "/%76%31/models",
                "/x/../v1/models",
                "/v1/%2e%2e/v1/models",
                "/v1/models?limit=3",
                "http://localhost/v1/models"
            })
    void path_mayBeWrittenInOtherWays(String target) throws Exception {
        Wire.Answer answer = server.get(target, "");
        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.text()).contains("\"stub\"");
    }

    @ParameterizedTest
    @CsvSource({
        "/v1/model, 404",
        "/V1/models, 404",
        "/v1/models%00, 404",
        "/../../etc/passwd, 404",
        "/..%2f..%2fetc/passwd, 404",
        "/%2e%2e/%2e%2e/etc/passwd, 404",
        "/..%5c..%5cetc, 404",
        "/v1/%, 400",
        "/v1/%zz, 400",
        "v1/models, 400"
    })
    void pathThatIsNone_isRefusedInJson(String target, int status) throws Exception {
        Wire.Answer answer = server.get(target, "");
        assertThat(answer.status()).isEqualTo(status);
        assertThat(ServerFixture.error(answer).get("message").textValue()).isNotEmpty();
        assertThat(answer.text()).doesNotContain("root:");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "PUT    | /v1/models             | 405 | GET, HEAD, OPTIONS",
                "GET    | /v1/images/generations | 405 | OPTIONS, POST",
                "HEAD   | /v1/images/generations | 405 | OPTIONS, POST",
                "DELETE | /api/jobs              | 405 | OPTIONS, POST",
                "TRACE  | /                      | 405 | GET, HEAD, OPTIONS",
                "BREW   | /health/live           | 405 | GET, HEAD, OPTIONS",
                "POST   | /api/jobs/AAAAAAAAAAAAAAAAAAAAAAAA | 405 | DELETE, GET, HEAD, OPTIONS",
                "OPTIONS | /v1/models            | 204 | GET, HEAD, OPTIONS",
                "OPTIONS | /v1/images/generations | 204 | OPTIONS, POST",
                "OPTIONS | *                     | 204 | DELETE, GET, HEAD, OPTIONS, POST"
            })
    void methods_areTold(String method, String path, int status, String allowed) throws Exception {
        try (Wire wire = server.connect()) {
            wire.write(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
            Wire.Answer answer = method.equals("HEAD") ? wire.headOnly() : wire.answer();
            assertThat(answer.status()).isEqualTo(status);
            assertThat(answer.header("allow")).isEqualTo(allowed);
            assertThat(wire.isOpen())
                    .as("a refusal without a body costs no connection")
                    .isTrue();
        }
    }

    @Test
    void severalRequestsAtOnce_areAnsweredInOrder() throws Exception {
        try (Wire wire = server.connect()) {
            wire.write(postOf(GENERATIONS, JSON_TYPE, FOX)
                    + "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"
                    + "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
                    + postOf(GENERATIONS, JSON_TYPE, FOX.replace("5", "6"))
                    + "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            assertThat(seed(wire.answer())).isEqualTo(5);
            assertThat(wire.headOnly().status()).isEqualTo(200);
            assertThat(wire.answer().status()).isEqualTo(404);
            assertThat(seed(wire.answer())).isEqualTo(6);
            assertThat(wire.answer().status()).isEqualTo(200);
            assertThat(wire.isClosed()).isTrue();
        }
    }

    private static long seed(Wire.Answer answer) throws Exception {
        return ServerFixture.json(answer).at("/data/0/seed").asLong();
    }

    // Two servers in a row that read these differently are how requests of strangers get into those of others.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
                "Content-Length: +5\r\n\r\nabcde",
                "Content-Length: 0x5\r\n\r\nabcde",
                "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
                "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
                "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
                "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx\r\n",
                "Transfer-Encoding: chunked\r\n\r\n5;x\r\nabcdefgh\r\n0\r\n\r\n"
            })
    void bodyWhoseLengthIsInDoubt_isRefused_andNothingBehindItIsRead(String rest) throws Exception {
        int before = server.backend().works.size();
        try (Wire wire = server.connect()) {
            wire.write("POST " + GENERATIONS + " HTTP/1.1\r\nHost: localhost\r\n" + JSON_TYPE + rest
                    + postOf(GENERATIONS, JSON_TYPE, FOX));
            Wire.Answer answer = wire.answer();
            assertThat(answer.status()).isIn(400, 501);
            assertThat(answer.header("connection")).isEqualTo("close");
            assertThat(wire.isClosed()).isTrue();
        }
        assertThat(server.backend().works).hasSize(before);
    }
}
