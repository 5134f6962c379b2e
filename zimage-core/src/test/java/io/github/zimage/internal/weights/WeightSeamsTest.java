package io.github.zimage.internal.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.config.BlockWeights;
import io.github.zimage.internal.conversion.WeightCache;
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
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Protects that weights can come from elsewhere than a checkpoint's files, and be stored in another way, without a change in the library: whether
 * they stay, are streamed, or are converted; and that what adapters add comes by the same way.
 */
final class WeightSeamsTest {
    private static final List<String> BLOCKS = List.of("layers.0", "layers.1");
    private static final long IN = 24;
    private static final long OUT = 40;

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

    /** Numbers of 4 bits with a factor for each 8 of them: another way to store numbers, of which rows are made. */
    private static final class FourBits extends RowData {
        private static final int GROUP = 8;

        private final Memory levels;
        private final float[] factors;

        /** Creates rows of levels from -8 to 7, two in a byte, and a factor for each 8 of these. */
        FourBits(int columns, Memory levels, float[] factors) {
            super(columns);
            this.levels = levels;
            this.factors = factors;
        }

        @Override
        protected void rows(FileReader files, long first, float[] values) throws IOException {
            int begin = (int) first * columns();
            ByteBuffer packed = ByteBuffer.allocate(values.length / 2);
            levels.read(files, begin / 2, packed);
            for (int i = 0; i < values.length; i++) {
                int pair = packed.get(i / 2);
                int level = i % 2 == 0 ? (byte) (pair << 4) >> 4 : pair >> 4;
                values[i] = level * factors[(begin + i) / GROUP];
            }
        }

        @Override
        public List<Path> files() {
            return List.of();
        }

        @Override
        public String key() {
            return "four bits " + Arrays.hashCode(factors);
        }
    }

    /** The same weights, but for two matrices of other numbers: 4 bits each, times factors; and these numbers. */
    private Map<String, TensorEntry> fourBits(float unit, Map<String, float[]> numbers) {
        Map<String, TensorEntry> tensors = new LinkedHashMap<>(own.tensors());
        Random random = new Random(5);
        for (String name : List.of("layers.0.attention.to_q.weight", "layers.1.feed_forward.w2.weight")) {
            List<Long> shape = own.get(name).shape();
            int count = (int) (shape.get(0) * shape.get(1));
            byte[] packed = new byte[count / 2];
            random.nextBytes(packed);
            float[] factors = new float[count / FourBits.GROUP];
            float[] all = new float[count];
            for (int i = 0; i < count; i++) {
                factors[i / FourBits.GROUP] = unit * (1 + i / FourBits.GROUP % 5);
                int level = (packed[i / 2] >> (i % 2 * 4)) & 15;
                all[i] = (level < 8 ? level : level - 16) * factors[i / FourBits.GROUP];
            }
            tensors.put(name, new FourBits(shape.get(1).intValue(), new Memory(packed), factors).entry(name, shape));
            numbers.put(name, all);
        }
        return tensors;
    }

    @Test
    void madeRows_areRoundedOnce_residentAndStreamed() {
        Map<String, float[]> numbers = new LinkedHashMap<>();
        WeightIndex index = WeightIndex.of("transformer", fourBits(0.01f, numbers));
        try (PointerScope scope = new PointerScope();
                WeightStore store = new WeightStore(index, done -> {})) {
            numbers.forEach((name, expected) -> {
                Tensor exact = Tensors.of(expected, expected.length)
                        .view(own.get(name).shape().get(0), -1);
                for (ScalarType type : List.of(ScalarType.Float, ScalarType.BFloat16)) {
                    assertThat(torch.equal(store.get(name, type), exact.to(type)))
                            .as("%s as %s", name, type)
                            .isTrue();
                }
            });
        }
        requireStreamedAsResident(index, ScalarType.Float);
        requireStreamedAsResident(index, ScalarType.BFloat16);
    }

