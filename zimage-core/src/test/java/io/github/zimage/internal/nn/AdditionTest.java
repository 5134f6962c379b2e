package io.github.zimage.internal.nn;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.lora.AdapterTensors;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.safetensors.TensorData;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.LowRank;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Protects what adapters add, by each way in which a layer can be computed: those of graphics cards too, whose operators are the same here. All is
 * compared with sums of weights in FP64.
 */
final class AdditionTest {
    private static final int ROWS = 9;
    private static final int IN = 16;
    private static final int OUT = 24;
    private static final List<String> NAMES = List.of("a", "b", "c");
    /** What a difference has of a weight's size: so much that what is lost of it is seen. */
    private static final double SMALL = 0.01;

    private final Map<String, Tensor> weights = new HashMap<>();
    private final Map<String, TensorEntry> adapters = new LinkedHashMap<>();

    @BeforeAll
    static void load() {
        NativeRuntime.load();
        torch.manual_seed(7);
    }

    /** Numbers on the heap, FP32. */
    private record Numbers(float[] values) implements TensorData {
        @Override
        public List<Path> files() {
            return List.of();
        }

        @Override
        public Path mappable() {
            return null;
        }

        @Override
        public void read(FileReader files, long offset, ByteBuffer target) {
            ByteBuffer all = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            all.asFloatBuffer().put(values);
            target.put(all.array(), (int) offset, target.remaining());
        }

        @Override
        public String key() {
            return "numbers";
        }

        @Override
        public boolean equals(Object other) {
            return this == other;
        }

        @Override
        public int hashCode() {
            return System.identityHashCode(this);
        }
    }

    /** Weights as tensors, matrices one below the other if that is asked for, as on a graphics card. */
    private final class Source implements TensorSource {
        @Override
        public Tensor get(String name, ScalarType type) {
            return Tensors.cast(weights.get(name), type);
        }

        @Override
        public Tensor joined(List<String> names, ScalarType type) {
            org.bytedeco.pytorch.TensorVector all = new org.bytedeco.pytorch.TensorVector();
            names.forEach(name -> all.push_back(get(name, type)));
            return torch.cat(all);
        }

        @Override
        public Rounded rounded(String name, boolean turned) {
            throw new UnsupportedOperationException(name);
        }

        @Override
        public void readMatrix(String name, MatrixRows consumer) {
            throw new UnsupportedOperationException(name);
        }

        @Override
        public Tensor own(Tensor tensor) {
            return tensor;
        }

        @Override
        public List<Long> shape(String name) {
            return Arrays.stream(weights.get(name).sizes().vec().get()).boxed().toList();
        }

        @Override
        public TensorPlace place() {
            return TensorPlace.CPU;
        }
    }

    private static Tensor random(double size, long... shape) {
        return torch.randn(shape).mul_(new Scalar(size));
    }

    private Tensor put(String name, Tensor tensor) {
        List<Long> shape = Arrays.stream(tensor.sizes().vec().get()).boxed().toList();
        adapters.put(
                name,
                new TensorEntry(
                        name, StorageType.F32, shape, new Numbers(Tensors.toFloats(tensor)), 0, tensor.numel() * 4));
        return tensor.to(ScalarType.Double);
    }

    /** Adds something of a kind to a layer, and returns the weight with it in FP64. */
    private Tensor add(String kind, String layer) {
        String matrix = layer + ".weight";
        Tensor weight = weights.get(matrix).to(ScalarType.Double);
        return switch (kind) {
            case "low rank" -> {
                Tensor down = put(LowRank.down(matrix), random(1, 3, IN));
                Tensor up = put(LowRank.up(matrix), random(SMALL, OUT, 3));
                yield weight.add(up.matmul(down));
            }
            case "kronecker" -> {
                Tensor left = put(AdapterTensors.left(matrix, 0), random(SMALL, 6, 2));
                Tensor right = put(AdapterTensors.right(matrix, 0), random(1, 4, 8));
                Tensor left1 = put(AdapterTensors.left(matrix, 1), random(SMALL, 1, 4));
                Tensor right1 = put(AdapterTensors.right(matrix, 1), random(1, 24, 4));
                yield weight.add(torch.kron(left, right)).add(torch.kron(left1, right1));
            }
            case "difference" -> weight.add(put(AdapterTensors.difference(matrix), random(SMALL, OUT, IN)));
            case "gain" -> {
                Tensor gain = put(AdapterTensors.gain(matrix), random(SMALL, OUT));
                Tensor down = put(LowRank.down(matrix), random(1, 3, IN));
                Tensor up = put(LowRank.up(matrix), random(SMALL, OUT, 3));
                yield weight.add(weight.mul(gain.unsqueeze(1))).add(up.matmul(down));
            }
            default -> throw new IllegalArgumentException(kind);
        };
    }

