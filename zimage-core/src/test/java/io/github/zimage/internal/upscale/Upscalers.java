package io.github.zimage.internal.upscale;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;
import io.github.zimage.internal.config.RrdbNetConfig;
import io.github.zimage.internal.image.Pixels;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.placement.TileChoice;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.UpscalerFile;
import io.github.zimage.internal.weights.WeightStore;
import io.github.zimage.placement.VaeTiling;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/** The upscalers that {@code tools/parity/make_upscaler_fixtures.py} wrote. */
final class Upscalers {
    private Upscalers() {}

    /**
     * One of them.
     *
     * @param file its file
     * @param config what it is
     * @param scale how many times as wide and high pictures become
     * @param fp32 how far PyTorch's float32 is from the truth, as a part of its length
     * @param bf16 likewise
     */
    record Case(Path file, RrdbNetConfig config, int scale, double fp32, double bf16) {
        /** The picture that was enlarged. */
        Pixels picture() {
            TensorEntry rgb = expected("rgb");
            int width = rgb.shape().get(1).intValue();
            return new Pixels(
                    width, rgb.shape().get(0).intValue(), 3, bytes(rgb).array());
        }

        /** What became of it, [3, height, width]. */
        float[] truth() {
            TensorEntry enlarged = expected("enlarged");
            float[] values = new float[(int) enlarged.elements()];
            bytes(enlarged).asFloatBuffer().get(values);
            return values;
        }

        private TensorEntry expected(String name) {
            String own = String.valueOf(file.getFileName()).replaceAll("\\.[a-z]+$", "");
            return Objects.requireNonNull(SafetensorsHeader.read(file.resolveSibling(own + ".expected.safetensors"))
                    .tensors()
                    .get(name));
        }

        @Override
        public String toString() {
            return String.valueOf(file.getFileName());
        }
    }

    static List<Case> cases() {
        try {
            Path folder = Path.of(Objects.requireNonNull(Upscalers.class.getResource("/upscalers"))
                    .toURI());
            List<Case> cases = new ArrayList<>();
            for (JsonNode each :
                    new ObjectMapper().readTree(folder.resolve("upscalers.json").toFile())) {
                RrdbNetConfig config = new RrdbNetConfig(
                        each.get("unshuffle").intValue(),
                        each.get("features").intValue(),
                        each.get("growth").intValue(),
                        each.get("blocks").intValue(),
                        each.get("doublings").intValue());
                cases.add(new Case(
                        folder.resolve(each.get("file").textValue()),
                        config,
                        each.get("scale").intValue(),
                        each.get("fp32").doubleValue(),
                        each.get("bf16").doubleValue()));
            }
            return cases;
        } catch (IOException | URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    static Kernels kernels(Precision precision) {
        return new CpuKernels(AttentionSelector.select(new AttentionBackend("math"), precision), precision);
    }

    static WeightStore store(UpscalerFile file) {
        return new WeightStore(file.weights(), TensorPlace.CPU, done -> {});
    }

    static PictureUpscaler upscaler(UpscalerFile file, WeightStore store, Precision precision) {
        return new PictureUpscaler(file.config(), store, kernels(precision), TileChoice.of(VaeTiling.auto()));
    }

    private static ByteBuffer bytes(TensorEntry entry) {
        try {
            byte[] all = Files.readAllBytes(Objects.requireNonNull(entry.file()));
            int from = (int) entry.offset();
            return ByteBuffer.wrap(Arrays.copyOfRange(all, from, from + (int) entry.byteSize()))
                    .order(ByteOrder.LITTLE_ENDIAN);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
