package io.github.zimage.examples.serve;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.GenerationRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** The watchdog does as much as is needed, and no more. */
final class WatchdogTest {
    private static final long MIB = 1 << 20;
    private static final GenerationRequest SMALL =
            GenerationRequest.builder().prompt("fox").size(256, 256).build();
    private static final GenerationRequest LARGE =
            GenerationRequest.builder().prompt("fox").size(1024, 1024).build();

    private final List<Watchdog.Cure> cures = new ArrayList<>();
    private final MemoryTrend trend = new MemoryTrend();
    private final AtomicLong clock = new AtomicLong();
    private final Pace pace = new Pace(clock::get, Duration.ofSeconds(60), Duration.ofMinutes(10), 10);
    private Set<Watchdog.Cure> impossible = Set.of();
    private List<GenerationRequest> drawing = List.of();
    private long resident = 100 * MIB;
    private final Watchdog watchdog = new Watchdog(
            new Watchdog.Patient() {
                @Override
                public Duration silence() {
                    return drawing.isEmpty() ? Duration.ZERO : pace.silence();
                }

                @Override
                public Duration allowedSilence() {
                    return pace.allowed(drawing);
                }

                @Override
                public boolean take(Watchdog.Cure cure, String why) {
                    cures.add(cure);
                    return !impossible.contains(cure);
                }
            },
            1000 * MIB,
            () -> new ProcessMemory(resident, 0, 0),
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
        pace.mark();
        pass(Duration.ofSeconds(10));
        pace.progress(SMALL);
        drawing = List.of(LARGE);
        pass(Duration.ofMinutes(20));
        watchdog.check();
        assertThat(cures).as("10 times 16 times 10 s are allowed at least").isEmpty();
        drawing = List.of(SMALL);
        watchdog.check();
        assertThat(cures).containsExactly(Watchdog.Cure.REBUILD);
    }

    @Test
    void firstStepEver_hasTenMinutes() {
        drawing = List.of(LARGE);
        pass(Duration.ofMinutes(9));
        watchdog.check();
        assertThat(cures).isEmpty();
        pass(Duration.ofMinutes(2));
        watchdog.check();
        assertThat(cures).containsExactly(Watchdog.Cure.REBUILD);
    }

    @Test
    void deviceThatHangsAgainAndAgain_endsTheProcess() {
        drawing = List.of(LARGE);
        for (int i = 0; i < 3; i++) {
            pass(Duration.ofMinutes(11));
            watchdog.check();
        }
        assertThat(cures).containsExactly(Watchdog.Cure.REBUILD, Watchdog.Cure.REBUILD, Watchdog.Cure.GIVE_UP);
    }

    @Test
    void tooMuchMemory_isCuredInSteps_untilItHelps() {
        resident = 1100 * MIB;
        watchdog.check();
        watchdog.check();
        resident = 900 * MIB;
        watchdog.check();
        assertThat(cures).containsExactly(Watchdog.Cure.TRIM, Watchdog.Cure.SHRINK);
    }

    @Test
    void memoryThatNothingHelps_endsTheProcess() {
        resident = 1100 * MIB;
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
        resident = 1100 * MIB;
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
