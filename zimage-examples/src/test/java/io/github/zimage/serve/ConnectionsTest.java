package io.github.zimage.serve;

import static io.github.zimage.serve.ServerFixture.FOX;
import static io.github.zimage.serve.ServerFixture.GENERATIONS;
import static io.github.zimage.serve.ServerFixture.postOf;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.util.internal.PlatformDependent;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Connections cost little, end when nothing comes, and make room for each other; whoever waits for something keeps his. */
@Timeout(120)
final class ConnectionsTest {
    private static final String LIVE = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    private static final String JSON_TYPE = "Content-Type: application/json\r\n";
    private static final Duration LONG = Duration.ofMinutes(10);
    private static final int MOST = 20;

    private final List<Wire> wires = new ArrayList<>();
    private ServerFixture server;

    private void open(HttpLimits limits) throws Exception {
        server = new ServerFixture(ServerFixture.options().queue(100).build(), limits);
    }

    @AfterEach
    void end() throws Exception {
        for (Wire wire : wires) {
            wire.close();
        }
        server.close();
    }

    private Wire wire() throws Exception {
        Wire wire = server.connect();
        wires.add(wire);
        return wire;
    }

    private Wire draw() throws Exception {
        return wire().write(postOf(GENERATIONS, JSON_TYPE, FOX));
    }

    private boolean isAlive() throws Exception {
        return server.send(LIVE).status() == 200;
    }

