package io.github.zimage.serve;

import static io.github.zimage.serve.ServerFixture.FOX;
import static io.github.zimage.serve.ServerFixture.GENERATIONS;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.github.zimage.ModelLoadException;
import io.github.zimage.ZImageException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.slf4j.LoggerFactory;

/** A request that fails by the server's fault: the client gets 500, the log the reason, and balancers no more 200 if all fail. */
@Timeout(60)
final class ReadinessTest {
    private static final String CHANGED = "transformer/x.safetensors: the file must stay as it was";

    private final ListAppender<ILoggingEvent> log = new ListAppender<>();
    private ServerFixture server;

    @BeforeEach
    void start() throws Exception {
        log.start();
        Logger ours = (Logger) LoggerFactory.getLogger("io.github.zimage.serve");
        ours.setLevel(Level.INFO);
        ours.addAppender(log);
        server = new ServerFixture(ServerFixture.options().build());
    }

    @AfterEach
    void end() {
        server.close();
        ((Logger) LoggerFactory.getLogger("io.github.zimage.serve")).detachAppender(log);
    }

    private List<String> logged() {
        synchronized (log) {
            return new ArrayList<>(log.list)
                    .stream().map(ILoggingEvent::getFormattedMessage).toList();
        }
    }

    private Wire.Answer draw() throws Exception {
        return server.post(GENERATIONS, "", FOX);
    }

    private int ready() throws Exception {
        return server.get("/health/ready", "").status();
    }

    @Test
    void modelThatChanged_makesTheServerUnready_andTheLogSaysWhy() throws Exception {
        server.backend().failure = new ModelLoadException(CHANGED);
        Wire.Answer answer = draw();
        assertThat(answer.status()).isEqualTo(500);
        assertThat(ServerFixture.error(answer).get("message").textValue()).isEqualTo(CHANGED);
        assertThat(logged()).anyMatch(line -> line.matches("Job \\S+ failed: " + CHANGED));
        assertThat(ready()).isEqualTo(503);
        assertThat(server.get("/health/ready", "").text()).contains("every request fails");
        assertThat(server.get("/health/live", "").status()).isEqualTo(200);
        assertThat(server.get("/metrics", "").text()).contains("zimage_ready 0.0");

        server.backend().failure = null;
        assertThat(draw().status()).as("requests are tried all the same").isEqualTo(200);
        assertThat(ready()).as("one that succeeds is proof").isEqualTo(200);
    }

    @Test
    void watchdog_readsTheModelAnew() throws Exception {
        server.backend().failure = new ModelLoadException(CHANGED);
        draw();
        server.server.check();
        ServerFixture.await(() -> server.backends.size() == 2);
        ServerFixture.await(() -> statusOf("/health/ready") == 200);
        assertThat(draw().status()).isEqualTo(200);
        assertThat(logged()).anyMatch(line -> line.contains("healing=REBUILD") && line.contains(CHANGED));
    }

    private int statusOf(String path) {
        try {
            return server.get(path, "").status();
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void failuresInARow_areTestedWithAPictureOfTheServersOwn() throws Exception {
        StubBackend backend = server.backend();
        backend.failure = new ZImageException("the picture is not finite");
        backend.warmUpFailure = new ZImageException("the text encoder's output is not finite");
        for (int i = 0; i < 2; i++) {
            assertThat(draw().status()).isEqualTo(500);
        }
        assertThat(backend.warmUps).as("two may be bad luck").hasValue(1);
        assertThat(ready()).isEqualTo(200);
        draw();
        ServerFixture.await(() -> statusOf("/health/ready") == 503);
        assertThat(logged())
                .anyMatch(line -> line.equals("Every request fails: the text encoder's output is not finite"));
    }

    // Else whoever knows a request that fails could take the server away from all.
    @Test
    void requestsThatFailAlone_doNotMakeTheServerUnready() throws Exception {
        StubBackend backend = server.backend();
        backend.failure = new ZImageException("the picture is not finite");
        for (int i = 0; i < 3; i++) {
            draw();
        }
        ServerFixture.await(() -> backend.warmUps.get() == 2);
        backend.failure = null;
        assertThat(draw().status()).isEqualTo(200);
        assertThat(ready()).isEqualTo(200);
        server.server.check();
        assertThat(server.backends).as("nothing is made anew").hasSize(1);
    }

    @Test
    void faultThatNobodyExpected_isLogged_andNotShownToStrangers() throws Exception {
        server.backend().failure = new UnsupportedOperationException("secret \u202e path\r\nINFO  forged line");
        Wire.Answer answer = draw();
        assertThat(answer.status()).isEqualTo(500);
        assertThat(answer.text()).doesNotContain("secret").contains("the server's log says why");
        assertThat(logged())
                .anyMatch(line -> line.contains("failed: UnsupportedOperationException: secret"))
                .noneMatch(line -> line.contains("\n") || line.contains("\r") || line.contains("\u202e"));
    }

    @Test
    void requestThatIsGivenUp_leavesItsReasonsInTheLog() throws Exception {
        server.backend().failure = new IllegalStateException("inner workings");
        Wire.Answer answer = draw();
        assertThat(answer.status()).isEqualTo(500);
        assertThat(answer.text()).contains("begun 3 times").doesNotContain("inner workings");
        assertThat(logged().stream().filter(line -> line.contains("inner workings")))
                .as("one for each attempt")
                .hasSize(3);
    }
}
