package io.github.zimage.internal.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Nag;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightStore;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.InferenceMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects guidance by attention: the identities of its formula, and the main blocks with it against {@link DenseBlocks}. */
final class AvoidingAttentionTest {
    /** FP32 rounding of three blocks is about 1e-6; a wrong row, position or factor shows above 1e-3. */
    private static final double TOLERANCE = 2e-5;

    /** Pictures of 32 tokens, so that no pad tokens stand at positions of their own. */
    private static final int HEIGHT = 16;

    private static final int WIDTH = 8;

    @TempDir
    static Path folder;

    private static Checkpoint checkpoint;

    private final Random random = new Random(3);
    private InferenceMode guard;
    private PointerScope scope;
    private WeightStore weights;
    private ZImageTransformer2DModel model;

    @BeforeAll
    static void write() {
        NativeRuntime.load();
        Path tiny = folder.resolve("tiny");
        SyntheticModel.write(tiny, SyntheticModel.Size.TINY, Precision.FP32, 1, bytes -> {});
        checkpoint = Checkpoint.open(tiny, null);
    }

    @BeforeEach
    void open() {
        guard = new InferenceMode();
        scope = new PointerScope();
        weights = new WeightStore(checkpoint.weights(Component.TRANSFORMER), bytes -> {});
        model = new ZImageTransformer2DModel(
                checkpoint.transformer(), weights, kernels(Precision.FP32), Residence.resident(), BlockSource::files);
    }

    @AfterEach
    void close() {
        weights.close();
        scope.close();
        guard.close();
    }

    private static Kernels kernels(Precision precision) {
        return new CpuKernels(AttentionSelector.select(AttentionBackend.BLOCKWISE, precision), precision);
    }

    private Tensor random(long... shape) {
        float[] values = new float[(int) (shape[0] * shape[1] * (shape.length > 2 ? shape[2] : 1))];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensors.of(values, shape);
    }

    @Test
    void scaleOne_andEqualRows_changeNothing() {
        Kernels kernels = kernels(Precision.FP32);
        Tensor positive = random(7, 24);
        Tensor negative = random(7, 24);
        float[] before = Tensors.toFloats(positive);
        kernels.guide(positive, negative, new Nag(1, 2.5, 0.25));
        assertThat(Tensors.toFloats(positive)).isEqualTo(before);
        kernels.guide(positive, negative, new Nag(4, 2.5, 0));
        assertThat(Tensors.toFloats(positive)).isEqualTo(before);
        kernels.guide(positive, positive.clone(), new Nag(4, 2.5, 0.75));
        assertThat(Tensors.toFloats(positive)).isEqualTo(before);
    }

    // With alpha 1 what comes out is the guided row itself: at most tau times as long, and nothing where there is
    // nothing.
    @Test
    void tau_limitsEachRowByItself() {
        Kernels kernels = kernels(Precision.FP32);
        Tensor positive = random(3, 24);
        Tensor negative = random(3, 24);
        positive.select(0, 2).zero_();
        negative.select(0, 2).zero_();
        negative.select(0, 1).copy_(positive.select(0, 1));
        double before = length(positive, 0);
        double second = length(positive, 1);
        kernels.guide(positive, negative, new Nag(15, 1.5, 1));
        assertThat(length(positive, 0) / before).as("cut").isBetween(1.4999, 1.5001);
        assertThat(length(positive, 1) / second).as("not cut").isBetween(0.9999, 1.0001);
        assertThat(length(positive, 2)).as("zeros").isZero();
    }

    private static double length(Tensor rows, int row) {
        double sum = 0;
        for (float value : Tensors.toFloats(rows.select(0, row))) {
            sum += Math.abs(value);
        }
        return sum;
    }

