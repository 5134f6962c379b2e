package io.github.zimage.demo;

import io.github.zimage.internal.numbers.NumberConversion;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import java.util.function.LongConsumer;

/**
 * Random weights. A table of normal numbers is drawn once; a tensor is filled with pieces of it from random places, so that
 * the disk sets the pace.
 */
final class SyntheticWeights {
    private static final int TABLE = 1 << 20;
    private static final int MIN_PIECE = 1 << 13;
    private static final int MAX_PIECE = 1 << 16;

    private final float[] normals = new float[TABLE];
    private final ByteBuffer encoded =
            ByteBuffer.allocateDirect(TABLE * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final Random random;
    private final LongConsumer onProgress;
    private long written;

    SyntheticWeights(long seed, LongConsumer onProgress) {
        this.random = new Random(seed);
        this.onProgress = onProgress;
        for (int i = 0; i < TABLE; i++) {
            normals[i] = (float) random.nextGaussian();
        }
    }

    void write(SafetensorsWriter.Tensor tensor, SafetensorsWriter writer) throws IOException {
        int bytes = tensor.type().bytes();
        long elements = tensor.byteSize() / bytes;
        int distinct = (int) Math.min(elements, TABLE);
        encode(tensor, distinct);
        for (long left = elements; left > 0; ) {
            int most = (int) Math.min(left, Math.min(distinct, MIN_PIECE + random.nextInt(MAX_PIECE - MIN_PIECE)));
            int start = elements > distinct ? random.nextInt(distinct - most + 1) : (int) (elements - left);
            writer.write(encoded.limit((start + most) * bytes).position(start * bytes));
            encoded.clear();
            left -= most;
            written += (long) most * bytes;
            onProgress.accept(written);
        }
    }

    /** Puts the first numbers of the tensor into the buffer. */
    private void encode(SafetensorsWriter.Tensor tensor, int count) {
        float mean = mean(tensor);
        float deviation = deviation(tensor);
        int start = random.nextInt(TABLE);
        encoded.clear();
        if (tensor.type() == StorageType.BF16) {
            for (int i = 0; i < count; i++) {
                float value = mean + deviation * normals[(start + i) & (TABLE - 1)];
                encoded.putShort(NumberConversion.bf16(Float.floatToRawIntBits(value)));
            }
        } else {
            for (int i = 0; i < count; i++) {
                encoded.putFloat(mean + deviation * normals[(start + i) & (TABLE - 1)]);
            }
        }
        encoded.clear();
    }

    private static boolean isNorm(SafetensorsWriter.Tensor tensor) {
        return tensor.shape().size() == 1 && tensor.name().endsWith(".weight");
    }

    private static float mean(SafetensorsWriter.Tensor tensor) {
        return isNorm(tensor) ? 1 : 0;
    }

    /** Keeps what comes out of a layer about as large as what goes in. */
    private static float deviation(SafetensorsWriter.Tensor tensor) {
        if (isNorm(tensor)) {
            return 0.05f;
        }
        if (tensor.name().endsWith(".bias")) {
            return 0.02f;
        }
        if (tensor.name().contains("embed_tokens") || tensor.name().endsWith("_pad_token")) {
            return 1;
        }
        long fanIn = tensor.shape().stream().skip(1).mapToLong(Long::longValue).reduce(1, Math::multiplyExact);
        return (float) (1 / Math.sqrt((double) fanIn));
    }
}
