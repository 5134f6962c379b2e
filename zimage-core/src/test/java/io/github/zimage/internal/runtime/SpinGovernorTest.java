package io.github.zimage.internal.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.system.ProcessorWatch.Others;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Threads sleep as soon as others compute, and do not change with every pause of theirs. */
final class SpinGovernorTest {
    private static final Others BUSY = new Others(1.5, 2);
    private static final Others QUIET = new Others(0, 0);

    private final List<String> done = new ArrayList<>();
    private final SpinGovernor governor = new SpinGovernor(
            new SpinGovernor.Team() {
                @Override
                public void park() {
                    done.add("park");
                }

                @Override
                public void release() {
                    done.add("release");
                }
            },
            2);

    private void look(Others others, int times) {
        for (int i = 0; i < times; i++) {
            governor.look(others);
        }
    }

    @Test
    void quietMachine_isLeftSpinning() {
        look(QUIET, 100);
        assertThat(done).isEmpty();
    }

    @Test
    void threadsSleep_untilOthersHaveBeenGoneForAWhile() {
        look(BUSY, 3);
        assertThat(done).containsExactly("park");
        look(QUIET, 7);
        look(BUSY, 1);
        look(QUIET, 7);
        assertThat(done).as("a neighbour with pauses").containsExactly("park");
        look(QUIET, 1);
        assertThat(done).containsExactly("park", "release");
        look(BUSY, 1);
        assertThat(done).containsExactly("park", "release", "park");
    }
}
