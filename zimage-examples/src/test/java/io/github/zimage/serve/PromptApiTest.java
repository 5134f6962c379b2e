package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Help with prompts takes its time where nobody waits for it. */
@Timeout(60)
final class PromptApiTest {
    private static Set<Thread> lintThreads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("zimage-lint"))
                .collect(Collectors.toSet());
    }

    // The page asks for templates when it is opened, and for findings when somebody has typed. Dictionaries take most
    // of
    // a second and tens of megabytes, so a server that only draws does not read them.
    @Test
    void rulesAreRead_whenThePageIsOpened_andNotBefore() throws Exception {
        Set<Thread> before = lintThreads();
        try (ServerFixture server = new ServerFixture(ServerFixture.options().build())) {
            assertThat(server.post(ServerFixture.GENERATIONS, "", ServerFixture.FOX)
                            .status())
                    .isEqualTo(200);
            assertThat(lintThreads()).isSubsetOf(before);
            assertThat(server.get("/api/prompt/templates", "").status()).isEqualTo(200);
            Set<Thread> started = lintThreads();
            started.removeAll(before);
            assertThat(started).hasSize(1);
        }
    }

    // A negative prompt does nothing on Turbo without guidance of either kind.
    @Test
    void negativePrompt_isLookedAtWithItsSettings() throws Exception {
        try (ServerFixture server = new ServerFixture(ServerFixture.options().build())) {
            String negative = "{\"prompt\": \"a fox\", \"negative_prompt\": \"blurry\"";
            assertThat(server.post("/api/prompt/lint", "", negative + "}").text())
                    .contains("NEGATIVE_PROMPT");
            for (String acting : List.of("\"guidance\": 2", "\"nag_scale\": 2")) {
                assertThat(server.post("/api/prompt/lint", "", negative + ", " + acting + "}")
                                .text())
                        .as(acting)
                        .doesNotContain("NEGATIVE_PROMPT");
            }
            assertThat(server.post("/api/prompt/lint", "", negative + ", \"nag_scale\": 0}")
                            .status())
                    .isEqualTo(400);
        }
    }
}
