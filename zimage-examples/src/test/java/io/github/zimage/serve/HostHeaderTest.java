package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Host, by RFC 9110, 7.2: a name and a port that there can be, of this server. */
@Timeout(60)
final class HostHeaderTest {
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
    @CsvSource({
        "127.0.0.1, 200",
        "127.0.0.1:1, 200",
        "127.0.0.1:65535, 200",
        "localhost:, 200",
        "[::1]:7860, 200",
        "[::1], 200",
        "127.0.0.1:65536, 400",
        "127.0.0.1:99999, 400",
        "localhost:999999, 400",
        "[::1]:70000, 400",
        "localhost:abc, 400",
        "localhost:-1, 400",
        "localhost:+80, 400",
        "pictures.example:99999, 400",
        "pictures.example:80, 421",
        "localhost.example, 421",
        "[::2], 421"
    })
    void portThatNoneCanBe_isABadRequest(String host, int status) throws Exception {
        String rest = " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
        assertThat(server.send("GET /health/live" + rest).status()).isEqualTo(status);
        String absolute = "GET http://" + host + "/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
        assertThat(server.send(absolute).status()).as("in the target").isEqualTo(status);
    }

    @Test
    void portThatAProxyHandsOn_isOneOrLeftOut() throws Exception {
        ServerOptions trusting =
                ServerFixture.options().trustedProxies(List.of("localhost")).build();
        try (ServerFixture behind = new ServerFixture(trusting)) {
            String url = "{\"prompt\":\"fox\",\"response_format\":\"url\"}";
            assertThat(behind.post(ServerFixture.GENERATIONS, "X-Forwarded-Host: p.example:70000\r\n", url)
                            .text())
                    .contains("\"url\":\"http://localhost/");
            assertThat(behind.post(ServerFixture.GENERATIONS, "X-Forwarded-Host: p.example:8443\r\n", url)
                            .text())
                    .contains("\"url\":\"http://p.example:8443/");
        }
    }
}
