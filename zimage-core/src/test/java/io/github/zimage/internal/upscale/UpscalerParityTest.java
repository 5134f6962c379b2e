package io.github.zimage.internal.upscale;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Precision;
import io.github.zimage.internal.image.Pixels;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.UpscalerFile;
import io.github.zimage.internal.weights.WeightStore;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Protects that upscalers of all names, forms and scales compute what PyTorch does. */
final class UpscalerParityTest {
    private static final double FP32_FACTOR = 8;
    private static final double BF16_FACTOR = 1.25;

    /** A few roundings of FP32, below which PyTorch's own error is luck. */
    private static final double FP32_FLOOR = 3e-7;

    @BeforeAll
    static void load() {
        NativeRuntime.load();
    }

    static List<Upscalers.Case> cases() {
        return Upscalers.cases();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void shapes_areRecognisedByTensorsAlone(Upscalers.Case each) {
        UpscalerFile file = UpscalerFile.read(each.file());
        assertThat(file.config()).isEqualTo(each.config());
        assertThat(file.config().scale()).isEqualTo(each.scale());
        assertThat(file.sha256()).matches("[0-9a-f]{64}");
        assertThat(each + "").startsWith(file.name() + ".");
    }

    @ParameterizedTest
    @MethodSource("cases")
    void networks_areAsNearToTheTruthAsPyTorch(Upscalers.Case each) {
        assertThat(error(each, Precision.FP32)).isLessThanOrEqualTo(FP32_FACTOR * Math.max(each.fp32(), FP32_FLOOR));
        assertThat(error(each, Precision.BF16)).isLessThanOrEqualTo(BF16_FACTOR * each.bf16());
    }

    private static double error(Upscalers.Case each, Precision precision) {
        UpscalerFile file = UpscalerFile.read(each.file());
        try (PointerScope scope = new PointerScope();
                WeightStore store = Upscalers.store(file)) {
            RrdbNet net = new RrdbNet(file.config(), store, Upscalers.kernels(precision));
            Pixels picture = each.picture();
            Tensor image = Tensors.ofBytes(picture.data(), 1, picture.height(), picture.width(), 3)
                    .permute(0, 3, 1, 2)
                    .to(ScalarType.Float)
                    .div_(new Scalar(255.0));
            Tensor input = torch.pixel_unshuffle(image, file.config().unshuffle())
                    .to(Tensors.scalarType(precision))
                    .contiguous(MemoryFormat.ChannelsLast);
            float[] actual = Tensors.toFloats(net.enlarged(net.features(input, () -> {})));
            float[] truth = each.truth();
            assertThat(actual).hasSameSizeAs(truth);
            double difference = 0;
            double length = 0;
            for (int i = 0; i < truth.length; i++) {
                difference += Math.pow((double) actual[i] - truth[i], 2);
                length += Math.pow(truth[i], 2);
            }
            return Math.sqrt(difference / length);
        }
    }

    // All but those that lie within FP32's rounding of the middle between two levels.
    @ParameterizedTest
    @MethodSource("cases")
    void levels_areTheTruthRounded(Upscalers.Case each) {
        UpscalerFile file = UpscalerFile.read(each.file());
        try (WeightStore store = Upscalers.store(file)) {
            Pixels large = Upscalers.upscaler(file, store, Precision.FP32).upscale(each.picture(), () -> {});
            assertThat(large.width()).isEqualTo(each.scale() * each.picture().width());
            float[] truth = each.truth();
            int pixels = large.width() * large.height();
            for (int i = 0; i < truth.length; i++) {
                double level = Math.max(0, Math.min(truth[i], 1)) * 255;
                int actual = Byte.toUnsignedInt(large.data()[i % pixels * 3 + i / pixels]);
                assertThat(Math.abs(actual - level)).isLessThan(0.5 + 1e-3);
            }
        }
    }
}
