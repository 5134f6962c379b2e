package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Latents;
import io.github.zimage.Precision;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.internal.image.Psnr;
import io.github.zimage.placement.VaeTiling;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Protects that decoding 1024 x 1024 in tiles shows nobody where the tiles meet, with the demo model's VAE, which is a trained one. Its
 * pictures are small, so latents of several are put together, moved so that their edges are not those of tiles.
 */
@Timeout(120)
final class DemoTilesTest {
    private static final Path MODEL = Path.of("demo-model");
    private static final int SIDE = 1024;
    private static final int SMALL = 128;
    private static final int SCALE = 8;
    private static final int ROWS_MOVED = 5;

    private static final Map<Precision, byte[]> WHOLE = new EnumMap<>(Precision.class);

    private static Latents latents;

    @BeforeAll
    static void drawSmallPictures() {
        GenerationRequest request = GenerationRequest.builder()
                .prompts(List.of(
                        "a fox on a yellow background",
                        "a red apple, blue background",
                        "an owl",
                        "a car with a white background"))
                .size(SMALL, SMALL)
                .seed(3)
                .build();
        try (ZImagePipeline pipeline = ZImagePipeline.builder().model(MODEL).build()) {
            latents = joined(pipeline.generateAll(request));
        }
    }

    private static Latents joined(List<GeneratedImage> pictures) {
        int channels = pictures.get(0).latents().channels();
        int side = SIDE / SCALE;
        int small = SMALL / SCALE;
        float[] values = new float[channels * side * side];
        for (int c = 0; c < channels; c++) {
            for (int y = 0; y < side; y++) {
                int moved = (y + ROWS_MOVED) % side;
                for (int x = 0; x < side; x++) {
                    float[] from = pictures.get((moved / small + x / small) % pictures.size())
                            .latents()
                            .values();
                    values[(c * side + y) * side + x] = from[(c * small + moved % small) * small + x % small];
                }
            }
        }
        return Latents.of(channels, side, side, values);
    }

    // In FP32 nothing but the order of sums differs, which moves a level in 60 to its neighbour (66 dB). In BF16 tiles
    // round elsewhere
    // (59 dB); at 45 dB every level could be off by one, and nobody would see it.
    @ParameterizedTest
    @CsvSource({"FP32, 0, 60", "BF16, 0, 45", "BF16, 24, 45"})
    void tiles_cannotBeSeen(Precision precision, int rows, double decibels) {
        byte[] whole = WHOLE.computeIfAbsent(precision, each -> decoded(each, VaeTiling.off()));
        byte[] tiled = decoded(precision, rows == 0 ? VaeTiling.on() : VaeTiling.ofRows(rows));
        assertThat(Psnr.decibels(whole, tiled)).isGreaterThan(decibels);
        // The rows where tiles meet are no worse than the others.
        List<Double> errors = rowErrors(whole, tiled);
        int height = rows == 0 ? SIDE * SIDE / 16 / SIDE : rows;
        List<Double> seams = new ArrayList<>();
        for (int row = height; row < SIDE; row += height) {
            seams.add(errors.get(row - 1));
            seams.add(errors.get(row));
        }
        assertThat(mean(seams)).isLessThan(1.5 * mean(errors) + 0.01);
    }

    /** Decodes by a step that changes nothing to speak of. */
    private static byte[] decoded(Precision precision, VaeTiling tiling) {
        GenerationRequest request = GenerationRequest.builder()
                .prompt("")
                .size(SIDE, SIDE)
                .sigmas(List.of(1e-6f))
                .latents(List.of(latents))
                .build();
        try (ZImagePipeline pipeline = ZImagePipeline.builder()
                .model(MODEL)
                .precision(Component.VAE, precision)
                .vaeTiling(tiling)
                .build()) {
            return pipeline.generate(request).rgb();
        }
    }

    private static List<Double> rowErrors(byte[] a, byte[] b) {
        int width = a.length / SIDE;
        List<Double> errors = new ArrayList<>();
        for (int row = 0; row < SIDE; row++) {
            double squares = 0;
            for (int i = row * width; i < (row + 1) * width; i++) {
                double difference = (a[i] & 0xff) - (b[i] & 0xff);
                squares += difference * difference;
            }
            errors.add(squares / width);
        }
        return errors;
    }

    private static double mean(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).average().orElse(0);
    }
}
