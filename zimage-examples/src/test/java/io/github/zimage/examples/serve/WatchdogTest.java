package io.github.zimage.examples.serve;

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

    private final List<Watchdog.Cure> cures = new ArrayList<>();
    private final MemoryTrend trend = new MemoryTrend();
    private final AtomicLong clock = new AtomicLong();
    private final Pace pace = new Pace(clock::get, Duration.ofSeconds(60), Duration.ofMinutes(10), 10);
    private Set<Watchdog.Cure> impossible = Set.of();
    private long held = 100 * MIB;
    private final Watchdog watchdog = new Watchdog(
            new Watchdog.Patient() {
                @Override
                public Optional<Pace.Silence> overdue() {
                    return pace.overdue();
                }

                @Override
                public boolean take(Watchdog.Cure cure, String why) {
                    cures.add(cure);
                    return !impossible.contains(cure);
                }
            },
            1000 * MIB,
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
        assertThat(cures).isEmpty();
    }

    // Four times the side are 16 times the tokens, and more than that in work.
    @Test
    void longStep_isToldFromOneThatHangs_byWhatOthersTook() {
        pace.learn(SMALL, Duration.ofSeconds(10));
        Pace.Mark large = begun(LARGE);
        pass(Duration.ofMinutes(20));
        watchdog.check();
        assertThat(cures).as("10 times 16 times 10 s are allowed at least").isEmpty();
        large.end();
        begun(SMALL);
        pass(Duration.ofMinutes(20));
        watchdog.check();
        assertThat(cures).containsExactly(Watchdog.Cure.REBUILD);
    }

    @Test
    void stepsThatAreDone_areLearnedFrom() {
        Pace.Mark mark = begun(SMALL);
        pass(Duration.ofSeconds(10));
        mark.progress();
        pass(Duration.ofSeconds(99));
        assertThat(pace.overdue()).as("10 times 10 s").isEmpty();
        pass(Duration.ofSeconds(2));
        assertThat(pace.overdue()).hasValueSatisfying(silence -> {
            assertThat(silence.lasted()).isEqualTo(Duration.ofSeconds(101));
            assertThat(silence.allowed()).isEqualTo(Duration.ofSeconds(100));
        });
    }

    // On two cards, one that works must not speak for the other.
    @Test
    void deviceThatHangs_isSeen_whileAnotherWorks() {
        pace.learn(SMALL, Duration.ofSeconds(1));
        begun(SMALL);
        for (int i = 0; i < 4; i++) {
            Pace.Mark other = begun(SMALL);
            pass(Duration.ofSeconds(20));
            other.alive();
            other.end();
        }
        watchdog.check();
        assertThat(cures).containsExactly(Watchdog.Cure.REBUILD);
    }

    @Test
    void requestThatWaitsForOthers_hasTheirTime() {
        pace.learn(SMALL, Duration.ofSeconds(1));
        Pace.Mark first = begun(SMALL);
        pace.handOver(SMALL);
        for (int i = 0; i < 8; i++) {
            pass(Duration.ofSeconds(9));
            first.alive();
        }
        assertThat(pace.overdue())
                .as("10 parts of the one before it, 10 s each, and its own")
                .isEmpty();
        pass(Duration.ofSeconds(39));
        first.end();
        assertThat(pace.overdue())
                .as("it waits for nothing, and longer than all that")
                .isPresent();
    }

    // Its client went away, so nothing is heard of the step that hangs; what waits behind it is.
    @Test
    void deviceThatHangsOverALeftRequest_isSeen_onceAnotherWaits() {
        pace.learn(SMALL, Duration.ofSeconds(1));
        begun(SMALL).leave();
        pass(Duration.ofMinutes(30));
        assertThat(pace.overdue()).as("it may have nothing to do").isEmpty();
        Pace.Mark next = pace.handOver(SMALL);
        pass(Duration.ofSeconds(59));
        assertThat(pace.overdue()).isEmpty();
        pass(Duration.ofSeconds(2));
        assertThat(pace.overdue()).isPresent();
        next.begin();
        pace.handOver(SMALL);
        pass(Duration.ofSeconds(61));
        next.alive();
        assertThat(pace.overdue()).as("the device has gone on to the next").isEmpty();
    }

    @Test
    void firstStepEver_hasTenMinutes() {
        begun(LARGE);
        pass(Duration.ofMinutes(9));
        watchdog.check();
        assertThat(cures).isEmpty();
        pass(Duration.ofMinutes(2));
        watchdog.check();
        assertThat(cures).containsExactly(Watchdog.Cure.REBUILD);
    }

    @Test
    void deviceThatHangsAgainAndAgain_endsTheProcess() {
        begun(LARGE);
        for (int i = 0; i < 3; i++) {
            pass(Duration.ofMinutes(11));
            watchdog.check();
        }
        assertThat(cures).containsExactly(Watchdog.Cure.REBUILD, Watchdog.Cure.REBUILD, Watchdog.Cure.GIVE_UP);
    }

    private Pace.Mark begun(GenerationRequest request) {
        Pace.Mark mark = pace.handOver(request);
        mark.begin();
        return mark;
    }

    @Test
    void tooMuchMemory_isCuredInSteps_untilItHelps() {
        held = 1100 * MIB;
        watchdog.check();
        watchdog.check();
        held = 900 * MIB;
        watchdog.check();
        assertThat(cures).containsExactly(Watchdog.Cure.TRIM, Watchdog.Cure.SHRINK);
    }

    @Test
    void memoryThatNothingHelps_endsTheProcess() {
        held = 1100 * MIB;
        for (int i = 0; i < 5; i++) {
            watchdog.check();
        }
        assertThat(cures)
                .containsExactly(
                        Watchdog.Cure.TRIM,
                        Watchdog.Cure.SHRINK,
                        Watchdog.Cure.REBUILD,
                        Watchdog.Cure.REBUILD,
                        Watchdog.Cure.GIVE_UP);
    }

    @Test
    void cureThatCannotBe_givesWayToTheNext() {
        impossible = Set.of(Watchdog.Cure.TRIM, Watchdog.Cure.SHRINK);
        held = 1100 * MIB;
        watchdog.check();
        assertThat(cures).containsExactly(Watchdog.Cure.TRIM, Watchdog.Cure.SHRINK, Watchdog.Cure.REBUILD);
    }

    @Test
    void markOfOutOfMemory_isCuredOnce() {
        watchdog.outOfMemory();
        watchdog.check();
        watchdog.check();
        assertThat(cures).containsExactly(Watchdog.Cure.TRIM);
    }

    // Every request is answered then, so nothing may be interrupted, however often it happens.
    @Test
    void outOfMemoryThatThePipelineHeals_freesCaches_andNoMore() {
        for (int i = 0; i < 5; i++) {
            watchdog.relieved();
            watchdog.check();
        }
        watchdog.check();
        assertThat(cures).hasSize(5).containsOnly(Watchdog.Cure.TRIM);
    }

    @Test
    void memoryThatCreeps_isSeenBeforeTheLimit_andNoiseIsNot() {
        for (int i = 0; i < 300; i++) {
            trend.add(500 * MIB + (i * 7919 % 13) * MIB);
        }
        watchdog.check();
        assertThat(cures).isEmpty();
        for (int i = 0; i < 300; i++) {
            trend.add(500 * MIB + (i * 7919 % 13) * MIB + i * 3L * MIB);
        }
        watchdog.check();
        assertThat(cures).containsExactly(Watchdog.Cure.TRIM);
    }

    @Test
    void healthForTenMinutes_beginsAnewWithTheMildest() {
        watchdog.outOfMemory();
        watchdog.check();
        for (int i = 0; i < 20; i++) {
            watchdog.check();
        }
        watchdog.outOfMemory();
        watchdog.check();
        assertThat(cures).containsExactly(Watchdog.Cure.TRIM, Watchdog.Cure.TRIM);
    }
}
