package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.Component;
import io.github.zimage.GenerationRequest;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.engine.Attachment;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.placement.Blocks.Range;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.NoiseSource;
import io.github.zimage.internal.schedule.Sampler;
import io.github.zimage.internal.schedule.Step;
import io.github.zimage.internal.transformer.BlockHook;
import io.github.zimage.internal.transformer.PictureStream;
import io.github.zimage.internal.transformer.TransformerInput;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import io.github.zimage.internal.weights.Checkpoint;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Protects that what joins in between the transformer's blocks is one class: that it can add to the streams anywhere, leave blocks out, whose
 * weights then do not come, and keep what it needs from one evaluation to the next.
 *
 * <p>What comes out is compared with a checkpoint that does the same by its weights: a block whose norms behind attention and feed-forward are
 * zeros leaves the stream as it is, and what is added to the stream of a picture is added to the bias of its embedder.
 */
final class BlockHookSeamTest {
    /** In FP32 it makes a difference of some last bits whether something is added within a product or behind it. */
    private static final double ROUNDING = 2e-5;

    /** The tiny model's main blocks. */
    private static final int LAYERS = 3;

    @TempDir
    static Path folder;

    private static Checkpoint checkpoint;
    private static float[] added;

    @BeforeAll
    static void write() {
        checkpoint = SeamModel.write(folder);
        TransformerConfig config = checkpoint.transformer();
        assertThat(List.of(config.refinerLayers(), config.layers())).containsExactly(1, LAYERS);
        added = new float[config.dim()];
        Random random = new Random(9);
        for (int i = 0; i < added.length; i++) {
            added[i] = (float) random.nextGaussian();
        }
    }

    /** Returns a checkpoint in which blocks do nothing. */
    private static Checkpoint idle(Checkpoint from, String blocks) {
        return ChangedWeights.of(
                from,
                Component.TRANSFORMER,
                "(" + blocks + ")\\.(attention_norm2|ffn_norm2)\\.weight",
                (value, index) -> 0);
    }

    /** Returns a checkpoint whose pictures' streams begin with something added. */
    private static Checkpoint biased(Checkpoint from) {
        return ChangedWeights.of(
                from,
                Component.TRANSFORMER,
                "all_x_embedder\\.2-1\\.bias|x_pad_token",
                (value, index) -> value + added[(int) index]);
    }

    /** Adds to the rows of pictures. */
    private record Adding(String where) implements BlockHook.Pass, Attachment, BlockHook {
        @Override
        public BlockHook open(Session session, ZImageTransformer2DModel transformer, List<Evaluation> evaluations) {
            return this;
        }

        @Override
        public Pass begin(Evaluation at, List<TransformerInput> pictures) {
            return this;
        }

        private void add(String here, List<PictureStream> streams) {
            if (here.equals(where)) {
                for (PictureStream each : streams) {
                    long rows = each.input().imageRotary().query().size(0);
                    assertThat(rows).isLessThanOrEqualTo(each.hidden().size(0));
                    each.hidden().narrow(0, 0, rows).add_(Tensors.of(added, added.length));
                }
            }
        }

        @Override
        public void beforeRefiner(List<PictureStream> streams) {
            add("before refiner", streams);
        }

        @Override
        public void afterRefiner(int block, List<PictureStream> streams) {
            add("after refiner " + block, streams);
        }

        @Override
        public void beforeBlocks(List<PictureStream> streams) {
            add("before blocks", streams);
        }

        @Override
        public void afterBlock(int block, List<PictureStream> streams) {
            add("after block " + block, streams);
        }

        @Override
        public void close() {}
    }

