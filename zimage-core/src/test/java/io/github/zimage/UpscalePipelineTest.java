package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.Placement;
import io.github.zimage.upscale.Upscaler;
import io.github.zimage.upscale.UpscalerModel;
import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects that pipelines enlarge pictures by what requests name, as an upscaler by itself does, and that files say so. */
final class UpscalePipelineTest {
    @TempDir
    static Path folder;

    private static final UpscalerModel MODEL = UpscalerModel.read(TinyUpscaler.FILE);

    private static ZImagePipeline pipeline;

    @BeforeAll
    static void load() {
        pipeline = TinyModel.pipeline(folder).precision(Precision.FP32).build();
    }

    @AfterAll
    static void close() {
        pipeline.close();
    }

    /** What is kept of schedules counts as native memory. */
    @AfterEach
    void forget() {
        pipeline.trim();
    }

    private static GenerationRequest.Builder request() {
        return GenerationRequest.builder()
                .prompt("a red fox in the snow")
                .steps(2)
                .seed(7)
                .size(64, 48);
    }

    private static byte[] rgb(BufferedImage image) {
        return SourceImage.of(image).rgb();
    }

    @Test
    void pictures_areEnlargedAsByItself() {
        List<String> heard = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onUpscale(int index, int count, Duration elapsed) {
                heard.add(index + " of " + count);
            }
        };
        List<GeneratedImage> large =
                pipeline.generateAll(request().count(2).upscaler(MODEL).build(), listener);
        assertThat(heard).containsExactly("1 of 2", "2 of 2");
        List<GeneratedImage> small = pipeline.generateAll(request().count(2).build());
        try (Upscaler upscaler = Upscaler.load(MODEL, Device.cpu(), Precision.FP32)) {
            for (int i = 0; i < 2; i++) {
                assertThat(large.get(i).width()).isEqualTo(256);
                assertThat(large.get(i).height()).isEqualTo(192);
                assertThat(large.get(i).rgb())
                        .isEqualTo(rgb(upscaler.upscale(small.get(i).toBufferedImage())));
                assertThat(large.get(i).latents().values())
                        .isEqualTo(small.get(i).latents().values());
            }
        }
    }

    @Test
    void requests_canNameOthers_oneAfterTheOther() {
        UpscalerModel twice = UpscalerModel.read(TinyUpscaler.TWICE);
        GeneratedImage first = pipeline.generate(request().upscaler(MODEL).build());
        GeneratedImage second = pipeline.generate(request().upscaler(twice).build());
        GeneratedImage third = pipeline.generate(request().upscaler(MODEL).build());
        assertThat(second.width()).isEqualTo(128);
        assertThat(third.rgb()).isEqualTo(first.rgb());
    }

    // The size stays that of the request; what is drawn anew begins with another picture than one that was resized.
    @Test
    void hires_enlargesByTheUpscaler() {
        List<String> heard = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onEncode(Duration elapsed) {
                heard.add("encode");
            }

            @Override
            public void onStep(int step, int steps, Duration elapsed) {
                heard.add(step + "/" + steps);
            }

            @Override
            public void onUpscale(int index, int count, Duration elapsed) {
                heard.add("upscale");
            }

            @Override
            public void onDecode(int index, int count, Duration elapsed) {
                heard.add("decode");
            }
        };
        GenerationRequest.Builder hires = request().size(128, 96).hires(2);
        GeneratedImage resized = pipeline.generate(hires.build());
        GeneratedImage upscaled =
                pipeline.generateAll(hires.upscaler(MODEL).build(), listener).get(0);
        assertThat(heard).containsExactly("encode", "1/3", "2/3", "upscale", "3/3", "decode");
        assertThat(upscaled.width()).isEqualTo(128);
        assertThat(upscaled.rgb()).isNotEqualTo(resized.rgb());
    }

    @Test
    void files_nameTheUpscaler_andItsDigest() {
        Path file = folder.resolve("upscaled.png");
        GenerationRequest request = request().upscaler(MODEL).build();
        pipeline.generate(request).save(file);
        ImageParameters read = ImageParameters.read(file).orElseThrow();
        assertThat(read.request().upscaler()).isEqualTo(MODEL);
        assertThat(read.request().upscaler().isPresent()).isFalse();
        assertThat(ImageParameters.readText(file).orElseThrow())
                .contains("Size: 64x48, Postprocess upscale by: 4, Postprocess upscaler: basicsr-x4-ema");
        assertThat(request.toJson()).contains("\"upscaler\":\"basicsr-x4-ema@sha256:" + MODEL.sha256() + "\"");
        assertThatThrownBy(() -> pipeline.generate(read.request()))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("upscaler 'basicsr-x4-ema' is known by its name only: set it to its file");
        assertThat(request.toBuilder().hires(2).build())
                .satisfies(each -> assertThat(
                                pipeline.generate(each.toBuilder().size(64, 64).build())
                                        .parameters()
                                        .toText(3))
                        .contains("Hires upscaler: basicsr-x4-ema, Hires steps: 1"));
    }

    // A picture of ours keeps its parameters, and one that was enlarged twice does not tell of one upscaler only.
    @Test
    void filesThatAreEnlarged_keepWhatTheySay() throws Exception {
        Path small = folder.resolve("small.png");
        Path large = folder.resolve("large.png");
        Path larger = folder.resolve("larger.png");
        pipeline.generate(request().build()).save(small);
        UpscalerModel twice = UpscalerModel.read(TinyUpscaler.TWICE);
        try (Upscaler upscaler = Upscaler.load(twice, Device.cpu(), Precision.FP32)) {
            upscaler.upscale(small, large);
            upscaler.upscale(large, larger);
            assertThatThrownBy(() -> upscaler.upscale(small, folder.resolve("large.jpg")))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("must end in .png");
            Path broken = Files.writeString(folder.resolve("broken.png"), "no picture");
            assertThatThrownBy(() -> upscaler.upscale(broken, folder.resolve("none.png")))
                    .isInstanceOf(ZImageException.class)
                    .hasMessageContaining("broken.png");
            assertThat(folder.resolve("none.png")).doesNotExist();
        }
        ImageParameters read = ImageParameters.read(large).orElseThrow();
        assertThat(read.prompt()).isEqualTo("a red fox in the snow");
        assertThat(read.request().upscaler()).isEqualTo(twice);
        assertThat(SourceImage.read(larger).width()).isEqualTo(256);
        assertThat(ImageParameters.readText(larger).orElseThrow())
                .endsWith("Postprocess upscale by: 2, Postprocess upscaler: basicsr-x2");
    }

    @Test
    void whatCannotBe_isRefused() {
        assertThatThrownBy(() -> pipeline.generate(
                        request().size(8192, 8192).steps(1).upscaler(MODEL).build()))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("an enlarged picture can have at most 268435456 pixels");
        assertThatThrownBy(() -> Upscaler.load(MODEL, Device.cpu(), Precision.INT8))
                .hasMessageContaining("an upscaler's precision must be FP32 or BF16, but was INT8");
        assertThatThrownBy(() -> Upscaler.load(UpscalerModel.named("other"), Device.cpu(), Precision.FP32))
                .hasMessageContaining("the file of upscaler 'other' is not known here");
        assertThatThrownBy(() -> UpscalerModel.named("../other")).hasMessageContaining("without / and @");
        assertThatThrownBy(() -> GenerationRequest.fromJson("{\"prompt\":\"a fox\",\"upscaler\":\"a/b\"}"))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("upscaler");
        assertThatThrownBy(() -> TinyModel.pipeline(folder)
                        .place(Component.UPSCALER, Placement.streamedFromDisk())
                        .planFor(request().upscaler(MODEL).build())
                        .plan())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("upscaler cannot be streamed, because it has no equal blocks: park it instead");
    }

    @Test
    void plan_hasThePhase_andTheUpscalerCanBeParked() {
        GenerationRequest request = request().upscaler(MODEL).build();
        MemoryPlan plan = TinyModel.pipeline(folder).planFor(request).plan();
        assertThat(plan.toString()).contains("upscale");
        try (ZImagePipeline parked = TinyModel.pipeline(folder)
                .precision(Precision.FP32)
                .place(Component.UPSCALER, Placement.parkedOnDisk())
                .planFor(request)
                .build()) {
            List<Component> loaded = new ArrayList<>();
            GenerationListener listener = new GenerationListener() {
                @Override
                public void onLoad(Component component, long bytesDone, long bytesTotal) {
                    if (bytesDone == bytesTotal) {
                        loaded.add(component);
                    }
                }
            };
            byte[] first = parked.generateAll(request, listener).get(0).rgb();
            byte[] second = parked.generateAll(request, listener).get(0).rgb();
            assertThat(loaded).containsExactly(Component.UPSCALER, Component.UPSCALER);
            assertThat(second)
                    .isEqualTo(first)
                    .isEqualTo(pipeline.generate(request).rgb());
        }
    }
}
