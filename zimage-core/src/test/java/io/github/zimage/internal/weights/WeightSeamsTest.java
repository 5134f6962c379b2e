package io.github.zimage.internal.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.config.BlockWeights;
import io.github.zimage.internal.conversion.WeightCache;
import io.github.zimage.internal.numbers.RowRounding;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.Slots;
import io.github.zimage.internal.placement.UnitLayout;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.TensorSource;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.safetensors.TensorData;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Protects that weights can come from elsewhere than a checkpoint's files, and can have additions, without a change in the library: whether
 * they stay, are streamed, or are converted.
 */
final class WeightSeamsTest {
    private static final List<String> BLOCKS = List.of("layers.0", "layers.1");
    private static final int RANK = 3;
    private static final double SCALE = 0.75;

    @TempDir
    Path folder;

    private WeightIndex own;

    @BeforeEach
    void write() {
        NativeRuntime.load();
        Path model = folder.resolve("tiny");
        SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.FP32, 3, done -> {});
        own = Checkpoint.open(model, null).weights(Component.TRANSFORMER);
    }

    /** Bytes that no file has. */
    private record Memory(byte[] bytes) implements TensorData {
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
            target.put(bytes, (int) offset, target.remaining());
        }

        @Override
        public String key() {
            return "memory " + bytes.length;
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

    /** The transformer as one file of the original names, with queries', keys' and values' matrices in one, in memory. */
    private WeightIndex singleFile() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        Map<String, Long> offsets = new LinkedHashMap<>();
        try (TensorFiles files = new TensorFiles()) {
            for (TensorEntry entry : own.tensors().values()) {
                String name = entry.name().replaceAll("\\.to_[qkv]\\.", ".qkv.");
                offsets.putIfAbsent(name, (long) bytes.size());
                ByteBuffer read = ByteBuffer.allocate((int) entry.byteSize());
                files.read(entry, 0, read);
                bytes.writeBytes(read.array());
            }
        }
        Memory file = new Memory(bytes.toByteArray());
        Map<String, TensorEntry> mapped = new LinkedHashMap<>();
        for (TensorEntry entry : own.tensors().values()) {
            String name = entry.name();
            long offset = offsets.get(name.replaceAll("\\.to_[qkv]\\.", ".qkv."));
            int part = name.contains(".to_q.") ? 0 : name.contains(".to_k.") ? 1 : name.contains(".to_v.") ? 2 : -1;
            if (part < 0) {
                mapped.put(name, new TensorEntry(name, entry.type(), entry.shape(), file, offset, entry.byteSize()));
            } else {
                long rows = entry.shape().get(0);
                TensorEntry fused = new TensorEntry(
                        "layers.0.attention.qkv.weight",
                        entry.type(),
                        List.of(3 * rows, entry.shape().get(1)),
                        file,
                        offset,
                        3 * entry.byteSize());
                mapped.put(name, fused.rows(name, part * rows, rows));
            }
        }
        return WeightIndex.of("transformer", mapped);
    }

    @Test
    void anotherSource_givesTheSameWeights_residentAndStreamed() throws IOException {
        WeightIndex other = singleFile();
        for (ScalarType type : List.of(ScalarType.Float, ScalarType.BFloat16)) {
            requireSameWeights(other, own, type);
            requireStreamedAsResident(other, type);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"BF16", "INT8"})
    void anotherSource_isConvertedToTheSameBytes(Precision precision) throws IOException {
        WeightIndex expected = convert("own", own, precision);
        WeightIndex converted = convert("other", singleFile(), precision);
        try (TensorFiles files = new TensorFiles()) {
            for (TensorEntry entry : expected.tensors().values()) {
                assertThat(bytes(files, converted.get(entry.name())))
                        .as(entry.name())
                        .isEqualTo(bytes(files, entry));
            }
        }
    }

    private WeightIndex convert(String cache, WeightIndex index, Precision precision) throws IOException {
        return new WeightCache(folder.resolve(cache))
                .convert(Component.TRANSFORMER, index, precision, false, done -> {});
    }

    private static byte[] bytes(TensorFiles files, TensorEntry entry) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate((int) entry.byteSize());
        files.read(entry, 0, bytes);
        return bytes.array();
    }

    private static void requireSameWeights(WeightIndex actual, WeightIndex expected, ScalarType type) {
        try (PointerScope scope = new PointerScope();
                WeightStore store = new WeightStore(actual, done -> {});
                WeightStore reference = new WeightStore(expected, done -> {})) {
            for (String name : expected.tensors().keySet()) {
                assertThat(torch.equal(store.get(name, type), reference.get(name, type)))
                        .as(name)
                        .isTrue();
            }
        }
    }

    private static void requireStreamedAsResident(WeightIndex index, ScalarType type) {
        UnitLayout layout =
                UnitLayout.of(index, BlockWeights.TRANSFORMER, BLOCKS.get(0), WeightStore.storageType(type));
        try (PointerScope scope = new PointerScope();
                WeightStore store = new WeightStore(index, done -> {})) {
            streamed(index, layout, (block, source) -> {
                for (UnitLayout.Part part : layout.parts()) {
                    ScalarType stored = part.type() == StorageType.F32 ? ScalarType.Float : type;
                    assertThat(torch.equal(
                                    source.get(BLOCKS.get(0) + "." + part.name(), stored),
                                    store.get(block + "." + part.name(), stored)))
                            .as(block + "." + part.name())
                            .isTrue();
                }
            });
        }
    }

    /** Looks at a block in a slot, by the name of the first. */
    private interface Look {
        void at(String block, TensorSource source);
    }

    private static void streamed(WeightIndex index, UnitLayout layout, Look look) {
        BlockSource source = BlockSource.files(index, BLOCKS, layout);
        try (Slots<?> slots = source.open(2)) {
            for (int unit = 0; unit < BLOCKS.size(); unit++) {
                fill(slots, unit);
                look.at(BLOCKS.get(unit), slots.weights(unit));
            }
        } finally {
            source.close();
        }
    }

    private static <E> void fill(Slots<E> slots, int unit) {
        slots.computeAfter(slots.fill(unit, unit, null));
    }

    /** Two adapters for one matrix, one for another, none for the rest. */
    private Map<String, List<LowRank>> additions() {
        Random random = new Random(5);
        return Map.of(
                "layers.0.attention.to_q.weight",
                List.of(
                        addition(random, "layers.0.attention.to_q.weight", RANK),
                        addition(random, "layers.0.attention.to_q.weight", 1)),
                "layers.1.feed_forward.w2.weight",
                List.of(addition(random, "layers.1.feed_forward.w2.weight", RANK)));
    }

    private LowRank addition(Random random, String matrix, long rank) {
        List<Long> shape = own.get(matrix).shape();
        return new LowRank(
                random(random, List.of(rank, shape.get(1))), random(random, List.of(shape.get(0), rank)), SCALE);
    }

    private static TensorEntry random(Random random, List<Long> shape) {
        int count = (int) (shape.get(0) * shape.get(1));
        ByteBuffer bytes = ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            bytes.putFloat((float) random.nextGaussian());
        }
        return new TensorEntry("factor", StorageType.F32, shape, new Memory(bytes.array()), 0, bytes.capacity());
    }

    /** What a matrix and its additions are together, in FP64. */
    private Tensor sum(WeightStore store, String name, List<LowRank> additions) throws IOException {
        Tensor sum = store.get(name, ScalarType.Float).to(ScalarType.Double);
        for (LowRank addition : additions) {
            sum = sum.add(torch.mul(
                    torch.mm(doubles(addition.up()), doubles(addition.down())),
                    torch.full(new long[] {1}, new org.bytedeco.pytorch.Scalar(SCALE))));
        }
        return sum;
    }

    private static Tensor doubles(TensorEntry factor) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate((int) factor.byteSize()).order(ByteOrder.LITTLE_ENDIAN);
        try (TensorFiles files = new TensorFiles()) {
            files.read(factor, 0, bytes);
        }
        float[] floats = new float[(int) factor.elements()];
        bytes.flip().asFloatBuffer().get(floats);
        return Tensors.of(floats, factor.shape().get(0), factor.shape().get(1)).to(ScalarType.Double);
    }

    @Test
    void merged_areSums_residentAndStreamed() throws IOException {
        WeightIndex merged = Additions.merged(own, additions());
        try (PointerScope scope = new PointerScope();
                WeightStore store = new WeightStore(merged, done -> {});
                WeightStore plain = new WeightStore(own, done -> {})) {
            for (String name : own.tensors().keySet()) {
                Tensor expected = sum(plain, name, additions().getOrDefault(name, List.of()));
                Tensor actual = store.get(name, ScalarType.Float);
                double largest = expected.abs().max().item_double();
                double error =
                        expected.sub(actual.to(ScalarType.Double)).abs().max().item_double();
                // A sum of at most five products, each rounded: 2^-24 of the largest, a few times.
                assertThat(error).as(name).isLessThanOrEqualTo(largest * 5e-7);
                assertThat(torch.equal(store.get(name, ScalarType.BFloat16), actual.to(ScalarType.BFloat16)))
                        .as("%s is rounded once", name)
                        .isTrue();
            }
        }
        requireStreamedAsResident(merged, ScalarType.Float);
        requireStreamedAsResident(merged, ScalarType.BFloat16);
    }

    @Test
    void merged_areConvertedAsTheyAreRead() throws IOException {
        WeightIndex merged = Additions.merged(own, additions());
        requireSameWeights(convert("bf16", merged, Precision.BF16), merged, ScalarType.BFloat16);
        WeightIndex converted = convert("int8", merged, Precision.INT8);
        UnitLayout layout = UnitLayout.of(converted, BlockWeights.TRANSFORMER, BLOCKS.get(0), StorageType.I8);
        try (PointerScope scope = new PointerScope();
                WeightStore store = new WeightStore(merged, done -> {});
                WeightStore kept = new WeightStore(converted, done -> {})) {
            streamed(converted, layout, (block, source) -> {
                for (String product : List.of("attention.to_q.weight", "feed_forward.w2.weight")) {
                    String name = block + "." + product;
                    boolean turned = BlockWeights.endsFeedForward(name);
                    TensorSource.Rounded expected = store.rounded(name, turned);
                    requireEqual(kept.rounded(name, turned), expected);
                    requireEqual(source.rounded(BLOCKS.get(0) + "." + product, turned), expected);
                }
            });
        }
    }

    private static void requireEqual(TensorSource.Rounded actual, TensorSource.Rounded expected) {
        assertThat(torch.equal(actual.values(), expected.values())).isTrue();
        assertThat(torch.equal(actual.scales(), expected.scales())).isTrue();
    }

    // A cache that took other additions for these would draw pictures of another style, silently.
    @Test
    void otherAdditions_areConvertedAnew() throws IOException {
        Path first = convert("cache", Additions.merged(own, additions()), Precision.BF16)
                .files()
                .get(0);
        Map<String, List<LowRank>> stronger = new LinkedHashMap<>(additions());
        stronger.replaceAll((name, added) -> added.stream()
                .map(each -> new LowRank(each.down(), each.up(), 2 * each.scale()))
                .toList());
        assertThat(convert("cache", Additions.merged(own, stronger), Precision.BF16)
                        .files())
                .doesNotContain(first);
        assertThat(convert("cache", own, Precision.BF16).files()).doesNotContain(first);
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FP32", "BF16", "INT8"})
    void besideThem_factorsComeWithTheWeights(Precision precision) throws IOException {
        WeightIndex base = precision == Precision.FP32 ? own : convert("kept", own, precision);
        StorageType type = precision == Precision.INT8
                ? StorageType.I8
                : precision == Precision.BF16 ? StorageType.BF16 : StorageType.F32;
        WeightIndex beside = Additions.beside(base, BlockWeights.TRANSFORMER, additions());
        UnitLayout layout = UnitLayout.of(beside, BlockWeights.TRANSFORMER, BLOCKS.get(0), type);
        ScalarType factors = precision == Precision.FP32 ? ScalarType.Float : ScalarType.BFloat16;
        try (PointerScope scope = new PointerScope();
                WeightStore store = new WeightStore(beside, done -> {})) {
            streamed(beside, layout, (block, source) -> {
                for (String product : List.of("attention.to_q.weight", "feed_forward.w2.weight")) {
                    String name = block + "." + product;
                    Tensor resident = product(store, name, factors);
                    assertThat(torch.equal(product(source, BLOCKS.get(0) + "." + product, factors), resident))
                            .as(name)
                            .isTrue();
                    requireProduct(resident, name, factors);
                }
            });
        }
    }

    private static Tensor product(TensorSource source, String matrix, ScalarType type) {
        return torch.mm(
                source.get(LowRank.up(matrix), type).to(ScalarType.Double),
                source.get(LowRank.down(matrix), type).to(ScalarType.Double));
    }

    private void requireProduct(Tensor product, String name, ScalarType type) {
        try (WeightStore plain = new WeightStore(own, done -> {})) {
            Tensor matrix = plain.get(name, ScalarType.Float).to(ScalarType.Double);
            Tensor expected =
                    sum(plain, name, additions().getOrDefault(name, List.of())).sub(matrix);
            double largest = Math.max(expected.abs().max().item_double(), 1e-30);
            double error = expected.sub(product).abs().max().item_double();
            // The factors are rounded: to 2^-24 or 2^-9 of each number, of which four are added up.
            assertThat(error).as(name).isCloseTo(0, within(largest * (type == ScalarType.Float ? 1e-6 : 2e-2)));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void additionsThatDoNotFit_areRefused() throws IOException {
        LowRank small = additions().get("layers.0.attention.to_q.weight").get(1);
        LowRank wide = additions().get("layers.1.feed_forward.w2.weight").get(0);
        assertThatThrownBy(() -> Additions.merged(own, Map.of("layers.0.feed_forward.w1.weight", List.of(small))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("layers.0.feed_forward.w1.weight must have its shape");
        assertThatThrownBy(() -> new LowRank(wide.up(), wide.down(), 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("down and up must be [rank, in] and [out, rank]");
        WeightIndex int8 = convert("int8", own, Precision.INT8);
        assertThatThrownBy(() -> Additions.merged(int8, additions()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageEndingWith("keep its additions beside it");
        assertThat(Files.exists(folder.resolve("int8"))).isTrue();
        assertThat(int8.has(RowRounding.scales("layers.0.attention.to_q.weight")))
                .isTrue();
    }
}
