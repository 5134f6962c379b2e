package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.zimage.ParityFixtures.Tensor;
import io.github.zimage.control.ControlImage;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.placement.Device;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Protects that pictures follow control pictures as diffusers computes them, with every variant of ControlNet and with masks, and, in the semantics
 * that the weights were trained with, as a float64 reference in the order of VideoX-Fun does. See {@code tools/parity/make_control_fixtures.py}.
 */
class ControlParityTest {
    private static final double FP32_FACTOR = 8;
    private static final double BF16_FACTOR = 1.25;

    /** As in {@link ParityTest}. */
    private static final double FP32_FLOOR = 3e-7;

    private static Path folder;
    private static JsonNode about;
    private static Map<String, Tensor> tensors;

    @BeforeAll
    static void load() throws IOException, URISyntaxException {
        NativeRuntime.load();
        folder = Path.of(Objects.requireNonNull(ControlParityTest.class.getResource("/control-parity"))
                .toURI());
        about = new ObjectMapper().readTree(folder.resolve("controls.json").toFile());
        tensors = ParityFixtures.tensors(folder.resolve("controls.safetensors"));
    }

    @ParameterizedTest
    @EnumSource(names = {"FP32", "BF16"})
    void latents_areThoseOfTheReference(Precision precision) {
        Set<String> variants = new TreeSet<>();
        for (int i = 0; i < about.get("cases").size(); i++) {
            JsonNode each = about.get("cases").get(i);
            variants.add(each.get("variant").textValue() + " "
                    + each.get("semantics").textValue());
            double theirs =
                    each.get(precision == Precision.FP32 ? "fp32" : "bf16").doubleValue();
            double allowed =
                    precision == Precision.FP32 ? FP32_FACTOR * Math.max(theirs, FP32_FLOOR) : BF16_FACTOR * theirs;
            Path file = folder.resolve(each.get("variant").textValue() + ".safetensors");
            try (ZImagePipeline pipeline = pipeline(file, precision)) {
                GeneratedImage image = pipeline.generate(request(each, i).build());
                double error = truth(i).relativeError(image.latents().values());
                assertThat(error).as("%s in %s", each, precision).isLessThanOrEqualTo(allowed);
                double without = truth(i).relativeError(pipeline.generate(
                                request(each, i).controls(List.of()).build())
                        .latents()
                        .values());
                assertThat(without).as("the control picture counts").isGreaterThan(10 * allowed);
            }
        }
        assertThat(variants).as("all variants in both semantics").hasSize(8);
    }

    // A folder of diffusers holds the same as the published file.
    @Test
    void folder_drawsAsFileDoes() {
        JsonNode each = about.get("cases").get(8);
        assertThat(each.get("variant").textValue()).isEqualTo("union-2.1");
        GenerationRequest request = request(each, 8).build();
        List<float[]> drawn = new ArrayList<>();
        for (String name : List.of("union-2.1.safetensors", "union-2.1-folder")) {
            try (ZImagePipeline pipeline = pipeline(folder.resolve(name), Precision.FP32)) {
                drawn.add(pipeline.generate(request).latents().values());
            }
        }
        assertThat(drawn.get(1)).isEqualTo(drawn.get(0));
    }

    // Otherwise a difference between both semantics would be seen by nobody.
    @Test
    void semantics_differFrom2_0On() {
        for (int i = 0; i < about.get("cases").size(); i++) {
            JsonNode each = about.get("cases").get(i);
            if (!each.get("semantics").textValue().equals("trained")) {
                continue;
            }
            int number = i;
            Path file = folder.resolve(each.get("variant").textValue() + ".safetensors");
            try (ZImagePipeline pipeline = pipeline(file, Precision.FP32)) {
                Set<List<Float>> drawn = new HashSet<>();
                for (ControlImage.Semantics semantics : ControlImage.Semantics.values()) {
                    GenerationRequest request = request(each, number)
                            .controls(List.of(control(each, number).semantics(semantics)))
                            .build();
                    drawn.add(floats(pipeline.generate(request).latents().values()));
                }
                assertThat(drawn).hasSize(each.get("variant").textValue().equals("union-1.0") ? 1 : 2);
            }
        }
    }

    private static List<Float> floats(float[] values) {
        List<Float> floats = new ArrayList<>();
        for (float value : values) {
            floats.add(value);
        }
        return floats;
    }

    private static ZImagePipeline pipeline(Path controlNet, Precision precision) {
        return ZImagePipeline.builder()
                .model(folder.resolve("model"))
                .controlNet(controlNet)
                .device(Device.cpu())
                .precision(precision)
                .build();
    }

    private static GenerationRequest.Builder request(JsonNode each, int number) {
        GenerationRequest.Builder request = GenerationRequest.builder()
                .promptEmbeddings(List.of(embeddings(each.get("captions").get(0).intValue())))
                .size(about.get("width").intValue(), about.get("height").intValue())
                .steps(about.get("steps").intValue())
                .seed(about.get("seed").longValue())
                .guidance(each.get("guidance").doubleValue())
                .control(control(each, number));
        if (each.get("captions").size() > 1) {
            request.negativeEmbeddings(embeddings(each.get("captions").get(1).intValue()));
        }
        return request;
    }

    private static ControlImage control(JsonNode each, int number) {
        ControlImage control = ControlImage.of(Objects.requireNonNull(image("rgb." + number)))
                .type(ControlImage.Type.NONE)
                .fit(ImageToImage.Fit.STRETCH)
                .scale(each.get("scale").doubleValue())
                .semantics(
                        each.get("semantics").textValue().equals("trained")
                                ? ControlImage.Semantics.TRAINED
                                : ControlImage.Semantics.DIFFUSERS);
        SourceImage mask = image("mask." + number);
        return mask == null ? control : control.inpaint(Objects.requireNonNull(image("image." + number)), mask);
    }

    private static PromptEmbeddings embeddings(int tokens) {
        Tensor tensor = Objects.requireNonNull(tensors.get("embeddings." + tokens));
        float[] values = new float[tensor.values().length];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) tensor.values()[i];
        }
        return PromptEmbeddings.of(tokens, tensor.shape().get(1), values);
    }

    private static Tensor truth(int number) {
        return Objects.requireNonNull(tensors.get("latents." + number));
    }

    /** Returns a picture [H, W, 3] or [H, W] of levels, or null if there is none. */
    private static @Nullable SourceImage image(String name) {
        Tensor levels = tensors.get(name);
        if (levels == null) {
            return null;
        }
        int height = levels.shape().get(0);
        int width = levels.shape().get(1);
        int bands = levels.values().length / (width * height);
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < width * height; i++) {
            int red = (int) levels.values()[bands * i];
            int green = (int) levels.values()[bands * i + (bands == 3 ? 1 : 0)];
            int blue = (int) levels.values()[bands * i + (bands == 3 ? 2 : 0)];
            image.setRGB(i % width, i / width, red << 16 | green << 8 | blue);
        }
        return SourceImage.of(image);
    }
}
