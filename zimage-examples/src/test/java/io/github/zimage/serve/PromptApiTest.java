package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

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
}
