package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.GenerationRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** The watchdog does as much as is needed, and no more. */
final class WatchdogTest {
    private static final long MIB = 1 << 20;
    /** Weights of a large model: pages that the system takes back when it needs them. */
    private static final long MAPPED = 19L << 30;

    private static final GenerationRequest SMALL =
            GenerationRequest.builder().prompt("fox").size(256, 256).build();
    private static final GenerationRequest LARGE =
            GenerationRequest.builder().prompt("fox").size(1024, 1024).build();

    private final List<Watchdog.Remedy> remedies = new ArrayList<>();
    private final MemoryTrend trend = new MemoryTrend();
    private final AtomicLong clock = new AtomicLong();
    private final StallDetector stalls =
            new StallDetector(clock::get, Duration.ofSeconds(60), Duration.ofMinutes(10), 10);
    private String reason = "";
    private Set<Watchdog.Remedy> impossible = Set.of();
    private Optional<String> failing = Optional.empty();
    private long held = 100 * MIB;
    private final Watchdog watchdog = new Watchdog(
            new Watchdog.Target() {
                @Override
                public Optional<StallDetector.Stall> stall() {
                    return stalls.stall();
                }

                @Override
                public Optional<String> failing() {
                    return failing;
                }

                @Override
                public boolean apply(Watchdog.Remedy remedy, String why) {
                    remedies.add(remedy);
                    reason = why;
                    return !impossible.contains(remedy);
                }
            },
            new MemoryBound(1000 * MIB, "memory.max of /job"),
            () -> new ProcessMemory(MAPPED + held, held, 0, 0),
            trend,
            Runnable::run);

    private void pass(Duration time) {
        clock.addAndGet(time.toNanos());
    }

    @Test
    void healthyServer_isLeftAlone() {
        for (int i = 0; i < 100; i++) {
            pass(Watchdog.PERIOD);
            watchdog.check();
        }
        assertThat(remedies).isEmpty();
    }

    // Four times the side are 16 times the tokens, and more than that in work.
    @Test
    void serverWhoseRequestsAllFail_getsAPipelineMadeAnew_andIsStartedAgainIfThatDoesNotHelp() {
        failing = Optional.of("files have changed");
        watchdog.check();
        assertThat(remedies).containsExactly(Watchdog.Remedy.REBUILD);
        impossible = Set.of(Watchdog.Remedy.REBUILD);
        watchdog.check();
        assertThat(remedies).containsExactly(Watchdog.Remedy.REBUILD, Watchdog.Remedy.REBUILD, Watchdog.Remedy.GIVE_UP);
    }

    @Test
    void longStep_isToldFromOneThatHangs_byWhatOthersTook() {
        stalls.learn(SMALL, Duration.ofSeconds(10));
        StallDetector.Heartbeat large = begun(LARGE);
        pass(Duration.ofMinutes(20));
        watchdog.check();
        assertThat(remedies).as("10 times 16 times 10 s are allowed at least").isEmpty();
        large.end();
        begun(SMALL);
        pass(Duration.ofMinutes(20));
        watchdog.check();
        assertThat(remedies).containsExactly(Watchdog.Remedy.REBUILD);
    }

    @Test
    void stepsThatAreDone_areLearnedFrom() {
        StallDetector.Heartbeat heartbeat = begun(SMALL);
        pass(Duration.ofSeconds(10));
        heartbeat.progress();
        pass(Duration.ofSeconds(99));
        assertThat(stalls.stall()).as("10 times 10 s").isEmpty();
        pass(Duration.ofSeconds(2));
        assertThat(stalls.stall()).hasValueSatisfying(stall -> {
            assertThat(stall.lasted()).isEqualTo(Duration.ofSeconds(101));
            assertThat(stall.allowed()).isEqualTo(Duration.ofSeconds(100));
        });
    }

    // On two cards, one that works must not speak for the other.
    @Test
    void deviceThatHangs_isSeen_whileAnotherWorks() {
        stalls.learn(SMALL, Duration.ofSeconds(1));
        begun(SMALL);
        for (int i = 0; i < 4; i++) {
            StallDetector.Heartbeat other = begun(SMALL);
            pass(Duration.ofSeconds(20));
            other.beat();
            other.end();
        }
        watchdog.check();
        assertThat(remedies).containsExactly(Watchdog.Remedy.REBUILD);
    }

    @Test
    void requestThatWaitsForOthers_hasTheirTime() {
        stalls.learn(SMALL, Duration.ofSeconds(1));
        StallDetector.Heartbeat first = begun(SMALL);
        stalls.dispatch(SMALL);
        for (int i = 0; i < 8; i++) {
            pass(Duration.ofSeconds(9));
            first.beat();
        }
        assertThat(stalls.stall())
                .as("10 parts of the one before it, 10 s each, and its own")
                .isEmpty();
        pass(Duration.ofSeconds(39));
        first.end();
        assertThat(stalls.stall())
                .as("it waits for nothing, and longer than all that")
                .isPresent();
    }

