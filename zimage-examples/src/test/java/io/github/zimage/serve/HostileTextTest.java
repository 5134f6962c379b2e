package io.github.zimage.serve;

import static io.github.zimage.serve.ServerFixture.GENERATIONS;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What a client wrote comes back in messages without what steers a terminal, turns writing round or begins lines. */
@Timeout(60)
final class HostileTextTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private static ServerFixture server;

    @BeforeAll
    static void start() throws Exception {
        server = new ServerFixture(ServerFixture.options().build());
    }

    @AfterAll
    static void end() {
        server.close();
    }

    /** ESC and CSI, line ends of all kinds, marks of direction, a zero-width one, a BOM, a soft hyphen. */
    static List<String> texts() {
        return List.of(
                "\u001b[2J",
                "\u009b31m",
                "a\r\nX-Forged: 1",
                "\u0085",
                "\u2028",
                "\u2029",
                "\u202e\u2066\u2069\u200f",
                "\u200b",
                "\ufeff",
                "\u00ad",
                "\udb40\udc01");
    }

    @ParameterizedTest
    @MethodSource("texts")
    void textOfARequest_isShownWithoutItsTricks(String text) throws Exception {
        String quoted = JSON.writeValueAsString("@" + text + "@");
        for (String body : List.of(
                "{\"prompt\":\"a\",\"model\":%s}",
                "{\"prompt\":\"a\",\"size\":%s}",
                "{\"prompt\":\"a\",\"quality\":%s}",
                "{\"prompt\":\"a\",\"style\":%s}",
                "{\"prompt\":\"a\",\"n\":%s}",
                "{\"prompt\":\"a\",\"sigmas\":[%s]}",
                "{\"prompt\":\"a\",\"seed\":%s}",
                "{\"prompt\":\"a\",%s:1}",
                "{\"prompt\":[%s]}",
                "{%s")) {
            Wire.Answer answer = server.post(GENERATIONS, "", body.formatted(quoted));
            assertThat(answer.status()).isIn(400, 404);
            assertThat(answer.headers()).doesNotContainKey("x-forged");
            String message = ServerFixture.error(answer).get("message").textValue();
            assertThat(message.codePoints().filter(HostileTextTest::isTrick).toArray())
                    .as("%s: %s", body, message)
                    .isEmpty();
            String parameter = ServerFixture.error(answer).path("param").asText();
            assertThat(parameter.codePoints().filter(HostileTextTest::isTrick).toArray())
                    .as("%s", body)
                    .isEmpty();
        }
    }

    private static boolean isTrick(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR,
                    Character.SURROGATE -> true;
            default -> false;
        };
    }

    @ParameterizedTest
    @MethodSource("texts")
    void textInAHeader_isShownWithoutItsTricks(String text) throws Exception {
        String safe = text.replaceAll("[\r\n]", "");
        for (String header : List.of("Content-Encoding: @%s@", "Content-Type: application/json; charset=@%s@")) {
            Wire.Answer answer = server.send(ServerFixture.postOf(
                    GENERATIONS, "Content-Type: application/json\r\n" + header.formatted(safe) + "\r\n", "{}"));
            assertThat(answer.status()).isIn(400, 415);
            assertThat(ServerFixture.error(answer)
                            .get("message")
                            .textValue()
                            .codePoints()
                            .filter(HostileTextTest::isTrick)
                            .toArray())
                    .isEmpty();
        }
    }

    @ParameterizedTest
    @MethodSource("texts")
    void promptWithTricks_isDrawnAsItIs_andMakesNoHeader(String text) throws Exception {
        String body = "{\"prompt\":%s,\"user\":%1$s}".formatted(JSON.writeValueAsString("@" + text + "@"));
        Wire.Answer answer = server.post(GENERATIONS, "", body);
        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.headers()).doesNotContainKey("x-forged");
    }
}
