package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects the process from who writes to a model's files while it draws: a mapped page that is cut away would end it. */
final class ChangedFilesTest {
    @TempDir
    Path folder;

    @Test
    void fileThatIsWrittenToBetweenSteps_endsTheRequest() throws IOException {
        Path weights = TinyModel.write(folder).resolve("transformer/diffusion_pytorch_model.safetensors");
        AtomicInteger done = new AtomicInteger();
        GenerationListener writer = new GenerationListener() {
            @Override
            public void onStep(int step, int steps, Duration elapsed) {
                done.set(step);
                if (step == 2) {
                    touch(weights);
                }
            }
        };
        try (ZImagePipeline pipeline = TinyModel.pipeline(folder).build()) {
            assertThatThrownBy(() ->
                            pipeline.generateAll(TinyModel.request().steps(6).build(), writer))
                    .isInstanceOf(ModelLoadException.class)
                    .hasMessageContaining("diffusion_pytorch_model.safetensors: the file must stay as it was");
        }
        assertThat(done).as("steps before it was noticed").hasValue(2);
    }

    private static void touch(Path file) {
        try {
            Files.setLastModifiedTime(file, FileTime.fromMillis(1_000_000_000_000L));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