    @Test
    void madeRows_areConvertedAsTheyAreRead() throws IOException {
        WeightIndex made = WeightIndex.of("transformer", fourBits(0.01f, new LinkedHashMap<>()));
        requireSameWeights(convert("bf16", made, Precision.BF16), made, ScalarType.BFloat16);
        WeightIndex converted = convert("int8", made, Precision.INT8);
        UnitLayout layout = UnitLayout.of(converted, BlockWeights.TRANSFORMER, BLOCKS.get(0), StorageType.I8);
        try (PointerScope scope = new PointerScope();
                WeightStore store = new WeightStore(made, done -> {});
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

    // A cache that took other numbers for these would draw other pictures, silently.
    @Test
    void otherRows_areConvertedAnew() throws IOException {
        WeightIndex made = WeightIndex.of("transformer", fourBits(0.01f, new LinkedHashMap<>()));
        Path first = convert("cache", made, Precision.BF16).files().get(0);
        WeightIndex larger = WeightIndex.of("transformer", fourBits(0.02f, new LinkedHashMap<>()));
        assertThat(convert("cache", larger, Precision.BF16).files()).doesNotContain(first);
        assertThat(convert("cache", own, Precision.BF16).files()).doesNotContain(first);
        assertThat(convert("cache", made, Precision.BF16).files()).containsExactly(first);
    }

    @ParameterizedTest
    @EnumSource(
            value = ScalarType.class,
            names = {"Float", "BFloat16"})
    void factorsOfSeveralAdapters_areOnePair(ScalarType type) throws IOException {
        Random random = new Random(5);
        List<LowRank> several = List.of(addition(random, 3), addition(random, 1), addition(random, 2));
        TensorEntry down = Additions.down("a", several);
        TensorEntry up = Additions.up("a", several);
        assertThat(down.shape()).containsExactly(6L, IN);
        assertThat(up.shape()).containsExactly(OUT, 6L);
        WeightIndex index = WeightIndex.of("LoRA", Map.of(down.name(), down, up.name(), up));
        try (PointerScope scope = new PointerScope();
                WeightStore store = new WeightStore(index, done -> {})) {
            Tensor product = torch.mm(
                    store.get(LowRank.up("a"), type).to(ScalarType.Double),
                    store.get(LowRank.down("a"), type).to(ScalarType.Double));
            Tensor expected = sum(several);
            double largest = expected.abs().max().item_double();
            double error = expected.sub(product).abs().max().item_double();
            // The factors are rounded: to 2^-24 or 2^-9 of each number, of which six are added up.
            assertThat(error).isLessThanOrEqualTo(largest * (type == ScalarType.Float ? 1e-6 : 2e-2));
        }
    }

    private static LowRank addition(Random random, long rank) {
        return new LowRank(random(random, List.of(rank, IN)), random(random, List.of(OUT, rank)), 0.25 * rank);
    }

    private static TensorEntry random(Random random, List<Long> shape) {
        int count = (int) (shape.get(0) * shape.get(1));
        ByteBuffer bytes = ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            bytes.putFloat((float) random.nextGaussian());
        }
        return new TensorEntry("factor", StorageType.F32, shape, new Memory(bytes.array()), 0, bytes.capacity());
    }

    /** What additions are together, in FP64. */
    private static Tensor sum(List<LowRank> additions) throws IOException {
        Tensor sum = torch.zeros(new long[] {OUT, IN}).to(ScalarType.Double);
        for (LowRank each : additions) {
            sum = sum.add(torch.mm(doubles(each.up()), doubles(each.down())).mul(new Scalar(each.scale())));
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
    void factorsThatDoNotFit_areRefused() {
        LowRank wide = addition(new Random(5), 3);
        assertThatThrownBy(() -> new LowRank(wide.up(), wide.down(), 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("down and up must be [rank, in] and [out, rank]");
    }
}
