package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.upscale.UpscalerModel;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Protects programs that run for weeks: what one generation leaves behind must not add up over 500 of them. */
@Timeout(120)
final class LeakTest {
    private static final int WARM_UP = 20;
    private static final int GENERATIONS = 500;
    private static final int PICTURES = Integer.getInteger("zimage.leak.pictures", 100);

    /** Compiled code and buffers come and go by some megabytes. Less than 70 kB a generation would pass; the activations of one block are more. */
    private static final long NOISE_BYTES = 32 << 20;

    @TempDir
    Path folder;

    @Test
    void generations_leaveNothingBehind() throws InterruptedException {
        try (ZImagePipeline pipeline =
                TinyModel.pipeline(folder).attention(AttentionBackend.BLOCKWISE).build()) {
            for (int i = 0; i < WARM_UP; i++) {
                draw(pipeline, i);
            }
            long bytes = nativeBytes();
            long objects = Pointer.totalCount();
            for (int i = WARM_UP; i < GENERATIONS; i++) {
                draw(pipeline, i);
            }
            long after = nativeBytes();
            assertThat(Pointer.totalCount()).isEqualTo(objects);
            assertThat(after).isLessThan(bytes + NOISE_BYTES);
        }
    }

    // Encoder, upscaler and overlay beside decoder and transformer, each of them loaded and let go.
    @Test
    @Timeout(600)
    void picturesFromPictures_leaveNothingBehind() throws InterruptedException {
        UpscalerModel upscaler = UpscalerModel.read(TinyUpscaler.FILE);
        SourceImage picture = SourceImage.of(new BufferedImage(64, 64, BufferedImage.TYPE_INT_RGB));
        SourceImage mask = SourceImage.of(new BufferedImage(64, 64, BufferedImage.TYPE_BYTE_GRAY));
        try (ZImagePipeline pipeline =
                TinyModel.pipeline(folder).attention(AttentionBackend.BLOCKWISE).build()) {
            for (int i = 0; i < WARM_UP; i++) {
                drawFrom(pipeline, i, picture, mask, upscaler);
            }
            long bytes = nativeBytes();
            long objects = Pointer.totalCount();
            for (int i = WARM_UP; i < PICTURES; i++) {
                drawFrom(pipeline, i, picture, mask, upscaler);
            }
            long after = nativeBytes();
            assertThat(Pointer.totalCount()).isEqualTo(objects);
            assertThat(after).isLessThan(bytes + NOISE_BYTES);
        }
    }

    private static void drawFrom(
            ZImagePipeline pipeline, int i, SourceImage picture, SourceImage mask, UpscalerModel upscaler) {
        GenerationRequest.Builder request =
                TinyModel.request().prompt("fox").steps(1).seed(i).size(64, 64);
        ImageToImage from = ImageToImage.of(picture).strength(0.5);
        switch (i % 4) {
            case 0 -> request.imageToImage(from);
            case 1 -> request.imageToImage(from.mask(mask));
            case 2 -> request.imageToImage(from).upscaler(upscaler);
            default -> request.hires(2).upscaler(upscaler);
        }
        pipeline.generateAll(request.build());
    }

    /**
     * Returns what is resident without the Java heap, which grows as it likes between two collections: the least of two seconds, since
     * the collector gives back its pages, and the compiler its arenas, a while later.
     */
    private static long nativeBytes() throws InterruptedException {
        System.gc();
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 40; i++) {
            Thread.sleep(50);
            least = Math.min(
                    least, Pointer.physicalBytes() - Runtime.getRuntime().totalMemory());
        }
        return least;
    }

    private static void draw(ZImagePipeline pipeline, int i) {
        pipeline.generateAll(TinyModel.request()
                .prompt("fox " + i)
                .size(64, i % 2 == 0 ? 64 : 48)
                .steps(1)
                .guidance(i % 3)
                .seed(i)
                .build());
    }
}