    @ParameterizedTest
    @CsvSource({
        "before refiner, nothing, false",
        "before refiner, nothing, true",
        "after refiner 0, noise_refiner.*, false",
        "before blocks, noise_refiner.*, true",
        "after block 0, noise_refiner.*|layers.0, false",
        "after block 0, noise_refiner.*|layers.0, true",
        "after block 1, noise_refiner.*|layers.[01], true",
        "after block 2, noise_refiner.*|layers.[012], false"
    })
    void whatIsAdded_isInTheStreamFromThereOn(String where, String idle, boolean streamed) {
        GenerationRequest request =
                SeamModel.request().count(2).guidance(1).negativePrompt("a dog").build();
        Checkpoint base = idle.equals("nothing") ? checkpoint : idle(checkpoint, idle);
        List<float[]> expected = draw(biased(base), false, request, List.of());
        List<float[]> actual = draw(base, streamed, request, List.of(new Adding(where)));
        List<float[]> without = draw(base, streamed, request, List.of());
        for (int i = 0; i < 2; i++) {
            double[] same = TransformerProbe.doubles(expected.get(i));
            SeamModel.requireClose(actual.get(i), same, ROUNDING, where);
            SeamModel.requireFar(without.get(i), same, 100 * ROUNDING, "without");
        }
    }

    // Two that are attached come one behind the other: twice as much is added.
    @Test
    void severalHooks_allJoinIn() {
        GenerationRequest request = SeamModel.request().build();
        List<float[]> expected = draw(biased(biased(checkpoint)), false, request, List.of());
        List<float[]> actual =
                draw(checkpoint, true, request, List.of(new Adding("before refiner"), new Adding("before refiner")));
        SeamModel.requireClose(actual.get(0), TransformerProbe.doubles(expected.get(0)), ROUNDING, "two hooks");
    }

    /**
     * Leaves out main blocks.
     *
     * @param from the first that is left out
     * @param to the one behind the last
     * @param known whether it says so before
     * @param picture the only picture that does, or -1 for all
     */
    private record Leaving(int from, int to, boolean known, int picture) implements Attachment, BlockHook {
        @Override
        public BlockHook open(Session session, ZImageTransformer2DModel transformer, List<Evaluation> evaluations) {
            return this;
        }

        @Override
        public Pass begin(Evaluation at, List<TransformerInput> pictures) {
            return new Pass() {
                @Override
                public Range skips() {
                    return known ? new Range(from, to) : Range.NONE;
                }

                @Override
                public void beforeBlocks(List<PictureStream> streams) {
                    skip(0, streams);
                }

                @Override
                public void afterBlock(int block, List<PictureStream> streams) {
                    skip(block + 1, streams);
                }

                private void skip(int next, List<PictureStream> streams) {
                    for (PictureStream each : streams) {
                        boolean leaves = picture < 0 || pictures.indexOf(each.input()) == picture;
                        if (next == from && leaves) {
                            each.skipTo(to);
                        }
                    }
                }
            };
        }

        @Override
        public void close() {}
    }

