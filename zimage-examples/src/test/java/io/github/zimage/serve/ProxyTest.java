package io.github.zimage.serve;

import static io.github.zimage.serve.ServerFixture.GENERATIONS;
import static io.github.zimage.serve.ServerFixture.json;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Links that lead to where the client is, whoever stands between, and pages of other sites that may call or not. */
@Timeout(60)
final class ProxyTest {
    private static final String KEY = "0123456789abcdef";
    private static final String AUTHORIZED = "Authorization: Bearer " + KEY + "\r\n";
    private static final String URL = "{\"prompt\": \"fox\", \"seed\": 5, \"response_format\": \"url\"}";

    private static String url(ServerFixture server, String headers) throws Exception {
        return json(server.post(GENERATIONS, headers, URL)).at("/data/0/url").textValue();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "X-Forwarded-Proto: https                                    | https://localhost",
                "X-Forwarded-Proto: https~X-Forwarded-Host: pictures.example | https://pictures.example",
                "X-Forwarded-Host: a.example~X-Forwarded-Prefix: /zimage     | http://a.example/zimage",
                "X-Forwarded-Host: a.example~X-Forwarded-Prefix: /zimage/    | http://a.example/zimage",
                "X-Forwarded-Host: a.example~X-Forwarded-Port: 8443~X-Forwarded-Proto: https | https://a.example:8443",
                "X-Forwarded-Host: a.example~X-Forwarded-Port: 443~X-Forwarded-Proto: HTTPS | https://a.example",
                "X-Forwarded-Host: [2001:db8::1]:8443                        | http://[2001:db8::1]:8443",
                "Forwarded: for=192.0.2.1;proto=https;host=b.example         | https://b.example",
                "Forwarded: For=\"[2001:db8::7]:4711\"; Proto=https;Host=\"b.example:444\" | https://b.example:444",
                "Forwarded: proto=https;host=b.example~X-Forwarded-Host: a.example | https://b.example",
                "X-Forwarded-Host: evil.example, a.example                   | http://a.example",
                "X-Forwarded-Host: a.example/evil                            | http://localhost",
                "X-Forwarded-Host: a.example~X-Forwarded-Prefix: //evil.example | http://a.example",
                "X-Forwarded-Proto: javascript                               | http://localhost"
            })
    void trustedProxy_saysHowClientsReachIt(String headers, String base) throws Exception {
        try (ServerFixture server = new ServerFixture(
                ServerFixture.options().trustedProxies(List.of("localhost")).build())) {
            assertThat(url(server, headers.replace("~", "\r\n") + "\r\n")).startsWith(base + "/api/jobs/");
        }
    }

    @Test
    void proxyThatIsNotTrusted_isNotBelieved() throws Exception {
        for (List<String> trusted : List.of(List.<String>of(), List.of("192.0.2.0/24", "2001:db8::/32"))) {
            try (ServerFixture server = new ServerFixture(
                    ServerFixture.options().trustedProxies(trusted).build())) {
                String headers = "X-Forwarded-Host: a.example\r\nForwarded: host=a.example;proto=https\r\n";
                assertThat(url(server, headers)).startsWith("http://localhost/api/jobs/");
            }
        }
    }

    @Test
    void publicUrl_isTheBaseOfAllLinks_andPathsMayBeginWithIts() throws Exception {
        try (ServerFixture server = new ServerFixture(ServerFixture.options()
                .publicUrl(URI.create("https://pictures.example/zimage"))
                .build())) {
            String url = url(server, "X-Forwarded-Host: evil.example\r\n");
            assertThat(url).startsWith("https://pictures.example/zimage/api/jobs/");
            String path = url.substring("https://pictures.example".length());
            assertThat(server.get(path, "").text()).isEqualTo("picture 5");
            assertThat(server.get(path.substring("/zimage".length()), "").text())
                    .isEqualTo("picture 5");
            assertThat(server.send("GET /zimage/ HTTP/1.1\r\nHost: pictures.example\r\n\r\n")
                            .status())
                    .as("the client's own Host, handed on")
                    .isEqualTo(200);
            assertThat(server.send("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
                            .status())
                    .isEqualTo(421);
            Wire.Answer bare = server.get("/zimage", "");
            assertThat(bare.status()).as("the page's addresses are relative").isEqualTo(308);
            assertThat(bare.header("location")).isEqualTo("https://pictures.example/zimage/");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "pictures.example",
                "ftp://a.example",
                "https://u:p@a.example",
                "https://a.example?x=y",
                "https://a.example#x",
                "https://a.example/",
                "https:/x",
                "mailto:a@b.example"
            })
    void publicUrlThatIsNone_isRefused(String url) {
        assertThatThrownBy(
                        () -> ServerFixture.options().publicUrl(URI.create(url)).build())
                .hasMessageContaining("the public URL must be an address such as");
    }

    @Test
    void addressesOfThePage_areRelative() throws Exception {
        try (ServerFixture server = new ServerFixture(ServerFixture.options().build())) {
            assertThat(server.get("/", "").text())
                    .as("calls, links and sources")
                    .doesNotContainPattern("(fetch|call)\\([`\"']/")
                    .doesNotContainPattern("(href|src|action)=\"/");
            JsonNode job = json(server.post("/api/jobs", "", ServerFixture.FOX));
            assertThat(job.get("id").textValue()).hasSize(24);
        }
    }

    @Test
    void linkToAPicture_carriesItsOwnPermission_andNoOther() throws Exception {
        try (ServerFixture server =
                new ServerFixture(ServerFixture.options().apiKeys(List.of(KEY)).build())) {
            String url = url(server, AUTHORIZED);
            String path = URI.create(url).getRawPath();
            String link = path + "?" + URI.create(url).getRawQuery();
            assertThat(server.get(link, "").text()).isEqualTo("picture 5");
            assertThat(server.get(path, AUTHORIZED).text()).as("with the key").isEqualTo("picture 5");
            assertThat(server.get(path, "").status()).as("neither").isEqualTo(401);
            for (String other : List.of(
                    link.replaceAll("expires=[0-9]+", "expires=99999999999"),
                    link.replace("/0.png", "/1.png"),
                    link.substring(0, link.length() - 1),
                    link.replace("signature=", "signature=A"),
                    path + "?expires=1",
                    path + "?signature=" + "A".repeat(43),
                    link.replace("/images/0.png", ""),
                    link.replace("/images/0.png", "/events"))) {
                assertThat(server.get(other, "").status()).as(other).isEqualTo(401);
            }
        }
    }

    @Test
    void pagesOfNamedSites_mayCall() throws Exception {
        try (ServerFixture server = new ServerFixture(ServerFixture.options()
                .apiKeys(List.of(KEY))
                .corsOrigins(List.of("https://app.example", "http://localhost:3000"))
                .build())) {
            String origin = "Origin: https://app.example\r\n";
            Wire.Answer preflight = server.send(
                    "OPTIONS " + GENERATIONS + " HTTP/1.1\r\nHost: localhost\r\n" + origin
                            + "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: X-Stainless-OS, authorization\r\n\r\n");
            assertThat(preflight.status()).as("browsers show no key then").isEqualTo(204);
            assertThat(preflight.header("access-control-allow-origin")).isEqualTo("https://app.example");
            assertThat(preflight.header("access-control-allow-methods")).contains("POST");
            assertThat(preflight.header("access-control-allow-headers")).contains("authorization", "x-stainless-os");
            Wire.Answer drawn = server.post(GENERATIONS, origin + AUTHORIZED, ServerFixture.FOX);
            assertThat(drawn.header("access-control-allow-origin")).isEqualTo("https://app.example");
            Wire.Answer refused = server.post(GENERATIONS, origin, ServerFixture.FOX);
            assertThat(refused.status()).isEqualTo(401);
            assertThat(refused.header("access-control-allow-origin"))
                    .as("the page can read why")
                    .isEqualTo("https://app.example");
            for (String other :
                    List.of("https://app.example.evil.example", "https://APP.example", "null", "http://app.example")) {
                Wire.Answer answer = server.get("/v1/models", "Origin: " + other + "\r\n" + AUTHORIZED);
                assertThat(answer.headers()).as(other).doesNotContainKey("access-control-allow-origin");
                assertThat(answer.header("vary")).isEqualTo("Origin");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"*", "https://app.example/", "app.example", "https://app.example/path", "null"})
    void originThatIsNone_isRefused(String origin) {
        assertThatThrownBy(() ->
                        ServerFixture.options().corsOrigins(List.of(origin)).build())
                .hasMessageContaining("an origin must be a site such as https://app.example");
    }
}
