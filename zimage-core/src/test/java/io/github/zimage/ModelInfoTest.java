package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.demo.SyntheticModel;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects the table that people see. */
class ModelInfoTest {
    @TempDir
    Path parent;

    @Test
    void tinyModel_isDescribedInAlignedColumns() {
        Path folder = parent.resolve("tiny");
        SyntheticModel.write(folder, SyntheticModel.Size.TINY, Precision.BF16, 1, bytes -> {});
        ModelInfo info;
        try (ZImageModel model = ZImageModel.open(folder)) {
            info = model.info();
        }
        assertThat(info.schedulerShift()).isEqualTo(3);
        assertThat(info.toString()).isEqualTo("""
                tiny (%s)
                component     class                     parameters     bytes  stored as  files  dimensions
                text_encoder  Qwen3Model                   180.9 k  361.7 kB  BF16           1  hidden 64, 3 layers, 4/2 heads of 32, 512 tokens
                transformer   ZImageTransformer2DModel       1.1 M    2.2 MB  BF16           1  dim 96, 3 + 2x1 layers, 3 heads of 32
                vae           AutoencoderKL                327.0 k  654.0 kB  BF16           1  16 latent channels, 1/8 size, channels 16 32 32 32
                scheduler shift: 3.0""".formatted(folder));
    }
}
