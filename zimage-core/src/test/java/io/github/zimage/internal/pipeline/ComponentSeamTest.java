package io.github.zimage.internal.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Latents;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.engine.ComponentLoader;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.engine.Lease;
import io.github.zimage.internal.engine.LoadContext;
import io.github.zimage.internal.engine.Relief;
import io.github.zimage.internal.engine.Session;
import io.github.zimage.internal.generation.DrawnImage;
import io.github.zimage.internal.generation.Generation;
import io.github.zimage.internal.generation.InitialLatents;
import io.github.zimage.internal.generation.Order;
import io.github.zimage.internal.generation.TestEngine;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.placement.Blocks;
import io.github.zimage.internal.placement.Cadence;
import io.github.zimage.internal.placement.Catalog;
import io.github.zimage.internal.placement.CatalogEntry;
import io.github.zimage.internal.placement.Machine;
import io.github.zimage.internal.placement.ModelLayout;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.placement.Plan;
import io.github.zimage.internal.placement.Planner;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.placement.UnitLayout;
import io.github.zimage.internal.placement.WeightRoles;
import io.github.zimage.internal.placement.Workload;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.schedule.NoiseSchedule;
import io.github.zimage.internal.schedule.NoiseSource;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.RowData;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.Placement;
import io.github.zimage.placement.VaeTiling;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Protects that a model can have a component beside those that every checkpoint has, from the plan to the picture: an encoder with blocks of its
 * own, whose weights are made while they are read, runs in a phase of its own and says where pictures start. It is in the plan and in its
 * table, loaded when it is needed, stays, is parked or streamed, and gives way when memory runs short.
 */
final class ComponentSeamTest {
    private static final Component ENCODER = new Component("encoder_test", "vae");
    private static final Phase ENCODE = new Phase("encode", "encoding pictures", ENCODER);
    private static final int BLOCKS = 5;

    @TempDir
    static Path folder;

    private static Checkpoint checkpoint;
    private static int channels;
    /** How often each weight was read. */
    private static final Map<String, AtomicInteger> READ = new ConcurrentHashMap<>();