    // Its client went away, so nothing is heard of the step that hangs; what waits behind it is.
    @Test
    void deviceThatHangsOverALeftRequest_isSeen_onceAnotherWaits() {
        stalls.learn(SMALL, Duration.ofSeconds(1));
        begun(SMALL).abandon();
        pass(Duration.ofMinutes(30));
        assertThat(stalls.stall()).as("it may have nothing to do").isEmpty();
        StallDetector.Heartbeat next = stalls.dispatch(SMALL);
        pass(Duration.ofSeconds(59));
        assertThat(stalls.stall()).isEmpty();
        pass(Duration.ofSeconds(2));
        assertThat(stalls.stall()).isPresent();
        next.begin();
        stalls.dispatch(SMALL);
        pass(Duration.ofSeconds(61));
        next.beat();
        assertThat(stalls.stall()).as("the device has gone on to the next").isEmpty();
    }

    @Test
    void firstStepEver_hasTenMinutes() {
        begun(LARGE);
        pass(Duration.ofMinutes(9));
        watchdog.check();
        assertThat(remedies).isEmpty();
        pass(Duration.ofMinutes(2));
        watchdog.check();
        assertThat(remedies).containsExactly(Watchdog.Remedy.REBUILD);
    }

    @Test
    void deviceThatHangsAgainAndAgain_endsTheProcess() {
        begun(LARGE);
        for (int i = 0; i < 3; i++) {
            pass(Duration.ofMinutes(11));
            watchdog.check();
        }
        assertThat(remedies).containsExactly(Watchdog.Remedy.REBUILD, Watchdog.Remedy.REBUILD, Watchdog.Remedy.GIVE_UP);
    }

    private StallDetector.Heartbeat begun(GenerationRequest request) {
        StallDetector.Heartbeat heartbeat = stalls.dispatch(request);
        heartbeat.begin();
        return heartbeat;
    }

    @Test
    void tooMuchMemory_isCuredInSteps_untilItHelps() {
        held = 1100 * MIB;
        watchdog.check();
        watchdog.check();
        held = 900 * MIB;
        watchdog.check();
        assertThat(remedies).containsExactly(Watchdog.Remedy.TRIM, Watchdog.Remedy.SHRINK);
        assertThat(reason)
                .as("whoever reads it must know which limit to raise")
                .isEqualTo("1100 MiB are held, but the limit is 1000 MiB (memory.max of /job)");
    }

    @Test
    void memoryThatNothingHelps_endsTheProcess() {
        held = 1100 * MIB;
        for (int i = 0; i < 5; i++) {
            watchdog.check();
        }
        assertThat(remedies)
                .containsExactly(
                        Watchdog.Remedy.TRIM,
                        Watchdog.Remedy.SHRINK,
                        Watchdog.Remedy.REBUILD,
                        Watchdog.Remedy.REBUILD,
                        Watchdog.Remedy.GIVE_UP);
    }

    @Test
    void cureThatCannotBe_givesWayToTheNext() {
        impossible = Set.of(Watchdog.Remedy.TRIM, Watchdog.Remedy.SHRINK);
        held = 1100 * MIB;
        watchdog.check();
        assertThat(remedies).containsExactly(Watchdog.Remedy.TRIM, Watchdog.Remedy.SHRINK, Watchdog.Remedy.REBUILD);
    }

    @Test
    void markOfOutOfMemory_isCuredOnce() {
        watchdog.recordOutOfMemory();
        watchdog.check();
        watchdog.check();
        assertThat(remedies).containsExactly(Watchdog.Remedy.TRIM);
    }

    // Every request is answered then, so nothing may be interrupted, however often it happens.
    @Test
    void outOfMemoryThatThePipelineHeals_freesCaches_andNoMore() {
        for (int i = 0; i < 5; i++) {
            watchdog.recordRelief();
            watchdog.check();
        }
        watchdog.check();
        assertThat(remedies).hasSize(5).containsOnly(Watchdog.Remedy.TRIM);
    }

    @Test
    void memoryThatCreeps_isSeenBeforeTheLimit_andNoiseIsNot() {
        for (int i = 0; i < 300; i++) {
            trend.add(500 * MIB + (i * 7919 % 13) * MIB);
        }
        watchdog.check();
        assertThat(remedies).isEmpty();
        for (int i = 0; i < 300; i++) {
            trend.add(500 * MIB + (i * 7919 % 13) * MIB + i * 3L * MIB);
        }
        watchdog.check();
        assertThat(remedies).containsExactly(Watchdog.Remedy.TRIM);
    }

    @Test
    void healthForTenMinutes_beginsAnewWithTheMildest() {
        watchdog.recordOutOfMemory();
        watchdog.check();
        for (int i = 0; i < 20; i++) {
            watchdog.check();
        }
        watchdog.recordOutOfMemory();
        watchdog.check();
        assertThat(remedies).containsExactly(Watchdog.Remedy.TRIM, Watchdog.Remedy.TRIM);
    }
}