    // As long as the prompt's caption, shorter, which is padded to it, and longer, which begins before the first
    // position.
    @ParameterizedTest
    @CsvSource({"5, 9, 2, 2.5, 0.25", "40, 9, 3, 1.05, 1", "9, 40, 5, 2.5, 0.5", "9, 90, 2, 0.5, 0.5"})
    void mainBlocks_areThoseOfADenseComputationInFp64(int shown, int avoided, double scale, double tau, double alpha) {
        Nag nag = new Nag(scale, tau, alpha);
        Caption caption = caption(new CaptionText(text(shown), 0));
        Caption other = caption(new CaptionText(text(avoided), caption.length()));
        StepModulation step = model.modulations(new float[] {0.1f}).get(0);
        Tensor latents = random(checkpoint.transformer().inChannels(), HEIGHT, WIDTH);
        TransformerInput input = new TransformerInput(
                latents, caption, model.imageRotary(HEIGHT, WIDTH, caption), new Avoided(other, nag, 0.3f));
        Streams with = run(input, step);
        Streams without = run(new TransformerInput(latents, caption, input.imageRotary()), step);

        int image = HEIGHT / 2 * (WIDTH / 2);
        assertThat(with.first.size(0)).isEqualTo(image + caption.length() + other.length());
        assertThat(other.length()).isEqualTo(Math.max(caption.length(), (avoided + 31) / 32 * 32));
        DenseBlocks dense = new DenseBlocks(checkpoint.transformer(), weights, HEIGHT / 2, WIDTH / 2, caption.length());
        Tensor expected = dense.run(with.first.to(ScalarType.Double), step, nag);
        assertThat(distance(with.last, expected)).isLessThan(TOLERANCE);
        assertThat(distance(with.last.narrow(0, 0, image), without.last.narrow(0, 0, image)))
                .as("it changes the picture")
                .isGreaterThan(100 * TOLERANCE);
    }

    // The picture's rows must be those without, and those of both captions the same: all that there is cancels.
    @Test
    void equalCaptions_cancel() {
        Tensor text = text(9);
        Caption caption = caption(new CaptionText(text, 0));
        Caption same = caption(new CaptionText(text, caption.length()));
        StepModulation step = model.modulations(new float[] {0.1f}).get(0);
        Tensor latents = random(checkpoint.transformer().inChannels(), HEIGHT, WIDTH);
        RotaryEmbedding rotary = model.imageRotary(HEIGHT, WIDTH, caption);
        Tensor plain = run(new TransformerInput(latents, caption, rotary), step).last;
        Tensor cancelled = run(
                        new TransformerInput(latents, caption, rotary, new Avoided(same, new Nag(8, 2.5, 1), 1)), step)
                .last;
        assertThat(distance(cancelled.narrow(0, 0, plain.size(0)), plain)).isLessThan(TOLERANCE);
    }

    @ParameterizedTest
    @ValueSource(floats = {0.29f, 0.3f, 0.31f})
    void acts_untilTheLastTimestep(float timestep) {
        Caption caption = caption(new CaptionText(text(9), 0));
        Avoided avoided = new Avoided(caption(new CaptionText(text(9), caption.length())), Nag.DEFAULT, 0.3f);
        StepModulation step = model.modulations(new float[] {timestep}).get(0);
        Tensor latents = random(checkpoint.transformer().inChannels(), HEIGHT, WIDTH);
        TransformerInput input =
                new TransformerInput(latents, caption, model.imageRotary(HEIGHT, WIDTH, caption), avoided);
        long rows = run(input, step).last.size(0);
        assertThat(rows).isEqualTo(32L + caption.length() + (timestep <= 0.3f ? caption.length() : 0));
    }

    // Where a caption stands makes no difference to what its own tokens see of each other.
    @Test
    void captionThatBeginsBeforeTheFirstPosition_isRefinedTheSame() {
        Tensor text = text(70);
        assertThat(distance(
                        caption(new CaptionText(text, 32)).context(),
                        caption(new CaptionText(text, 0)).context()))
                .isLessThan(TOLERANCE);
    }

    private Tensor text(int tokens) {
        return random(tokens, checkpoint.transformer().capFeatDim());
    }

    private Caption caption(CaptionText text) {
        return model.captions(List.of(text), () -> {}, TransformerAdditions.NONE)
                .get(0);
    }

    /** The stream before the first and behind the last main block, [S, dim]. */
    private record Streams(Tensor first, Tensor last) {}

    private Streams run(TransformerInput input, StepModulation step) {
        TransformerConfig config = checkpoint.transformer();
        List<Tensor> seen = new ArrayList<>();
        BlockHook.Pass watch = new BlockHook.Pass() {
            @Override
            public void beforeBlocks(List<PictureStream> streams) {
                seen.add(Tensors.keep(streams.get(0).hidden().clone()));
            }

            @Override
            public void afterBlock(int block, List<PictureStream> streams) {
                if (block == config.layers() - 1) {
                    seen.add(Tensors.keep(streams.get(0).hidden().clone()));
                }
            }
        };
        model.forward(List.of(input), picture -> step, false, () -> {}, List.of(watch));
        seen.forEach(Tensors::useInScope);
        seen.forEach(Tensor::close);
        return new Streams(seen.get(0), seen.get(1));
    }

    private static double distance(Tensor actual, Tensor expected) {
        Tensor truth = expected.to(ScalarType.Double);
        return torch.linalg_vector_norm(actual.to(ScalarType.Double).sub(truth)).item_double()
                / torch.linalg_vector_norm(truth).item_double();
    }
}