    @BeforeAll
    static void write() {
        NativeRuntime.load();
        Path model = folder.resolve("tiny");
        SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.FP32, 1, bytes -> {});
        checkpoint = Checkpoint.open(model, null);
        channels = checkpoint.transformer().inChannels();
    }

    @BeforeEach
    void nothingRead() {
        READ.clear();
    }

    /** A number of a block's matrix: a rotation of channels that differs from block to block, and a little of all. */
    private static double weight(int block, int row, int column) {
        return (Math.floorMod(row + block + 1, channels) == column ? 1 : 0) + 0.01 * (row - column + block);
    }

    /** Rows of a block's matrix, which no file has. */
    private static final class Made extends RowData {
        private final int block;

        Made(int block) {
            super(channels);
            this.block = block;
        }

        @Override
        protected void rows(FileReader files, long first, float[] values) {
            READ.computeIfAbsent("blocks." + block, key -> new AtomicInteger()).incrementAndGet();
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) weight(block, (int) first + i / channels, i % channels);
            }
        }

        @Override
        public List<Path> files() {
            return List.of();
        }

        @Override
        public String key() {
            return "made " + block;
        }
    }

    /** A stack of matrices that a picture's channels are multiplied by. */
    private record Encoder(Blocks<Tensor> blocks) {
        /** [C, N] to [C, N]. */
        Tensor forward(Tensor x) {
            Tensor y = x.clone();
            try (Blocks<Tensor>.Pass pass = blocks.pass(new Blocks.Range(0, BLOCKS), Blocks.Range.NONE)) {
                for (int i = 0; i < BLOCKS; i++) {
                    y = pass.next().mm(y);
                }
            }
            return y;
        }
    }

    private static final class EncoderLoader implements ComponentLoader<Encoder> {
        static final EncoderLoader INSTANCE = new EncoderLoader();

        @Override
        public Component component() {
            return ENCODER;
        }

        @Override
        public WeightIndex weights(Checkpoint from) {
            Map<String, TensorEntry> tensors = new LinkedHashMap<>();
            for (int i = 0; i < BLOCKS; i++) {
                String name = "blocks." + i + ".weight";
                tensors.put(name, new Made(i).entry(name, List.of((long) channels, (long) channels)));
            }
            return WeightIndex.of("encoder", tensors);
        }

        @Override
        public Encoder load(WeightStore weights, LoadContext context) {
            assertThat(context.precision()).isEqualTo(Precision.FP32);
            List<String> names = new ArrayList<>();
            for (int i = 0; i < BLOCKS; i++) {
                names.add("blocks." + i);
            }
            return new Encoder(new Blocks<>(
                    names,
                    BLOCKS,
                    context.residence(),
                    () -> UnitLayout.of(weights.index(), "blocks.0", List.of("weight"), StorageType.F32, List.of()),
                    weights,
                    context.blockSource(),
                    (source, name) -> source.get(name + ".weight", ScalarType.Float)));
        }

        @Override
        public void rest(Encoder model) {
            model.blocks().rest();
        }
    }

    /** Pictures that start where the encoder says, from numbers that are known. */
    private static final class Encoded implements InitialLatents {
        private final int failures;
        private int tried;

        /** @param failures how often memory runs short in the phase */
        Encoded(int failures) {
            this.failures = failures;
        }

        @Override
        public InitialLatents prepare(Session session) {
            Latents found = session.run(ENCODE, () -> {
                try (PointerScope scope = new PointerScope();
                        Lease<Encoder> encoder = session.use(EncoderLoader.INSTANCE)) {
                    Tensor encoded = encoder.model().forward(Tensors.of(picture(), channels, 48));
                    if (tried++ < failures) {
                        throw new OutOfDeviceMemoryException("no room to encode", null);
                    }
                    return Latents.of(channels, 6, 8, Tensors.toFloats(encoded));
                }
            });
            return new InitialLatents() {
                @Override
                public Start begin(int picture, NoiseSchedule schedule, NoiseSource noise, TensorPlace place) {
                    return () -> place.of(found.values(), channels, 6, 8);
                }
            };
        }

        @Override
        public Start begin(int picture, NoiseSchedule schedule, NoiseSource noise, TensorPlace place) {
            throw new AssertionError("what was prepared goes on");
        }
    }

    private static float[] picture() {
        float[] picture = new float[channels * 48];
        for (int i = 0; i < picture.length; i++) {
            picture[i] = (float) Math.sin(i);
        }
        return picture;
    }

    /** What the encoder gives, in FP64. */
    private static Latents expected() {
        double[] x = new double[channels * 48];
        float[] picture = picture();
        for (int i = 0; i < x.length; i++) {
            x[i] = picture[i];
        }
        for (int block = 0; block < BLOCKS; block++) {
            double[] y = new double[x.length];
            for (int row = 0; row < channels; row++) {
                for (int column = 0; column < channels; column++) {
                    for (int n = 0; n < 48; n++) {
                        y[row * 48 + n] += weight(block, row, column) * x[column * 48 + n];
                    }
                }
            }
            x = y;
        }
        float[] values = new float[x.length];
        for (int i = 0; i < x.length; i++) {
            values[i] = (float) x[i];
        }
        return Latents.of(channels, 6, 8, values);
    }

    private static ModelLayout layout() {
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        EncoderLoader.INSTANCE.weights(checkpoint).tensors().forEach((name, entry) -> shapes.put(name, entry.shape()));
        WeightRoles roles = new WeightRoles(
                Pattern.compile("(blocks\\.\\d+)\\..*"), WeightRoles.NONE, WeightRoles.NONE, WeightRoles.NONE, null);
        List<CatalogEntry> entries =
                new ArrayList<>(Catalog.of(checkpoint.textEncoder(), checkpoint.transformer(), checkpoint.vae()));
        entries.add(
                1,
                new CatalogEntry(
                        ENCODER,
                        shapes,
                        roles,
                        Cadence.PICTURE,
                        List.of(ENCODE),
                        (precision, weights) -> (phase, work, tile) -> 1 << 20));
        return ModelLayout.of(entries, precisions());
    }

    private static Map<Component, Precision> precisions() {
        Map<Component, Precision> precisions = new HashMap<>(Map.of(ENCODER, Precision.FP32));
        Component.values().forEach(each -> precisions.put(each, Precision.FP32));
        return precisions;
    }

    private static Plan plan(Placement placement) {
        Workload work = new Workload(64, 48, 1, 1, false, 2, 512, Workload.PICTURES_AT_ONCE);
        return new Planner(layout(), Map.of(ENCODER, placement), VaeTiling.auto()).plan(Machine.cpu(8L << 30), work);
    }

    private static EngineOptions options(Map<Component, Residence> residences) {
        return new EngineOptions(precisions(), AttentionBackend.BLOCKWISE, VaeTiling.auto(), residences);
    }

    private static GenerationRequest request() {
        return GenerationRequest.builder()
                .prompt("a red fox")
                .size(64, 48)
                .steps(2)
                .seed(7)
                .build();
    }

    private static int reads() {
        return READ.values().stream().mapToInt(AtomicInteger::get).sum();
    }

    @ParameterizedTest
    @ValueSource(strings = {"on", "parked", "streamed"})
    void componentOfItsOwn_isPlannedLoadedAndRun(String where) {
        Placement placement = switch (where) {
            case "parked" -> Placement.parkedOnDisk();
            case "streamed" -> Placement.streamedFromDisk();
            default -> Placement.on(Device.cpu());
        };
        Plan plan = plan(placement);
        assertThat(PlanReport.of("model", plan).toString())
                .containsPattern("encoder_test +cpu +FP32 ")
                .containsPattern("peak: .*text .*, encode .*, denoise .*, decode .*");
        Residence residence = plan.residences().getOrDefault(ENCODER, Residence.resident());
        assertThat(residence.kind().name())
                .isEqualTo(Map.of("on", "RESIDENT", "parked", "PARKED", "streamed", "STREAMED")
                        .get(where));
        List<String> loaded = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onLoad(Component component, long bytesDone, long bytesTotal) {
                if (component.equals(ENCODER) && bytesDone == bytesTotal) {
                    loaded.add(component + " " + bytesTotal);
                }
            }
        };
        try (TestEngine engine = new TestEngine(checkpoint, options(plan.residences()), listener)) {
            Order order = engine.order(request(), 7);
            float[] wanted = engine.generate(engine.order(
                            request().toBuilder().latents(List.of(expected())).build(), 7))
                    .get(0)
                    .latents()
                    .values();
            assertThat(reads()).as("before it is needed").isZero();
            for (int time = 1; time <= 2; time++) {
                List<DrawnImage> drawn = Generation.run(
                        engine.model(), order.startingFrom(new Encoded(0)), listener, () -> {}, Relief.NONE);
                float[] actual = drawn.get(0).latents().values();
                for (int i = 0; i < wanted.length; i++) {
                    // Five products in FP32, whose last bits go through the transformer twice.
                    assertThat(actual[i]).isCloseTo(wanted[i], within(1e-4f));
                }
                assertThat(engine.model().devicePeaks()).containsKeys(Phase.TEXT, ENCODE, Phase.DENOISE, Phase.DECODE);
                assertThat(reads()).as("reads after time %s", time).isEqualTo(expectedReads(residence, time));
            }
        }
        long bytes = (long) BLOCKS * channels * channels * Float.BYTES;
        if (residence.kind() == Residence.Kind.STREAMED) {
            assertThat(loaded).as("blocks that stay are not all").isEmpty();
        } else {
            assertThat(loaded)
                    .hasSize(residence.kind() == Residence.Kind.PARKED ? 2 : 1)
                    .containsOnly("encoder_test " + bytes);
        }
    }

    /** Once for what stays, once each time for what does not. */
    private static int expectedReads(Residence residence, int times) {
        return switch (residence.kind()) {
            case RESIDENT -> BLOCKS;
            case PARKED -> times * BLOCKS;
            case STREAMED -> residence.residentBlocks() + times * (BLOCKS - residence.residentBlocks());
        };
    }

    @Test
    void otherStart_givesAnotherPicture() {
        try (TestEngine engine = new TestEngine(checkpoint, options(Map.of()), new GenerationListener() {})) {
            Order order = engine.order(request(), 7);
            assertThat(engine.generate(order).get(0).latents().values())
                    .isNotEqualTo(engine.generate(order.startingFrom(new Encoded(0)))
                            .get(0)
                            .latents()
                            .values());
            assertThat(reads()).isEqualTo(BLOCKS);
        }
    }

    // Its phase is tried once more with less, as those of the others are.
    @Test
    void memoryThatRunsShortInItsPhase_isGivenByThePlanner() {
        Planner planner = new Planner(layout(), Map.of(), VaeTiling.auto());
        Plan plan = plan(Placement.on(Device.cpu()));
        List<Phase> asked = new ArrayList<>();
        Relief relief = new Relief() {
            @Override
            public EngineOptions smaller(EngineOptions options, Phase phase, OutOfDeviceMemoryException failure) {
                asked.add(phase);
                Plan smaller = planner.smaller(plan, phase, Long.MAX_VALUE);
                assertThat(smaller.residences().get(ENCODER).kind()).isNotEqualTo(Residence.Kind.RESIDENT);
                return options.smaller(VaeTiling.on(), smaller.residences(), false, EngineOptions.Limits.NONE);
            }

            @Override
            public OutOfDeviceMemoryException explained(Phase phase, OutOfDeviceMemoryException failure) {
                return new OutOfDeviceMemoryException("while " + phase.doing(), failure);
            }
        };
        try (TestEngine engine = new TestEngine(checkpoint, options(Map.of()), new GenerationListener() {})) {
            Order order = engine.order(request(), 7);
            float[] wanted = engine.generate(order.startingFrom(new Encoded(0)))
                    .get(0)
                    .latents()
                    .values();
            List<DrawnImage> drawn = Generation.run(
                    engine.model(), order.startingFrom(new Encoded(1)), new GenerationListener() {}, () -> {}, relief);
            assertThat(asked).containsExactly(ENCODE);
            assertThat(drawn.get(0).latents().values()).isEqualTo(wanted);
            assertThatThrownBy(() -> Generation.run(
                            engine.model(),
                            order.startingFrom(new Encoded(2)),
                            new GenerationListener() {},
                            () -> {},
                            relief))
                    .isInstanceOf(OutOfDeviceMemoryException.class)
                    .hasMessage("while encoding pictures");
        }
    }
}
