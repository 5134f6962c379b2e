package io.github.zimage.internal.vae;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * TAEF1, a small decoder for the latents of Flux's VAE, which are Z-Image's: diffusers' {@code AutoencoderTiny}, decoder half. Computes in FP32.
 *
 * <p>Layers by number: 0 convolution; 2 to 4 blocks; 5 doubling, 6 convolution; 7 to 9, 10, 11 and 12 to 14, 15, 16 likewise; 17 block; 18
 * convolution to red, green and blue. A block is {@code relu(conv(relu(conv(relu(conv(x))))) + x)}.
 */
public final class TinyDecoder implements AutoCloseable {
    private static final String PREFIX = "decoder.layers.";
    /** In the file that TAEF1 was published in, layers count from 1, behind one that clamps. */
    private static final Pattern ORIGINAL = Pattern.compile("([1-9]\\d?)\\.(.+)");

    private static final List<Integer> BLOCKS = List.of(2, 3, 4, 7, 8, 9, 12, 13, 14, 17);
    private static final List<Integer> BEHIND_DOUBLINGS = List.of(6, 11, 16);
    private static final int LAST = 18;
    private static final int MOST_CHANNELS = 1024;
    private static final int SCALE = 8;
    private static final double LIMIT = 3;
    private static final double LARGEST = 255;
    private static final long[] ONE = {1, 1};

    private final WeightStore weights;
    private final Map<String, Tensor> tensors = new LinkedHashMap<>();

    private TinyDecoder(WeightStore weights, Iterable<String> names) {
        this.weights = weights;
        names.forEach(name -> tensors.put(name, weights.get(name, ScalarType.Float)));
    }

    /**
     * Loads a file.
     *
     * @param file a safetensors file with diffusers' names or those that TAEF1 was published with; an encoder in it is ignored
     * @param channels how many the latents have
     * @param place where is computed
     * @throws ModelLoadException if it is missing, damaged or no such decoder
     */
    public static TinyDecoder load(Path file, int channels, TensorPlace place) {
        Map<String, TensorEntry> all = SafetensorsHeader.read(file).tensors();
        boolean original = !all.containsKey(PREFIX + "0.weight");
        Map<String, TensorEntry> known = new LinkedHashMap<>();
        all.forEach((name, entry) -> {
            String own = original ? renamed(name) : name;
            known.put(own, entry.withName(own));
        });
        Map<String, TensorEntry> wanted = new LinkedHashMap<>();
        shapes(file, known, channels).forEach((name, shape) -> wanted.put(name, require(file, known, name, shape)));
        WeightStore store =
                new WeightStore(WeightIndex.of(file.toString(), wanted).read(), place, done -> {});
        try {
            return new TinyDecoder(store, wanted.keySet());
        } catch (RuntimeException | Error e) {
            store.close();
            throw e;
        }
    }

    private static String renamed(String name) {
        Matcher matcher = ORIGINAL.matcher(name);
        return matcher.matches() ? PREFIX + (Integer.parseInt(matcher.group(1)) - 1) + "." + matcher.group(2) : name;
    }

    private static Map<String, List<Long>> shapes(Path file, Map<String, TensorEntry> known, int channels) {
        TensorEntry first = known.get(PREFIX + "0.weight");
        long wide = first == null || first.shape().isEmpty() ? 0 : first.shape().get(0);
        if (wide < 1 || wide > MOST_CHANNELS) {
            throw new ModelLoadException(
                    "%s is not TAEF1: it must have the tensor decoder.layers.0.weight, or 1.weight as it was published"
                            .formatted(file));
        }
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        convolution(shapes, "0", wide, channels, true);
        for (int block : BLOCKS) {
            for (int i = 0; i <= 4; i += 2) {
                convolution(shapes, block + ".conv." + i, wide, wide, true);
            }
        }
        BEHIND_DOUBLINGS.forEach(layer -> convolution(shapes, layer.toString(), wide, wide, false));
        convolution(shapes, Integer.toString(LAST), 3, wide, true);
        return shapes;
    }

    private static void convolution(Map<String, List<Long>> shapes, String layer, long out, long in, boolean bias) {
        shapes.put(PREFIX + layer + ".weight", List.of(out, in, 3L, 3L));
        if (bias) {
            shapes.put(PREFIX + layer + ".bias", List.of(out));
        }
    }

    private static TensorEntry require(Path file, Map<String, TensorEntry> known, String name, List<Long> shape) {
        TensorEntry entry = known.get(name);
        if (entry == null || !entry.shape().equals(shape)) {
            throw new ModelLoadException("%s is not TAEF1 for these latents: %s must have shape %s, but %s"
                    .formatted(
                            file, ModelFile.quote(name), shape, entry == null ? "is missing" : "has " + entry.shape()));
        }
        return entry;
    }

    /** Returns how many pixels a latent is wide and high. */
    public int scale() {
        return SCALE;
    }

    /**
     * Decodes latents.
     *
     * @param latents [C, h, w] fp32, as the transformer leaves them, where this computes
     * @return [height, width, 3] uint8
     */
    public Tensor decode(Tensor latents) {
        return Tensors.scoped(() -> image(latents)
                .clamp_(new ScalarOptional(new Scalar(0.0)), new ScalarOptional(new Scalar(1.0)))
                .mul_(new Scalar(LARGEST))
                .round_()
                .squeeze(0)
                .permute(1, 2, 0)
                .to(ScalarType.Byte)
                .contiguous());
    }

    /** Returns [1, 3, height, width] fp32, about from 0 to 1. */
    Tensor image(Tensor latents) {
        return Tensors.scoped(() -> {
            Tensor bounded = latents.unsqueeze(0).div(new Scalar(LIMIT)).tanh_().mul_(new Scalar(LIMIT));
            Tensor x = convolved(bounded, "0").relu_();
            for (int layer = 2; layer <= LAST - 1; layer++) {
                if (BLOCKS.contains(layer)) {
                    x = block(x, layer);
                } else if (BEHIND_DOUBLINGS.contains(layer)) {
                    x = convolved(doubled(x), Integer.toString(layer));
                }
            }
            return convolved(x, Integer.toString(LAST));
        });
    }

    private Tensor block(Tensor x, int layer) {
        return Tensors.scoped(() -> {
            Tensor hidden = convolved(x, layer + ".conv.0").relu_();
            hidden = convolved(hidden, layer + ".conv.2").relu_();
            return convolved(hidden, layer + ".conv.4").add_(x).relu_();
        });
    }

    private static Tensor doubled(Tensor x) {
        long[] size = {2 * x.size(2), 2 * x.size(3)};
        return torch.upsample_nearest2d(x, size, new DoubleOptional(), new DoubleOptional());
    }

    private Tensor convolved(Tensor x, String layer) {
        Tensor bias = tensors.get(PREFIX + layer + ".bias");
        return torch.conv2d(
                x,
                Objects.requireNonNull(tensors.get(PREFIX + layer + ".weight")),
                bias == null ? new TensorOptional() : new TensorOptional(bias),
                ONE,
                ONE,
                ONE,
                1);
    }

    @Override
    public void close() {
        weights.close();
    }
}
