package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.placement.Placement;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Previews between the steps. */
final class StepPreviewTest {
    @TempDir
    static Path folder;

    private static ZImagePipeline pipeline;

    @BeforeAll
    static void open() {
        pipeline =
                TinyModel.pipeline(folder).attention(AttentionBackend.BLOCKWISE).build();
    }

    // What is kept for schedules is no leak.
    @AfterEach
    void trim() {
        pipeline.trim();
    }

    @AfterAll
    static void close() {
        pipeline.close();
    }

    // At the last step there is nothing left to guess: a wrong sign or noise level in the guess would show.
    @Test
    void lastPreviewInFullSize_isThePicture() {
        Previews previews = new Previews(64);
        GeneratedImage image =
                pipeline.generateAll(TinyModel.request().build(), previews).get(0);
        assertThat(pixels(previews.images.get(1))).isEqualTo(pixels(image.toBufferedImage()));
    }

    // TAEF1 has the size of the picture and comes before the VAE; a file that is none ends the generation by its name.
    @Test
    void previewsByTaef1_areInFullSize_alsoWhereTheVaeDoesNotStay() {
        Path tiny = Path.of("src/test/resources/previews/taef1.safetensors");
        GenerationRequest request = TinyModel.request().build();
        List<BufferedImage> resident = previews(pipeline, request, tiny);
        assertThat(resident).allSatisfy(each -> assertThat(each.getWidth()).isEqualTo(64));
        assertThat(pixels(resident.get(1)))
                .isNotEqualTo(pixels(previews(pipeline, request, null).get(1)));
        try (ZImagePipeline parked = TinyModel.pipeline(folder)
                .attention(AttentionBackend.BLOCKWISE)
                .place(Component.VAE, Placement.parkedOnDisk())
                .build()) {
            assertThat(pixels(previews(parked, request, tiny).get(1))).isEqualTo(pixels(resident.get(1)));
        }
        assertThatThrownBy(() -> previews(pipeline, request, Path.of("pom.xml")))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("pom.xml");
    }

    private static List<BufferedImage> previews(
            ZImagePipeline from, GenerationRequest request, @Nullable Path decoder) {
        List<BufferedImage> shown = new ArrayList<>();
        from.generateAll(request, new GenerationListener() {
            @Override
            public int previewSize(int step) {
                return 64;
            }

            @Override
            public @Nullable Path previewDecoder() {
                return decoder;
            }

            @Override
            public void onPreview(int step, int index, BufferedImage preview) {
                shown.add(preview);
            }
        });
        return shown;
    }

    @Test
    void previews_comeForEachStepAndPicture_noLargerThanAsked_andLeaveThePicturesAlone() {
        GenerationRequest request = TinyModel.request().steps(3).count(2).build();
        Previews previews = new Previews(32);
        List<GeneratedImage> watched = pipeline.generateAll(request, previews);
        assertThat(previews.places).containsExactly("1.1", "1.2", "2.1", "2.2", "3.1", "3.2");
        assertThat(previews.images).allSatisfy(each -> {
            assertThat(each.getWidth()).isEqualTo(32);
            assertThat(each.getHeight()).isEqualTo(24);
        });
        List<GeneratedImage> alone = pipeline.generateAll(request);
        for (int i = 0; i < 2; i++) {
            assertThat(watched.get(i).rgb()).isEqualTo(alone.get(i).rgb());
        }
    }

    // A pipeline that reads the VAE for each use must not read it for each step. Latents of another VAE mean other
    // colours.
    @Test
    void parkedVae_ofOtherLatents_givesNone() {
        try (ZImagePipeline parked = TinyModel.pipeline(folder)
                .attention(AttentionBackend.BLOCKWISE)
                .place(Component.VAE, Placement.parkedOnDisk())
                .build()) {
            Previews previews = new Previews(32);
            parked.generateAll(TinyModel.request().build(), previews);
            assertThat(previews.places).containsExactly("1.1", "2.1");
            assertThat(previews.images).allSatisfy(each -> {
                assertThat(each.getWidth()).isEqualTo(8);
                assertThat(each.getHeight()).isEqualTo(6);
            });
            Previews small = new Previews(4);
            parked.generateAll(TinyModel.request().build(), small);
            assertThat(small.images)
                    .allSatisfy(each -> assertThat(each.getWidth()).isEqualTo(4));
        }
    }

    private static int[] pixels(BufferedImage image) {
        return image.getRGB(0, 0, image.getWidth(), image.getHeight(), null, 0, image.getWidth());
    }

    private static final class Previews implements GenerationListener {
        private final int size;
        private final List<String> places = new ArrayList<>();
        private final List<BufferedImage> images = new ArrayList<>();

        Previews(int size) {
            this.size = size;
        }

        @Override
        public int previewSize(int step) {
            return size;
        }

        @Override
        public void onPreview(int step, int index, BufferedImage preview) {
            places.add(step + "." + index);
            images.add(preview);
        }
    }
}
