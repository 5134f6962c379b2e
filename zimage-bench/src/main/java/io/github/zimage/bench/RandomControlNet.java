package io.github.zimage.bench;

import io.github.zimage.internal.config.ControlNetConfig;
import io.github.zimage.internal.config.ControlNetConfig.Variant;
import io.github.zimage.internal.config.TransformerConfig;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import io.github.zimage.internal.safetensors.SafetensorsWriter.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/** A ControlNet of random numbers of the kind Union 2.1, or 1.0 for a model with one refiner block, with a hint for every second block, or for every one of an odd number, for checks and times. */
final class RandomControlNet {
    /** As deep as the weights of the random models, so that a hint is seen and does not drown the picture. */
    private static final double SIZE = 0.02;

    private RandomControlNet() {}

    /** Writes one in BF16 for a transformer, and returns the file. */
    static Path write(Path file, TransformerConfig base) {
        int step = base.layers() % 2 == 0 ? 2 : 1;
        List<Integer> places = IntStream.iterate(0, i -> i < base.layers(), i -> i + step)
                .boxed()
                .toList();
        boolean hintsRefiner = base.refinerLayers() > 1;
        ControlNetConfig shape = new ControlNetConfig(
                hintsRefiner ? Variant.UNION_2_1 : Variant.UNION_1_0,
                base,
                hintsRefiner ? 2 * base.inChannels() + 1 : base.inChannels(),
                places,
                base.refinerLayers());
        List<Tensor> tensors = shape.tensors().entrySet().stream()
                .filter(each -> shape.withoutHint().stream()
                        .noneMatch(block -> each.getKey().startsWith(block + ".after_proj")))
                .map(each -> new Tensor(each.getKey(), StorageType.BF16, each.getValue()))
                .toList();
        SplittableRandom random = new SplittableRandom(1);
        try (SafetensorsWriter writer = new SafetensorsWriter(file, tensors, Map.of())) {
            for (Tensor each : tensors) {
                writer.write(numbers(random, each));
            }
            writer.commit();
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static ByteBuffer numbers(SplittableRandom random, Tensor tensor) {
        boolean norm = tensor.shape().size() == 1 && tensor.name().contains("norm");
        ByteBuffer bytes = ByteBuffer.allocate((int) tensor.byteSize()).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            float value = (float) ((norm ? 1 : 0) + SIZE * random.nextGaussian());
            bytes.putShort((short) (Float.floatToIntBits(value) >>> 16));
        }
        return bytes.flip();
    }
}
