package io.github.zimage.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Protects the shapes and shards of the published model, as far as they are known. */
class SyntheticCheckpointTest {

    private static List<Double> gigabytes(SyntheticCheckpoint.Part part) {
        return part.shards().stream()
                .map(shard -> shard.stream()
                                .mapToLong(SafetensorsWriter.Tensor::byteSize)
                                .sum()
                        / 1e9)
                .map(size -> Math.round(size * 100) / 100.0)
                .toList();
    }

    @Test
    void turboShards_areThoseOfThePublishedModel() {
        SyntheticCheckpoint fp32 = SyntheticCheckpoint.of(SyntheticModel.Size.TURBO, Precision.FP32);
        SyntheticCheckpoint bf16 = SyntheticCheckpoint.of(SyntheticModel.Size.TURBO, Precision.BF16);
        assertThat(gigabytes(fp32.transformer())).containsExactly(9.97, 9.97, 4.67);
        assertThat(gigabytes(bf16.textEncoder())).containsExactly(3.96, 3.99, 0.1);
        assertThat(gigabytes(bf16.vae())).containsExactly(0.17);
        assertThat(SyntheticModel.byteSize(SyntheticModel.Size.TURBO, Precision.BF16))
                .isEqualTo(SyntheticModel.byteSize(SyntheticModel.Size.TURBO, Precision.FP32) / 2);
    }

    @Test
    void fullDisk_isRefusedWithTheSizes() {
        Path folder = Path.of("models");
        SyntheticCheckpoint.requireSpace(folder, 5, 5);
        assertThatThrownBy(() -> SyntheticCheckpoint.requireSpace(folder, 20_500_000_000L, 20_399_999_999L))
                .isInstanceOf(ZImageException.class)
                .hasMessage("the checkpoint needs 20.5 GB on the disk of models, but only 20.4 GB are free");
    }

    private static Object value(Map<?, ?> map, String key) {
        return Objects.requireNonNull(map.get(key), key);
    }

    @Test
    void tokenizer_fitsTheTinyModelAndHasOnlyReachableMerges() {
        Map<String, Object> tokenizer = SyntheticTokenizer.tokenizer();
        Map<?, ?> model = (Map<?, ?>) value(tokenizer, "model");
        Map<?, ?> vocabulary = (Map<?, ?>) value(model, "vocab");
        List<?> specials = (List<?>) value(tokenizer, "added_tokens");
        assertThat(vocabulary.size() + specials.size()).isLessThanOrEqualTo(512);
        assertThat(vocabulary.values().stream().distinct().count()).isEqualTo(vocabulary.size());
        for (Object merge : (List<?>) value(model, "merges")) {
            List<?> pair = (List<?>) merge;
            assertThat(vocabulary.containsKey(pair.get(0))).isTrue();
            assertThat(vocabulary.containsKey(pair.get(1))).isTrue();
            assertThat(vocabulary.containsKey("" + pair.get(0) + pair.get(1))).isTrue();
        }
    }
}
