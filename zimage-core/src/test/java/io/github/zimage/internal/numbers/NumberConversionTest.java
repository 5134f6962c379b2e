package io.github.zimage.internal.numbers;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.internal.runtime.Tensors;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** Protects that weights converted on the disk are, to the last bit, those that are converted in memory. */
class NumberConversionTest {

    @Test
    void f32ToBf16_isThatOfLibTorch() {
        int[] edges = {
            0,
            1,
            0x7fff,
            0x8000,
            0x8001,
            0x18000,
            0x007fffff,
            0x00800000,
            0x3f807fff,
            0x3f808000,
            0x3f808001,
            0x3f818000,
            0x7f7f7fff,
            0x7f7f8000,
            0x7f7fffff,
            0x7f800000,
            0x7f800001,
            0x7fbfffff,
            0x7fc00000,
            0x7fffffff
        };
        int count = (1 << 20) + 2 * edges.length;
        ByteBuffer numbers = littleEndian(count * Float.BYTES);
        for (int edge : edges) {
            numbers.putInt(edge).putInt(edge | 0x80000000);
        }
        Random random = new Random(5);
        while (numbers.hasRemaining()) {
            numbers.putInt(random.nextInt());
        }
        assertLikeLibTorch(numbers.flip(), StorageType.F32, StorageType.BF16);
    }

    @Test
    void everyF16_isConvertedAsByLibTorch() {
        assertLikeLibTorch(allShorts(), StorageType.F16, StorageType.BF16);
        assertLikeLibTorch(allShorts(), StorageType.F16, StorageType.F32);
    }

    @Test
    void everyBf16_isConvertedAsByLibTorch() {
        assertLikeLibTorch(allShorts(), StorageType.BF16, StorageType.F32);
    }

    private static ByteBuffer allShorts() {
        ByteBuffer numbers = littleEndian(2 << 16);
        for (int i = 0; i < 1 << 16; i++) {
            numbers.putShort((short) i);
        }
        return numbers.flip();
    }

    private static void assertLikeLibTorch(ByteBuffer numbers, StorageType from, StorageType to) {
        int count = numbers.remaining() / from.bytes();
        ByteBuffer converted = littleEndian(count * to.bytes());
        ByteBuffer input = numbers.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        new NumberConversion().convert(input, from, converted, to);
        assertThat(input.hasRemaining()).isFalse();
        assertThat(converted.hasRemaining()).isFalse();

        ByteBuffer expected = littleEndian(count * to.bytes());
        try (PointerScope scope = new PointerScope()) {
            Tensor source = Tensors.empty(scalarType(from), count);
            new BytePointer(source.data_ptr())
                    .capacity(numbers.remaining())
                    .asByteBuffer()
                    .put(numbers.duplicate());
            Tensor target = source.to(scalarType(to));
            expected.put(new BytePointer(target.data_ptr())
                    .capacity(expected.capacity())
                    .asByteBuffer());
        }
        for (int i = 0; i < count; i++) {
            int is = bits(converted, i, to);
            int should = bits(expected, i, to);
            // Which of the many NaN it is, depends on the processor.
            if (is != should && !(isNan(is) && isNan(should))) {
                throw new AssertionError(
                        "number %d of %s is %x as %s, but LibTorch makes %x of it".formatted(i, from, is, to, should));
            }
        }
    }

    /** Returns the bits as those of an F32 number. */
    private static int bits(ByteBuffer numbers, int index, StorageType type) {
        return type == StorageType.F32 ? numbers.getInt(index * 4) : numbers.getShort(index * 2) << 16;
    }

    private static boolean isNan(int bits) {
        return Float.isNaN(Float.intBitsToFloat(bits));
    }

    private static ByteBuffer littleEndian(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static ScalarType scalarType(StorageType type) {
        return switch (type) {
            case F32 -> ScalarType.Float;
            case F16 -> ScalarType.Half;
            case BF16 -> ScalarType.BFloat16;
            default -> throw new IllegalArgumentException(type.name());
        };
    }
}
