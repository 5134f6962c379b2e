package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.tuple;

import io.github.zimage.demo.SyntheticModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** What is opened once: a checkpoint's headers, its tokenizer, and each prompt, whatever is asked of it and however often. */
@Timeout(60)
@ExtendWith(NativeLeakExtension.class)
final class ZImageModelTest {
    private static final String PREFIX = "io.github.zimage.";

    @TempDir
    static Path folder;

    // What the command's generate does: lint, plan, check, load, draw. Each opening of the full model takes a second.
    @Test
    void modelThatIsAskedAndDraws_isOpenedOnce_andEachPromptDividedOnceOnTheCallersThread() throws Exception {
        Path checkpoint = TinyModel.write(folder);
        GenerationRequest request = TinyModel.request()
                .prompt("a red fox")
                .negativePrompt("a blue fox")
                .guidance(1)
                .count(2)
                .build();
        List<RecordedEvent> events = recorded(() -> {
            try (ZImageModel model = ZImageModel.open(checkpoint)) {
                model.info();
                model.countTokens("a red fox");
                model.check(request);
                try (ZImagePipeline pipeline = model.pipeline().build()) {
                    pipeline.check(request);
                    pipeline.generateAll(request);
                    pipeline.encode("a red fox");
                }
            }
        });
        assertThat(counts(events)).containsExactly(Map.entry("Open checkpoint", 1), Map.entry("Open tokenizer", 1));
        assertThat(named(events, "Tokenize"))
                .as("the prompt and the negative one")
                .hasSize(2)
                .allSatisfy(event -> {
                    assertThat(event.getInt("tokens")).isGreaterThan(8);
                    assertThat(event.getThread().getJavaName())
                            .isEqualTo(Thread.currentThread().getName());
                });
    }

    @Test
    void build_plansOnce() throws Exception {
        Path checkpoint = TinyModel.write(folder);
        List<RecordedEvent> events = recorded(() -> {
            try (ZImagePipeline pipeline =
                    ZImagePipeline.builder().model(checkpoint).build()) {
                pipeline.generate(TinyModel.request().build());
                pipeline.plan(TinyModel.request().size(32, 32).build());
            }
        });
        assertThat(named(events, "Plan"))
                .extracting(event -> event.getString("device"), event -> event.getBoolean("fits"))
                .containsExactly(tuple("cpu", true));
        assertThat(counts(events)).containsExactly(Map.entry("Open checkpoint", 1), Map.entry("Open tokenizer", 1));
    }

    @Test
    void pipeline_outlivesTheModelThatItComesFrom() {
        GenerationRequest request = TinyModel.request().build();
        ZImageModel model = ZImageModel.open(TinyModel.write(folder));
        try (ZImagePipeline first = model.pipeline().build();
                ZImagePipeline second = model.pipeline().build()) {
            model.close();
            GeneratedImage image = first.generate(request);
            first.close();
            assertThat(second.generate(request).rgb()).isEqualTo(image.rgb());
        }
    }

    @Test
    void closedModel_saysSo_andStillTellsWhatItWas() {
        ZImageModel model = ZImageModel.open(TinyModel.write(folder));
        model.countTokens("fox");
        model.close();
        model.close();
        assertThat(model.info().name()).isEqualTo("tiny");
        assertThatIllegalStateException()
                .isThrownBy(() -> model.countTokens("fox"))
                .withMessage("model is closed");
        assertThatIllegalStateException().isThrownBy(() -> model.pipeline().build());
        assertThatIllegalStateException()
                .isThrownBy(() -> model.check(TinyModel.request().build()));
    }

    @Test
    void modelThatIsSetLast_isTaken() {
        try (ZImageModel model = ZImageModel.open(TinyModel.write(folder))) {
            Path none = folder.resolve("none");
            assertThat(ZImagePipeline.builder().model(none).model(model).plan().model())
                    .isEqualTo("tiny");
            assertThatExceptionOfType(ModelLoadException.class)
                    .isThrownBy(() -> model.pipeline().model(none).plan());
        }
    }

    @Test
    void planAndConversion_areThoseOfAPipelineWithTheDefaults() throws Exception {
        try (ZImageModel model = ZImageModel.open(TinyModel.write(folder))) {
            GenerationRequest request = TinyModel.request().size(1280, 1280).build();
            assertThat(model.plan(request).parts())
                    .isEqualTo(model.pipeline().planFor(request).plan().parts());
            assertThat(model.plan(request).work()).contains("1280");
            assertThat(model.convert(Precision.FP32)).as("it is stored as that").isEmpty();
        }
        assertThatExceptionOfType(ModelLoadException.class)
                .isThrownBy(() -> ZImageModel.open(Files.createDirectory(folder.resolve("empty"))));
    }

    // The numbers of one file would be read where the header of another said.
    @Test
    void fileThatIsReplacedAfterTheOpening_isNotRead() throws Exception {
        Path checkpoint = folder.resolve("replaced");
        SyntheticModel.write(checkpoint, SyntheticModel.Size.TINY, Precision.BF16, 1, bytes -> {});
        Path weights = checkpoint.resolve("vae/diffusion_pytorch_model.safetensors");
        try (ZImageModel model = ZImageModel.open(checkpoint)) {
            model.pipeline().build().close();
            Path other = Files.copy(weights, folder.resolve("other"));
            Files.setLastModifiedTime(other, FileTime.from(Instant.now().plusSeconds(60)));
            Files.move(other, weights, StandardCopyOption.REPLACE_EXISTING);
            assertThatExceptionOfType(ModelLoadException.class)
                    .isThrownBy(() -> model.pipeline().build())
                    .withMessageContaining("diffusion_pytorch_model.safetensors")
                    .withMessageContaining("when the model was opened")
                    .withMessageContaining("open the model anew");
            assertThatExceptionOfType(ModelLoadException.class).isThrownBy(() -> model.convert(Precision.FP32));
        }
        ZImagePipeline.builder().model(checkpoint).build().close();
    }

    private static Map<String, Integer> counts(List<RecordedEvent> events) {
        Map<String, Integer> counts = new TreeMap<>();
        named(events, "Open").forEach(event -> counts.merge("Open " + event.getString("part"), 1, Integer::sum));
        return counts;
    }

    private static List<RecordedEvent> named(List<RecordedEvent> events, String name) {
        return events.stream()
                .filter(event -> event.getEventType().getName().equals(PREFIX + name))
                .toList();
    }

    private static List<RecordedEvent> recorded(Runnable work) throws Exception {
        Path file = Files.createTempFile(folder, "recording", ".jfr");
        try (Recording recording = new Recording()) {
            for (String name : List.of("Open", "Tokenize", "Plan")) {
                recording.enable(PREFIX + name).withThreshold(Duration.ZERO);
            }
            recording.start();
            work.run();
            recording.stop();
            recording.dump(file);
        }
        return RecordingFile.readAllEvents(file);
    }
}
