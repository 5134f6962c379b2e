package io.github.zimage.internal.vae;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.nn.AtenKernels;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.text.Qwen3Model;
import io.github.zimage.internal.transformer.Caption;
import io.github.zimage.internal.transformer.TransformerInput;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.spi.Attention;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Protects that no tensor of a model lies on another device than the model: everything runs on LibTorch's meta device, which has
 * shapes but no numbers, and where a tensor of the CPU among the others is an error. It is also one to ask for a number.
 */
final class MetaDeviceTest {
    private static final TensorPlace META = new TensorPlace(DeviceType.Meta, 0);

    @TempDir
    static Path folder;

    @ParameterizedTest
    @EnumSource(names = {"FP32", "BF16"})
    void models_computeWhereTheirWeightsAre(Precision precision) throws Exception {
        Path model = folder.resolve(precision.name());
        SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.BF16, 1, bytes -> {});
        Checkpoint checkpoint = Checkpoint.open(model, null);
        DeviceThread device = new DeviceThread("meta-test");
        try {
            device.submit(() -> {
                        try (PointerScope scope = new PointerScope()) {
                            run(checkpoint, precision);
                        }
                        return true;
                    })
                    .get(30, TimeUnit.SECONDS);
        } finally {
            device.close(() -> {});
        }
    }

    private static void run(Checkpoint checkpoint, Precision precision) {
        Kernels kernels = new MetaKernels(precision);
        try (WeightStore text = store(checkpoint, Component.TEXT_ENCODER);
                WeightStore weights = store(checkpoint, Component.TRANSFORMER);
                WeightStore decoder = store(checkpoint, Component.VAE);
                WeightStore encoderHalf = store(checkpoint, Component.VAE_ENCODER)) {
            Qwen3Model encoder =
                    new Qwen3Model(checkpoint.textEncoder(), text, kernels, Residence.resident(), BlockSource::files);
            Tensor hidden = encoder.forward(List.of(new int[] {1, 2, 3, 4, 5}), () -> {})
                    .get(0);
            assertOnMeta(hidden, 5, checkpoint.textEncoder().hiddenSize());

            ZImageTransformer2DModel transformer = new ZImageTransformer2DModel(
                    checkpoint.transformer(), weights, kernels, Residence.resident(), BlockSource::files);
            Caption caption = transformer.captions(List.of(hidden), () -> {}).get(0);
            Tensor latents = META.take(Tensors.empty(
                    org.bytedeco.pytorch.global.torch.ScalarType.Float,
                    checkpoint.transformer().inChannels(),
                    8,
                    6));
            TransformerInput input = new TransformerInput(latents, caption, transformer.imageRotary(8, 6, caption));
            Tensor velocity = transformer
                    .forward(
                            List.of(input),
                            transformer.modulations(new float[] {0, 0.5f}).get(1),
                            false,
                            () -> {})
                    .get(0);
            assertOnMeta(velocity, latents.size(0), 8, 6);
            latents.add_(velocity);

            Tensor picture = new Decoder(checkpoint.vae(), decoder, kernels).decode(latents, () -> {});
            int scale = checkpoint.vae().scale();
            assertOnMeta(picture, 1, 3, 8L * scale, 6L * scale);

            Tensor moments = new Encoder(checkpoint.vae(), encoderHalf, kernels)
                    .moments(Tensors.cast(picture, kernels.type()), () -> {});
            assertOnMeta(moments, 1, 2L * checkpoint.vae().latentChannels(), 8, 6);
        }
    }

    /** In place of the few operators that LibTorch has no shapes for without Python, others that ask for the same devices. */
    private static final class MetaKernels extends AtenKernels {
        MetaKernels(Precision precision) {
            super(META, new Plain(), precision);
        }

        @Override
        public Tensor layerNorm(Tensor x, Tensor scale, double eps) {
            return x.mul(scale);
        }

        @Override
        public Tensor groupNorm(Tensor x, Tensor weight, Tensor bias, int groups, double eps) {
            return Tensors.scoped(() -> Tensors.cast(x, weight.scalar_type())
                    .mul(weight.view(1, -1, 1, 1))
                    .add(bias.view(1, -1, 1, 1)));
        }

        @Override
        public Tensor conv2d(Tensor x, Tensor weight, Tensor bias, int stride, long[] padding) {
            assertThat(x.is_meta() && weight.is_meta() && bias.is_meta()).isTrue();
            assertThat(x.scalar_type().intern()).isEqualTo(weight.scalar_type().intern());
            return META.empty(
                    weight.scalar_type(),
                    1,
                    weight.size(0),
                    (x.size(2) + 2 * padding[0] - weight.size(2)) / stride + 1,
                    (x.size(3) + 2 * padding[1] - weight.size(3)) / stride + 1);
        }

        @Override
        public Tensor wideAttention(Tensor query, Tensor key, Tensor value) {
            return attention(query, key, value, false);
        }
    }

    /** Attention of operators that the meta device has. */
    private static final class Plain implements Attention {
        @Override
        public String name() {
            return "plain";
        }

        @Override
        public Tensor attend(Tensor query, Tensor key, Tensor value, boolean causal) {
            return torch.matmul(torch.softmax(torch.matmul(query, key.transpose(1, 2)), -1), value);
        }
    }

    private static WeightStore store(Checkpoint checkpoint, Component component) {
        return new WeightStore(checkpoint.weights(component), META, done -> {});
    }

    private static void assertOnMeta(Tensor tensor, long... shape) {
        assertThat(tensor.is_meta()).isTrue();
        assertThat(tensor.sizes().vec().get()).isEqualTo(shape);
    }
}
