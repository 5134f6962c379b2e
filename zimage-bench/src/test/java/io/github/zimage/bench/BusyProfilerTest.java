package io.github.zimage.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.system.SystemFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.openjdk.jmh.results.Result;

/** Protects that a figure measured beside other programs is known by it, from the iteration to the page. Times are those of a made-up system. */
final class BusyProfilerTest {
    private static final int OWN = 40;

    @TempDir
    Path system;

    /** Writes that two processors have computed for so many ticks of 200 in all, this process for {@link #OWN} of them. */
    private void processorsComputed(int ticks, int of) throws IOException {
        int own = of == 0 ? 0 : OWN;
        Files.createDirectories(system.resolve("proc/self"));
        String each = "%d 0 0 %d 0 0 0 0 0 0".formatted(1000 + ticks / 2, 1000 + (of - ticks) / 2);
        Files.writeString(system.resolve("proc/stat"), "cpu0 %s\ncpu1 %s\n".formatted(each, each));
        Files.writeString(system.resolve("proc/self/status"), "Cpus_allowed_list:\t0-1\n");
        Files.writeString(
                system.resolve("proc/self/stat"), "1 (java) S 1 1 1 0 -1 0 0 0 0 0 %d 0 0 0 20 0\n".formatted(own));
    }

    private Collection<? extends Result<?>> iteration(int ticks) throws IOException {
        BusyProfiler profiler = new BusyProfiler(new SystemFiles(system));
        processorsComputed(0, 0);
        profiler.beforeIteration(null, null);
        processorsComputed(ticks, 200);
        return profiler.afterIteration(null, null, null);
    }

    @Test
    void otherPrograms_areAReading() throws IOException {
        assertThat(iteration(OWN))
                .singleElement()
                .satisfies(result -> assertThat(result.getScore()).isZero());
        // 100 of 200 ticks were others', of two processors.
        assertThat(iteration(OWN + 100)).singleElement().satisfies(result -> {
            assertThat(result.getLabel()).isEqualTo("busy.processors");
            assertThat(result.getScore()).isEqualTo(1.0);
        });
    }

    @Test
    void systemThatTellsNothing_isNotCalledQuiet() {
        BusyProfiler profiler = new BusyProfiler(new SystemFiles(system));
        profiler.beforeIteration(null, null);
        assertThat(profiler.afterIteration(null, null, null)).isEmpty();
    }

    @Test
    void page_saysWhichFiguresAreNotToBeStored() {
        String page = Report.html(List.of(result(1.24), result(0), result(Double.NaN)));
        assertThat(page)
                .contains(
                        "<strong>1 of 3 results were measured while other programs computed, and are not to be stored.")
                .containsOnlyOnce("<td>busy: others used 1.2 processors</td>")
                .containsOnlyOnce("<td>quiet</td>")
                .containsOnlyOnce("<td>not watched</td>");
        assertThat(Report.html(List.of(result(0)))).doesNotContain("<strong>");
    }

    private static BenchResult result(double processors) {
        return new BenchResult("A.b", Map.of(), 1, Double.NaN, Map.of(BusyProfiler.BUSY, processors));
    }
}
