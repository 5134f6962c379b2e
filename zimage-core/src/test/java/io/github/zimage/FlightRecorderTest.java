package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import io.github.zimage.placement.MemoryPlan;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What Java Flight Recorder is told: all that a generation did, once each, and never a prompt. */
@Timeout(60)
final class FlightRecorderTest {
    private static final String PREFIX = "io.github.zimage.";

    @TempDir
    static Path folder;

    @Test
    void generation_isRecordedWithItsStepsLoadsAndMemory_andWithoutItsPrompt() throws Exception {
        GenerationRequest request =
                TinyModel.request().prompt("ochre kestrel").count(2).build();
        List<RecordedEvent> events = recorded(() -> {
            try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
                pipeline.generateAll(request);
            }
        });

        assertThat(named(events, "Generation"))
                .extracting(
                        event -> event.getString("device"),
                        event -> event.getInt("width"),
                        event -> event.getInt("height"),
                        event -> event.getInt("steps"),
                        event -> event.getInt("pictures"),
                        event -> event.getBoolean("guided"),
                        event -> event.getString("outcome"))
                .containsExactly(tuple("cpu", 64, 48, 2, 2, false, "done"));
        assertThat(named(events, "Step"))
                .extracting(event -> event.getInt("step"), event -> event.getInt("steps"))
                .containsExactly(tuple(1, 2), tuple(2, 2));
        RecordedEvent generation = named(events, "Generation").get(0);
        assertThat(named(events, "Step")).allSatisfy(step -> {
            assertThat(step.getStartTime()).isBetween(generation.getStartTime(), step.getEndTime());
            assertThat(step.getEndTime()).isBeforeOrEqualTo(generation.getEndTime());
            assertThat(step.getDuration()).isPositive();
        });
        assertThat(named(events, "Load"))
                .extracting(event -> event.getString("component"), event -> event.getString("residence"))
                .containsExactly(
                        tuple("text_encoder", "resident"), tuple("transformer", "resident"), tuple("vae", "resident"));
        assertThat(named(events, "Load")).allMatch(event -> event.getLong("bytes") > 0);
        assertThat(named(events, "Memory")).allMatch(event -> event.getLong("planned") > 0);
        if (Files.exists(Path.of("/proc/self/status"))) {
            assertThat(named(events, "Memory"))
                    .extracting(event -> event.getString("phase"))
                    .containsExactlyInAnyOrder("text", "denoise", "decode");
            assertThat(named(events, "Memory")).allMatch(event -> event.getLong("measured") > 0);
        }
        assertThat(events.toString()).doesNotContain("ochre").doesNotContain("kestrel");
    }

    @Test
    void failedAllocation_isRecorded_andHeard_andTheGenerationGoesOn() throws Exception {
        AtomicInteger left = new AtomicInteger(1);
        AtomicInteger heard = new AtomicInteger();
        List<RecordedEvent> events = recorded(() -> {
            try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
                pipeline.generateAll(TinyModel.request().build(), new GenerationListener() {
                    @Override
                    public void onRelief(OutOfDeviceMemoryException failure, MemoryPlan next) {
                        assertThat(failure).hasMessageContaining("281474976710656 bytes");
                        heard.incrementAndGet();
                    }

                    @Override
                    public void onStep(int step, int steps, Duration elapsed) {
                        if (left.getAndDecrement() > 0) {
                            torch.empty(1L << 46); // more than any machine has
                        }
                    }
                });
            }
        });
        assertThat(heard).hasValue(1);
        assertThat(named(events, "Relief"))
                .extracting(event -> event.getString("phase"), event -> event.getLong("requested"))
                .containsExactly(tuple("denoise", 1L << 48));
        assertThat(named(events, "Generation"))
                .extracting(event -> event.getString("outcome"))
                .containsExactly("done");
        assertThat(named(events, "Step"))
                .extracting(event -> event.getInt("step"))
                .containsExactly(1, 1, 2);
    }

    @Test
    void generationThatIsCancelled_isRecordedAsThat() throws Exception {
        List<RecordedEvent> events = recorded(() -> {
            try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
                GenerationListener closing = new GenerationListener() {
                    @Override
                    public void onStep(int step, int steps, Duration elapsed) {
                        pipeline.close();
                    }
                };
                GenerationRequest request = TinyModel.request().build();
                assertThatThrownBy(() -> pipeline.generateAll(request, closing))
                        .isInstanceOf(GenerationCancelledException.class);
            }
        });
        assertThat(named(events, "Generation"))
                .extracting(event -> event.getString("outcome"))
                .containsExactly("cancelled");
    }

    private static List<RecordedEvent> named(List<RecordedEvent> events, String name) {
        return events.stream()
                .filter(event -> event.getEventType().getName().equals(PREFIX + name))
                .toList();
    }

    private static List<RecordedEvent> recorded(Runnable work) throws Exception {
        Path file = Files.createTempFile(folder, "recording", ".jfr");
        try (Recording recording = new Recording()) {
            for (String name : List.of("Generation", "Step", "Load", "Memory", "Relief")) {
                recording.enable(PREFIX + name).withThreshold(Duration.ZERO);
            }
            recording.start();
            work.run();
            recording.stop();
            recording.dump(file);
        }
        assertThat(new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1))
                .as("the whole recording, events of the JVM included")
                .doesNotContain("ochre kestrel");
        return RecordingFile.readAllEvents(file).stream()
                .filter(event -> event.getEventType().getName().startsWith(PREFIX))
                .sorted((a, b) -> a.getEndTime().compareTo(b.getEndTime()))
                .toList();
    }
}
