package io.github.zimage.internal.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.InferenceMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Protects each part of the transformer by itself: given what diffusers' FP64 run gave to it, it gives what it gave there. Where
 * {@code ParityTest} says that the pictures are wrong, this says where they go wrong.
 */
final class BlockParityTest {
    /** FP32 rounding of one block is about 1e-6; a wrong constant, axis or order of anything shows above 1e-4. */
    private static final double TOLERANCE = 1e-5;

    static Stream<Path> cases() throws IOException {
        try (Stream<Path> folders = Files.list(Path.of("src/test/resources/parity"))) {
            return folders
                    .filter(folder -> Files.exists(folder.resolve("request-0-inside.safetensors")))
                    .sorted()
                    .toList()
                    .stream();
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void everyBlock_givenTheTruth_givesTheTruth(Path folder) throws IOException {
        NativeRuntime.load();
        SafetensorsHeader truth = SafetensorsHeader.read(folder.resolve("request-0-inside.safetensors"));
        Checkpoint checkpoint = Checkpoint.open(folder.resolve("model"), null);
        TransformerConfig config = checkpoint.transformer();
        try (InferenceMode guard = new InferenceMode();
                PointerScope scope = new PointerScope();
                WeightStore weights = new WeightStore(checkpoint.weights(Component.TRANSFORMER), bytes -> {})) {
            Kernels kernels =
                    new CpuKernels(AttentionSelector.select(AttentionBackend.AUTO, Precision.FP32), Precision.FP32);
            ZImageTransformer2DModel model =
                    new ZImageTransformer2DModel(config, weights, kernels, Residence.resident(), BlockSource::files);
            Tensor noise = tensor(truth, "noise");

            Caption caption = model.captions(List.of(tensor(truth, "text.positive")), () -> {})
                    .get(0);
            assertClose("context refiner", caption.context(), tensor(truth, "context.positive"));

            StepModulation step = model.modulations(timesteps(truth)).get(0);
            RotaryEmbedding image = model.imageRotary((int) noise.size(1), (int) noise.size(2), caption);
            RotaryEmbedding all = RotaryEmbedding.concat(image, caption.rotary());
            Tensor input =
                    torch.cat(new TensorVector(tensor(truth, "image.positive"), tensor(truth, "context.positive")));
            for (int i = 0; i < config.layers(); i++) {
                Tensor expected = tensor(truth, "layer." + i + ".positive");
                new ZImageTransformerBlock(weights, "layers." + i, config, kernels)
                        .forward(input, all, step.blocks().get(config.refinerLayers() + i));
                assertClose("layer " + i, input, expected);
                input = expected;
            }

            if (!truth.tensors().containsKey("context.negative")) {
                Tensor velocity = model.forward(
                                List.of(new TransformerInput(noise, caption, image)), step, false, () -> {})
                        .get(0);
                // The scheduler takes the way to the noise, the transformer gives the way to the picture.
                assertClose("velocity", velocity.neg(), tensor(truth, "step.0.velocity"));
            }
        }
    }

    private static float[] timesteps(SafetensorsHeader truth) throws IOException {
        float[] sigmas = Tensors.toFloats(tensor(truth, "sigmas"));
        float[] timesteps = new float[sigmas.length - 1];
        for (int i = 0; i < timesteps.length; i++) {
            timesteps[i] = (1000 - sigmas[i] * 1000) / 1000;
        }
        return timesteps;
    }

    private static void assertClose(String part, Tensor actual, Tensor expected) {
        double error = torch.linalg_vector_norm(actual.sub(expected)).item_float()
                / torch.linalg_vector_norm(expected).item_float();
        assertThat(error).as(part).isLessThan(TOLERANCE);
    }

    private static Tensor tensor(SafetensorsHeader header, String name) throws IOException {
        TensorEntry entry = header.tensors().get(name);
        assertThat(entry).as(name).isNotNull();
        byte[] file = Files.readAllBytes(entry.file());
        float[] values = new float[(int) entry.elements()];
        ByteBuffer.wrap(file, (int) entry.offset(), (int) entry.byteSize())
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .get(values);
        return Tensors.of(
                values, entry.shape().stream().mapToLong(Long::longValue).toArray());
    }
}