    static Stream<Arguments> kinds() {
        return Stream.of("low rank", "kronecker", "difference", "gain")
                .flatMap(kind -> Stream.of(ScalarType.Float, ScalarType.BFloat16)
                        .map(type -> Arguments.of(kind, type.intern())));
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void joinedLayers_giveTheirSums_roundedOnce(String kind, ScalarType type) {
        try (PointerScope scope = new PointerScope()) {
            NAMES.forEach(name -> weights.put(name + ".weight", Tensors.cast(random(1, OUT, IN), type)));
            List<Tensor> sums = NAMES.stream()
                    .map(name -> name.equals("b") ? weights.get("b.weight").to(ScalarType.Double) : add(kind, name))
                    .toList();
            Tensor x = Tensors.cast(random(1, ROWS, IN), type);
            JointProjection joint = JointLinear.load(new Source(), NAMES, type);
            try (WeightStore store = new WeightStore(WeightIndex.of("LoRA", adapters), done -> {})) {
                Addition addition = Addition.load(store, NAMES, new Factors(type, null));
                assertThat(addition.parts(Rows.of(x)).get(1)).as("nothing").isNull();
                List<Rows> results = joint.with(addition).forward(Rows.of(x));
                for (int i = 0; i < NAMES.size(); i++) {
                    requireNear(results.get(i).floats(), x, sums.get(i), type);
                }
                assertThat(Addition.load(store, List.of("b"), new Factors(type, null)))
                        .as("nothing")
                        .isNull();
                assertThat(joint.with(null)).isSameAs(joint);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void singleLayers_giveTheirSums(String kind, ScalarType type) {
        try (PointerScope scope = new PointerScope()) {
            weights.put("a.weight", Tensors.cast(random(1, OUT, IN), type));
            weights.put("a.bias", Tensors.cast(random(1, OUT), type));
            Tensor sum = add(kind, "a");
            Tensor bias = put(AdapterTensors.difference("a.bias"), random(SMALL, OUT));
            Tensor x = Tensors.cast(random(1, ROWS, IN), type);
            try (WeightStore store = new WeightStore(WeightIndex.of("LoRA", adapters), done -> {})) {
                Addition addition = Addition.load(store, "a", type);
                Tensor own = weights.get("a.bias").to(ScalarType.Double).add(bias);
                for (Projection layer : List.of(
                        Linear.load(new Source(), "a", true, type), CpuLinear.load(new Source(), "a", true, type))) {
                    Tensor result = layer.with(addition).forward(Rows.of(x)).floats();
                    requireNear(result.sub(own), x, sum, type);
                    assertThat(layer.with(null)).isSameAs(layer);
                }
                // As after a product of 8-bit numbers: rows of the input have scales, which are not in what the layer
                // gave.
                Tensor units = random(1, ROWS, 1).abs().add(new Scalar(0.5));
                Tensor y = torch.matmul(x, weights.get("a.weight").t());
                Rows scaled = new Rows(Tensors.cast(x.div(units), type), units);
                Addition.Part part = addition.parts(scaled).get(0);
                requireNear(
                        part.onto(Rows.of(y.clone()), () -> scaled, null)
                                .settled()
                                .floats()
                                .sub(bias),
                        x,
                        sum,
                        type);
                Rows divided = new Rows(y.to(ScalarType.Float).div(units), units);
                requireNear(part.onto(divided, () -> scaled, null).floats().sub(bias), x, sum, type);
            }
        }
    }

    // BF16 rounds a result of a length of 4 by up to 0.008, and its parts: of each row's numbers some are as large.
    private static void requireNear(Tensor actual, Tensor x, Tensor weight, ScalarType type) {
        Tensor expected = x.to(ScalarType.Double).matmul(weight.t());
        double error = actual.to(ScalarType.Double).sub(expected).norm().item_double()
                / expected.norm().item_double();
        assertThat(error).isLessThan(type.intern() == ScalarType.Float ? 1e-6 : 5e-3);
    }

    // What a Kronecker product gives through its factors must be what the whole gives, where rows come turned.
    @Test
    void turnedRows_areMultipliedByTurnedFactors() {
        try (PointerScope scope = new PointerScope()) {
            weights.put("a.weight", random(1, OUT, IN));
            Tensor sum = add("kronecker", "a");
            Tensor down = put(LowRank.down("a.weight"), random(1, 3, IN));
            Tensor up = put(LowRank.up("a.weight"), random(SMALL, OUT, 3));
            Tensor whole = sum.add(up.matmul(down)).sub(weights.get("a.weight").to(ScalarType.Double));
            HadamardRotation rotation = HadamardRotation.of(IN);
            Tensor x = random(1, ROWS, IN);
            try (WeightStore store = new WeightStore(WeightIndex.of("LoRA", adapters), done -> {})) {
                Addition turned = Addition.load(store, List.of("a"), new Factors(ScalarType.Float, rotation::turn));
                Rows rows = Rows.of(rotation.turn(x));
                Tensor product = turned.parts(rows)
                        .get(0)
                        .onto(Rows.of(torch.zeros(ROWS, OUT)), () -> rows, null)
                        .floats();
                Tensor expected = x.to(ScalarType.Double).matmul(whole.t());
                double error =
                        product.to(ScalarType.Double).sub(expected).norm().item_double()
                                / expected.norm().item_double();
                assertThat(error).as("turning rounds to BF16").isLessThan(0.01);
            }
        }
    }

    // What is only a product of two narrow matrices waits for its reader, who may take rows and read them twice.
    @Test
    void lowRankAdditions_waitForTheirReader() {
        try (PointerScope scope = new PointerScope()) {
            weights.put("a.weight", random(1, OUT, IN));
            Tensor sum = add("low rank", "a");
            Tensor x = random(1, ROWS, IN);
            try (WeightStore store = new WeightStore(WeightIndex.of("LoRA", adapters), done -> {})) {
                Rows rows = Rows.of(x);
                Rows y = Addition.load(store, "a", ScalarType.Float)
                        .parts(rows)
                        .get(0)
                        .onto(Rows.of(torch.matmul(x, weights.get("a.weight").t())), () -> rows, null);
                assertThat(y.isPlain()).isFalse();
                requireNear(y.floats(), x, sum, ScalarType.Float);
                requireNear(y.narrow(2, 3).floats(), x.narrow(0, 2, 3), sum, ScalarType.Float);
                requireNear(y.settled().values(), x, sum, ScalarType.Float);
            }
        }
    }

    // Two matrices of 8-bit integers hold a factor to 16 bits: what they give must be nearer to the truth than what
    // BF16 gives.
    @Test
    void factorsOfEightBits_loseLessThanBf16() {
        try (PointerScope scope = new PointerScope()) {
            weights.put("a.weight", random(1, OUT, IN));
            Tensor down = put(LowRank.down("a.weight"), random(1, 3, IN));
            Tensor up = put(LowRank.up("a.weight"), random(SMALL, OUT, 3));
            Tensor x = random(1, ROWS, IN);
            Tensor bytes = Tensors.empty(ScalarType.Byte, ROWS, IN);
            Tensor units = Tensors.empty(ScalarType.Float, ROWS, 1);
            Int8Linear.roundRows(x, bytes, units);
            Tensor rounded = bytes.to(ScalarType.Double).sub(new Scalar(128)).mul(units);
            Tensor expected = rounded.matmul(down.t()).matmul(up.t());
            try (WeightStore store = new WeightStore(WeightIndex.of("LoRA", adapters), done -> {})) {
                Rows rows = new Rows(bytes, units);
                Tensor product = Addition.load(store, List.of("a"), new Int8Factors(null))
                        .parts(rows)
                        .get(0)
                        .onto(Rows.of(torch.zeros(ROWS, OUT)), () -> rows, null)
                        .floats();
                double error =
                        product.to(ScalarType.Double).sub(expected).norm().item_double()
                                / expected.norm().item_double();
                // The second factor and what lies between are rounded to BF16, each by up to 2^-9 of a number.
                assertThat(error).isLessThan(3.0 / 512);
            }
        }
    }
}
