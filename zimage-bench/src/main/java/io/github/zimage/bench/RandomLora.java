package io.github.zimage.bench;

import io.github.zimage.Component;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.SafetensorsWriter;
import io.github.zimage.internal.safetensors.SafetensorsWriter.Tensor;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.Checkpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/** A LoRA of random numbers on all matrices of the transformer's blocks, for checks and times. */
final class RandomLora {
    /** Weights are drawn with a deviation of some hundredths; what is added has a third of that, so that it is seen. */
    private static final double SIZE = 0.01;

    private RandomLora() {}

    /**
     * Writes one in BF16, named as ComfyUI does.
     *
     * @param checkpoint the model that it is for
     * @return the file
     */
    static Path write(Path file, Checkpoint checkpoint, int rank) {
        List<TensorEntry> matrices = checkpoint.weights(Component.TRANSFORMER).tensors().values().stream()
                .filter(each -> each.shape().size() == 2
                        && each.name().matches("(layers|noise_refiner|context_refiner)\\.\\d+\\..*\\.weight"))
                .toList();
        List<Tensor> tensors = new ArrayList<>();
        for (TensorEntry each : matrices) {
            String module = each.name().substring(0, each.name().length() - ".weight".length());
            tensors.add(new Tensor(
                    "diffusion_model." + module + ".lora_A.weight",
                    StorageType.BF16,
                    List.of((long) rank, each.shape().get(1))));
            tensors.add(new Tensor(
                    "diffusion_model." + module + ".lora_B.weight",
                    StorageType.BF16,
                    List.of(each.shape().get(0), (long) rank)));
        }
        SplittableRandom random = new SplittableRandom(1);
        try (SafetensorsWriter writer = new SafetensorsWriter(file, tensors, Map.of())) {
            for (Tensor each : tensors) {
                writer.write(numbers(random, each, rank));
            }
            writer.commit();
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static ByteBuffer numbers(SplittableRandom random, Tensor tensor, int rank) {
        double size = tensor.name().endsWith("A.weight") ? 1 : SIZE / Math.sqrt(rank);
        ByteBuffer bytes = ByteBuffer.allocate((int) tensor.byteSize()).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            float number = (float) (size * random.nextGaussian());
            bytes.putShort((short) (Float.floatToRawIntBits(number) >>> Short.SIZE));
        }
        return bytes.flip();
    }
}