    // None of these limits passes while the test runs but the one that is meant: what ends the connection is that one.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "GET",
                "POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\n",
                "POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\nX: "
            })
    void halfOfAFirstRequest_endsTheConnection(String half) throws Exception {
        open(new HttpLimits(MOST, Duration.ofMillis(200), LONG, LONG, LONG));
        Wire wire = wire().write(half);
        assertThat(wire.isClosed()).isTrue();
        assertThat(isAlive()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\r\n", "GET / HTTP/1.1\r\nHost", "POST /v1/images/generations HTTP/1.1\r\nX: "})
    void halfOfALaterRequest_endsTheConnection(String half) throws Exception {
        open(new HttpLimits(MOST, LONG, Duration.ofMillis(200), LONG, LONG));
        Wire wire = wire().write(LIVE);
        assertThat(wire.answer().status()).isEqualTo(200);
        wire.write(half);
        assertThat(wire.isClosed()).isTrue();
    }

    @Test
    void bodyThatDoesNotCome_isAnsweredWith408() throws Exception {
        open(new HttpLimits(MOST, LONG, LONG, Duration.ofMillis(200), LONG));
        Wire wire = wire().write(postOf(GENERATIONS, JSON_TYPE, FOX).replace("fox\"", ""));
        assertThat(wire.answer().status()).isEqualTo(408);
        assertThat(wire.isClosed()).isTrue();
    }

    // A byte now and then must not keep it for ever.
    @Test
    void headThatComesInDrops_endsTheConnection() throws Exception {
        open(new HttpLimits(MOST, Duration.ofMillis(300), LONG, LONG, LONG));
        Wire wire = wire();
        boolean broken = false;
        for (int i = 0; i < 100_000 && !broken; i++) {
            try {
                wire.write("X");
                Thread.sleep(2);
            } catch (java.io.IOException e) {
                broken = true;
            }
        }
        assertThat(broken).isTrue();
    }

    @Test
    void idleConnections_makeRoom_andWhoeverWaitsIsNotCutOff() throws Exception {
        open(new HttpLimits(MOST, LONG, LONG, LONG, LONG));
        server.backend().atOnce = false;
        List<Wire> drawing = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            drawing.add(draw());
        }
        String id =
                ServerFixture.json(server.post("/api/jobs", "", FOX)).get("id").textValue();
        Wire events = wire().write("GET /api/jobs/" + id + "/events HTTP/1.0\r\n\r\n");
        assertThat(events.answer().status()).isEqualTo(200);
        Wire stream = wire().write(postOf(GENERATIONS, JSON_TYPE, "{\"prompt\":\"fox\",\"stream\":true}"));
        assertThat(stream.answer().status()).isEqualTo(200);
        for (int i = 0; i < 3 * MOST; i++) {
            Wire idle = wire();
            if (i % 2 == 0) {
                assertThat(idle.write(LIVE).answer().status()).isEqualTo(200);
            } else {
                idle.write("POST / HTTP/1.1\r\nHost: ");
            }
            assertThat(isAlive()).isTrue();
        }
        server.backend().atOnce = true;
        server.backend().works.forEach(StubBackend.Work::finish);
        for (Wire wire : drawing) {
            assertThat(wire.answer().status()).isEqualTo(200);
        }
        while (!events.line().equals("event: end")) {
            // what comes before does not matter
        }
        while (!stream.line().equals("event: image_generation.completed")) {
            // what comes before does not matter
        }
    }

    @Test
    void connectionsThatWait_leaveSomeForHealth() throws Exception {
        HttpLimits limits = new HttpLimits(MOST, LONG, LONG, LONG, LONG);
        open(limits);
        server.backend().atOnce = false;
        for (int i = 0; i < limits.waiting(); i++) {
            draw();
        }
        ServerFixture.await(() -> inFlight() == limits.waiting());
        Wire.Answer refused = server.post(GENERATIONS, "", FOX);
        assertThat(refused.status()).isEqualTo(503);
        assertThat(ServerFixture.error(refused).get("code").textValue()).isEqualTo("too_many_connections");
        assertThat(refused.header("retry-after")).isNotEmpty();
        assertThat(isAlive()).isTrue();
        assertThat(server.get("/health/ready", "").status()).isEqualTo(200);
    }

    private int inFlight() {
        try {
            var health = ServerFixture.json(server.get("/health/live", ""));
            return health.get("running").intValue() + health.get("waiting").intValue();
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void health_waitsForNobody() throws Exception {
        open(HttpLimits.standard());
        CountDownLatch entered = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        server.backend().onGenerate = () -> {
            entered.countDown();
            try {
                goOn.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        };
        Wire drawing = draw();
        entered.await(); // the queue is locked now
        try {
            for (String path : List.of("/health/live", "/health/ready", "/", "/v1/models")) {
                assertThat(server.get(path, "").status()).as(path).isEqualTo(200);
            }
        } finally {
            goOn.countDown();
        }
        assertThat(drawing.answer().status()).isEqualTo(200);
    }

    @Test
    void lintsBeyondWhatCanWait_areToldToComeBack_andHealthIsAnswered() throws Exception {
        open(HttpLimits.standard());
        String prompt = "(((a:1.2):1.2):1.2) ".repeat(399);
        List<Wire> lints = new ArrayList<>();
        for (int i = 0; i < 120; i++) {
            lints.add(wire().write(postOf("/api/prompt/lint", JSON_TYPE, "{\"prompt\":\"" + prompt + "\"}")));
        }
        assertThat(isAlive()).isTrue();
        List<Integer> statuses = new ArrayList<>();
        for (Wire lint : lints) {
            Wire.Answer answer = lint.answer();
            statuses.add(answer.status());
            assertThat(answer.header("retry-after").isEmpty()).isEqualTo(answer.status() == 200);
        }
        assertThat(statuses).contains(200).isSubsetOf(200, 503);
    }

    // Naively each would hold a copy of the answer, in all 1.2 GB.
    @Test
    void answersThatNobodyReads_takeLittleMemory_andTheOthersComeWhole() throws Exception {
        open(HttpLimits.standard());
        byte[] picture = new byte[4_000_000];
        new Random(1).nextBytes(picture);
        server.backend().atOnce = false;
        String id =
                ServerFixture.json(server.post("/api/jobs", "", FOX)).get("id").textValue();
        StubBackend.Work work = server.backend().works.get(0);
        work.start();
        work.future().complete(List.of(new EncodedImage(picture, 128, 128, 5)));
        String path = "/api/jobs/" + id + "/images/0.png";
        ServerFixture.await(() -> {
            try {
                return server.get(path, "").status() == 200;
            } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        long before = memory();
        for (int i = 0; i < 300; i++) {
            Wire silent = Wire.narrow(server.port);
            wires.add(silent);
            silent.write("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
        }
        assertThat(wire().write("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
                        .answer()
                        .body())
                .isEqualTo(picture);
        assertThat(memory() - before)
                .as("bytes of 300 answers; two parts of 64 KiB each, and what each connection needs")
                .isLessThan(300L * 256 * 1024);
        assertThat(wires.get(7).answer().body()).as("one that reads at last").isEqualTo(picture);
    }

    private static long memory() {
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed()
                + Math.max(0, PlatformDependent.usedDirectMemory());
    }

    @Test
    void eventsOfOneJob_haveALimitOfReaders() throws Exception {
        open(HttpLimits.standard());
        server.backend().atOnce = false;
        String id =
                ServerFixture.json(server.post("/api/jobs", "", FOX)).get("id").textValue();
        String request = "GET /api/jobs/" + id + "/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for (int i = 0; i < 16; i++) {
            assertThat(wire().write(request).answer().status()).isEqualTo(200);
        }
        assertThat(wire().write(request).answer().status()).isEqualTo(429);
        wires.get(0).close();
        ServerFixture.await(() -> {
            try {
                return wire().write(request).answer().status() == 200;
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
    }
}