    // To the last bit: a block that adds zeros and one that does not run leave the same numbers.
    @ParameterizedTest
    @CsvSource({
        "0, 1, true, false",
        "0, 1, true, true",
        "1, 2, true, false",
        "1, 2, true, true",
        "1, 2, false, true",
        "1, 3, true, true",
        "1, 3, false, false",
        "0, 2, true, true",
        "0, 3, true, true",
        "0, 3, false, true"
    })
    void blocksThatAreLeftOut_doNothing_andTheirWeightsDoNotCome(int from, int to, boolean known, boolean streamed) {
        GenerationRequest request =
                SeamModel.request().count(2).guidance(1).negativePrompt("a dog").build();
        List<float[]> expected =
                draw(idle(checkpoint, "layers\\.[%d-%d]".formatted(from, to - 1)), false, request, List.of());
        ChangedWeights watched = new ChangedWeights();
        Checkpoint source = watched.changed(
                checkpoint,
                Component.TRANSFORMER,
                "layers\\.\\d\\.(attention|feed_forward)\\..*",
                (value, index) -> value);
        try (TestEngine engine = streamed
                ? SeamModel.open(source, Map.of(Component.TRANSFORMER, residence()))
                : SeamModel.open(source, Map.of())) {
            watched.takeRead();
            Order order = engine.order(request, 7).with(List.of(new Leaving(from, to, known, -1)));
            List<float[]> actual = values(engine.generate(order));
            assertThat(actual.get(0)).isEqualTo(expected.get(0));
            assertThat(actual.get(1)).isEqualTo(expected.get(1));
            if (streamed) {
                // Two slots: when an evaluation begins, the refiner's block and the first behind it are on their way
                // already.
                Set<Integer> left = new TreeSet<>();
                for (int layer = Math.max(from, 1); layer < to && known; layer++) {
                    left.add(layer);
                }
                assertThat(layers(watched.takeRead()))
                        .allSatisfy(layer -> assertThat(left).doesNotContain(layer));
            }
            assertThat(values(engine.generate(engine.order(request, 7))).get(0))
                    .as("without it, afterwards")
                    .isEqualTo(draw(checkpoint, false, request, List.of()).get(0));
            assertThat(layers(watched.takeRead()))
                    .as("what a picture needs without it")
                    .isEqualTo(streamed ? Set.of(0, 1, 2) : Set.of());
        }
    }

    private static Residence residence() {
        return Residence.streamed(0, 2);
    }

