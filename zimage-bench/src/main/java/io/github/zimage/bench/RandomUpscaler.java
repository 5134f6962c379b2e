package io.github.zimage.bench;

import io.github.zimage.internal.config.RrdbNetConfig;
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

/** An upscaler of random numbers with the shape of Real-ESRGAN x4plus, for checks and times. */
final class RandomUpscaler {
    private static final RrdbNetConfig SHAPE = new RrdbNetConfig(1, 64, 32, 23, 2);

    private RandomUpscaler() {}

    /** Writes one, and returns the file. */
    static Path write(Path file) {
        List<Tensor> tensors = SHAPE.tensors().entrySet().stream()
                .map(each -> new Tensor(each.getKey(), StorageType.F32, each.getValue()))
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

    /** Weights keep the size of what passes through, and results lie around the middle of the levels. */
    private static ByteBuffer numbers(SplittableRandom random, Tensor tensor) {
        boolean bias = tensor.name().endsWith("bias");
        double inputs = bias ? 1 : 9.0 * tensor.shape().get(1);
        double gain = tensor.name().startsWith("conv_last") ? 0.3 : 1;
        double middle = tensor.name().equals("conv_last.bias") ? 0.5 : 0;
        double size = bias ? 0.05 : gain * Math.sqrt(2 / inputs);
        ByteBuffer bytes = ByteBuffer.allocate((int) tensor.byteSize()).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            bytes.putFloat((float) (middle + size * random.nextGaussian()));
        }
        return bytes.flip();
    }
}
