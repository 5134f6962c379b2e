package io.github.zimage.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.Component;
import io.github.zimage.ModelInfo;
import io.github.zimage.Precision;
import io.github.zimage.ZImageModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Protects that synthetic checkpoints are whole, the same for a seed, and never half-written. */
class SyntheticModelTest {
    @TempDir
    Path parent;

    private static Map<String, byte[]> files(Path folder) throws IOException {
        Map<String, byte[]> files = new TreeMap<>();
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.filter(Files::isRegularFile).toList()) {
                files.put(folder.relativize(path).toString(), Files.readAllBytes(path));
            }
        }
        return files;
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"INT8", "FP8"},
            mode = EnumSource.Mode.EXCLUDE)
    void tinyModel_canBeOpenedAndReportsProgress(Precision storage) {
        List<Long> progress = new ArrayList<>();
        SyntheticModel.write(parent, SyntheticModel.Size.TINY, storage, 3, progress::add);

        long total = SyntheticModel.byteSize(SyntheticModel.Size.TINY, storage);
        assertThat(progress).isSorted().endsWith(total);
        ModelInfo info = info(parent);
        assertThat(info.parts()).extracting(ModelInfo.Part::component).containsExactlyElementsOf(Component.values());
        assertThat(info.parts().stream().mapToLong(ModelInfo.Part::bytes).sum()).isEqualTo(total);
        assertThat(info.parts().stream().mapToLong(ModelInfo.Part::parameters).sum() * storage.bytes())
                .isEqualTo(total);
        assertThat(info.parts())
                .allSatisfy(part ->
                        assertThat(part.storageTypes()).containsExactly(storage == Precision.BF16 ? "BF16" : "F32"));
    }

    private static ModelInfo info(Path folder) {
        try (ZImageModel model = ZImageModel.open(folder)) {
            return model.info();
        }
    }

    @Test
    void seed_decidesTheWeights() throws IOException {
        for (int i = 0; i < 3; i++) {
            SyntheticModel.write(
                    parent.resolve("new/" + i), SyntheticModel.Size.TINY, Precision.FP32, i / 2, bytes -> {});
        }
        Map<String, byte[]> first = files(parent.resolve("new/0"));
        Map<String, byte[]> second = files(parent.resolve("new/1"));
        Map<String, byte[]> third = files(parent.resolve("new/2"));
        assertThat(second.keySet()).isEqualTo(first.keySet());
        first.forEach((name, bytes) -> assertThat(second.get(name)).as(name).isEqualTo(bytes));
        String weights = "transformer/diffusion_pytorch_model.safetensors";
        assertThat(third.get(weights)).isNotEqualTo(first.get(weights));
    }

    @Test
    void failure_leavesNothingBehind() {
        for (long after :
                new long[] {1, 1_000_000, SyntheticModel.byteSize(SyntheticModel.Size.TINY, Precision.FP32)}) {
            Path folder = parent.resolve("a/b");
            assertThatThrownBy(() ->
                            SyntheticModel.write(folder, SyntheticModel.Size.TINY, Precision.FP32, 1, bytes -> {
                                if (bytes >= after) {
                                    throw new IllegalStateException("enough");
                                }
                            }))
                    .hasMessage("enough");
            assertThat(parent).isEmptyDirectory();
        }
    }

    @Test
    void folderInUse_isRefused() throws IOException {
        Path file = Files.writeString(parent.resolve("mine"), "x");
        assertThatThrownBy(() -> SyntheticModel.write(parent, SyntheticModel.Size.TINY, Precision.BF16, 1, bytes -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("folder must be new or empty, but " + parent + " is not empty");
        assertThatThrownBy(() -> SyntheticModel.write(file, SyntheticModel.Size.TINY, Precision.BF16, 1, bytes -> {}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("folder must be new or empty, but " + file + " is a file");
        assertThat(file).hasContent("x");
    }
}