    private static Set<Integer> layers(Set<String> names) {
        return names.stream()
                .map(name -> Integer.parseInt(name.split("\\.", 3)[1]))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    // A picture must not depend on which blocks those run through that are drawn together with it.
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void picturesThatLeaveOutDifferentBlocks_areAsByThemselves(boolean streamed) {
        GenerationRequest request = SeamModel.request().count(3).build();
        List<float[]> actual =
                draw(checkpoint, streamed, request, List.of(new Leaving(1, 2, false, 0), new Leaving(0, 2, false, 1)));
        assertThat(actual.get(0))
                .isEqualTo(draw(idle(checkpoint, "layers\\.1"), false, request, List.of())
                        .get(0));
        assertThat(actual.get(1))
                .isEqualTo(draw(idle(checkpoint, "layers\\.[01]"), false, request, List.of())
                        .get(1));
        assertThat(actual.get(2))
                .isEqualTo(draw(checkpoint, false, request, List.of()).get(2));
    }

    /** Keeps what the blocks behind the first changed, and adds that in every second evaluation in their place. */
    private static final class Cache implements Attachment, BlockHook {
        private final IdentityHashMap<TransformerInput, Tensor> kept = new IdentityHashMap<>();
        int opened;
        int closed;
        int evaluations;

        @Override
        public BlockHook open(Session session, ZImageTransformer2DModel transformer, List<Evaluation> all) {
            opened++;
            evaluations = all.size();
            return this;
        }

        @Override
        public @Nullable Pass begin(Evaluation at, List<TransformerInput> pictures) {
            return at.beginsStep() ? new Keeping() : new Using();
        }

        private final class Keeping implements Pass {
            @Override
            public void afterBlock(int block, List<PictureStream> streams) {
                for (PictureStream each : streams) {
                    Tensor before = kept.get(each.input());
                    if (block == 0) {
                        free(kept.put(each.input(), Tensors.keep(each.hidden().clone())));
                    } else if (block == LAYERS - 1) {
                        kept.put(each.input(), Tensors.keep(each.hidden().sub(before)));
                        free(before);
                    }
                }
            }
        }

        private final class Using implements Pass {
            @Override
            public Range skips() {
                return new Range(1, LAYERS);
            }

            @Override
            public void afterBlock(int block, List<PictureStream> streams) {
                for (PictureStream each : streams) {
                    each.hidden().add_(kept.get(each.input()));
                    each.skipTo(LAYERS);
                }
            }
        }

        private static void free(@Nullable Tensor tensor) {
            if (tensor != null) {
                tensor.close();
            }
        }

        @Override
        public void close() {
            closed++;
            kept.values().forEach(Tensor::close);
            kept.clear();
        }
    }

    /** Evaluates the same latents twice at the same noise level, and remembers both velocities. */
    private static final class Twice implements Sampler {
        final List<float[]> velocities = new ArrayList<>();

        @Override
        public float[] levels(Step step) {
            return new float[] {step.sigma(), step.sigma()};
        }

        @Override
        public Trajectory begin(Tensor latents, NoiseSchedule schedule, NoiseSource noise) {
            return (at, velocity) -> {
                velocities.add(Tensors.toFloats(velocity));
                if (at.endsStep()) {
                    latents.add_(
                            velocity, new Scalar(at.step().sigma() - at.step().nextSigma()));
                }
            };
        }
    }

    // Of the same latents, what was kept must give the same velocity as the blocks that it stands for.
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatAHookKeeps_isOfThePictureThatItWasKeptFor(boolean streamed) {
        GenerationRequest request = SeamModel.request().count(2).build();
        Cache cache = new Cache();
        Twice sampler = new Twice();
        try (TestEngine engine = SeamModel.open(checkpoint, SeamModel.RESIDENCES.get(streamed ? 1 : 0))) {
            engine.generate(engine.order(request, 7).sampledBy(sampler).with(List.of(cache)));
        }
        assertThat(sampler.velocities).hasSize(3 * 2 * 2);
        for (int step = 0; step < 3; step++) {
            for (int picture = 0; picture < 2; picture++) {
                float[] used = sampler.velocities.get(4 * step + 2 + picture);
                double[] computed = TransformerProbe.doubles(sampler.velocities.get(4 * step + picture));
                SeamModel.requireClose(used, computed, ROUNDING, "step %d, picture %d".formatted(step, picture));
                double[] other = TransformerProbe.doubles(sampler.velocities.get(4 * step + 1 - picture));
                SeamModel.requireFar(used, other, 100 * ROUNDING, "the other picture");
            }
        }
        assertThat(List.of(cache.opened, cache.closed, cache.evaluations)).containsExactly(1, 1, 6);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void hookThatFails_isClosed_andTheNextPictureIsRight(boolean streamed) {
        GenerationRequest request = SeamModel.request().build();
        List<String> closed = new ArrayList<>();
        BlockHook failing = new BlockHook() {
            @Override
            public Pass begin(Evaluation at, List<TransformerInput> pictures) {
                return new Pass() {
                    @Override
                    public void afterBlock(int block, List<PictureStream> streams) {
                        if (block == 1 && at.step().index() == 1) {
                            throw new IllegalStateException("in step 2");
                        }
                    }

                    @Override
                    public void close() {
                        closed.add("pass");
                    }
                };
            }

            @Override
            public void close() {
                closed.add("hook");
            }
        };
        try (TestEngine engine = SeamModel.open(checkpoint, SeamModel.RESIDENCES.get(streamed ? 1 : 0))) {
            Order order = engine.order(request, 7);
            assertThatThrownBy(
                            () -> engine.generate(order.with(List.of((session, transformer, evaluations) -> failing))))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("in step 2");
            assertThat(closed).containsExactly("pass", "pass", "hook");
            assertThat(values(engine.generate(order)).get(0))
                    .isEqualTo(draw(checkpoint, false, request, List.of()).get(0));
        }
    }

    private static List<float[]> draw(
            Checkpoint from, boolean streamed, GenerationRequest request, List<Attachment> attachments) {
        try (PointerScope scope = new PointerScope();
                TestEngine engine = SeamModel.open(from, SeamModel.RESIDENCES.get(streamed ? 1 : 0))) {
            return values(engine.generate(engine.order(request, 7).with(attachments)));
        }
    }

    private static List<float[]> values(List<DrawnImage> drawn) {
        return drawn.stream().map(each -> each.latents().values()).toList();
    }
}
