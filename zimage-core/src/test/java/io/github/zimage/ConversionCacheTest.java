package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.demo.SyntheticModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Protects that keeping converted weights changes nothing but the time that a start takes. */
@Timeout(60)
final class ConversionCacheTest {
    @TempDir
    Path folder;

    private PipelineBuilder builder() {
        return ZImagePipeline.builder()
                .model(TinyModel.write(folder))
                .precision(Precision.BF16)
                .attention(AttentionBackend.BLOCKWISE);
    }

    private byte[] picture(PipelineBuilder builder) {
        try (ZImagePipeline pipeline = builder.build()) {
            return pipeline.generate(TinyModel.request().build()).rgb();
        }
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile)
                    .filter(file -> !file.endsWith("lock"))
                    .map(file -> folder.relativize(file)
                            .toString()
                            .replace('\\', '/')
                            .replaceAll("[0-9a-f]{32}", "KEY"))
                    .sorted()
                    .toList();
        }
    }

    private static final List<String> KEPT =
            List.of("text_encoder-bf16-KEY/weights.safetensors", "transformer-bf16-KEY/weights.safetensors");

    @Test
    void pictures_areTheSame_withAndWithout() throws IOException {
        Path kept = folder.resolve("kept");
        List<Component> converted = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onConvert(Component component, long bytesDone, long bytesTotal) {
                if (bytesDone == bytesTotal && !converted.contains(component)) {
                    converted.add(component);
                }
            }
        };
        byte[] without = picture(builder().conversionCache(ConversionCache.off()));
        byte[] first =
                picture(builder().conversionCache(ConversionCache.in(kept)).listener(listener));
        assertThat(names(kept)).isEqualTo(KEPT);
        assertThat(converted).containsExactly(Component.TEXT_ENCODER, Component.TRANSFORMER);

        converted.clear();
        byte[] second =
                picture(builder().conversionCache(ConversionCache.in(kept)).listener(listener));

        assertThat(converted).as("the second start finds everything").isEmpty();
        assertThat(first).isEqualTo(without);
        assertThat(second).isEqualTo(without);
    }

    // FP32 is for comparisons: nobody who asks for it once expects twice the checkpoint on the disk.
    @Test
    void fp32OfABf16Checkpoint_isKeptOnlyOnDemand() throws IOException {
        Path kept = folder.resolve("kept");
        Path model = folder.resolve("bf16");
        SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.BF16, 1, done -> {});
        PipelineBuilder builder = builder().model(model).conversionCache(ConversionCache.in(kept));
        assertThat(builder.convert()).as("BF16 needs nothing").isEmpty();
        builder.precision(Precision.FP32);
        byte[] without = picture(builder);
        assertThat(kept).doesNotExist();

        assertThat(builder.convert()).hasSize(2);
        assertThat(names(kept))
                .containsExactly(
                        "text_encoder-fp32-KEY/weights.safetensors", "transformer-fp32-KEY/weights.safetensors");
        assertThat(picture(builder)).isEqualTo(without);
    }

    @Test
    void placeThatCannotBeWritten_isNoReasonToFail_butForConvert() throws IOException {
        Path file = Files.writeString(folder.resolve("kept"), "no folder");
        PipelineBuilder builder = builder().conversionCache(ConversionCache.in(file));
        assertThat(picture(builder)).isEqualTo(picture(builder().conversionCache(ConversionCache.off())));
        assertThatThrownBy(builder::convert)
                .isExactlyInstanceOf(ZImageException.class)
                .hasMessageStartingWith("converted weights of text_encoder cannot be kept in " + file + ": ");
    }

    @Test
    void interruption_endsTheConversion() throws IOException {
        Path kept = folder.resolve("kept");
        PipelineBuilder builder = builder()
                .conversionCache(ConversionCache.in(kept))
                .listener(new GenerationListener() {
                    @Override
                    public void onConvert(Component component, long bytesDone, long bytesTotal) {
                        Thread.currentThread().interrupt();
                    }
                });
        assertThatThrownBy(builder::build).isInstanceOf(GenerationCancelledException.class);
        assertThat(Thread.interrupted()).isTrue();
        assertThat(names(kept)).isEmpty();
    }

    // Small test models must not fill anybody's home.
    @Test
    void automatic_leavesSmallModelsAlone() throws IOException {
        Path place = ConversionCache.automatic().folder();
        assertThat(place).isNotNull();
        List<Path> before = list(place);
        picture(builder());
        assertThat(list(place)).isEqualTo(before);
    }

    private static List<Path> list(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }

    @Test
    @DisabledOnOs(OS.WINDOWS) // there these are no absolute paths
    void place_isThePlatforms() {
        assertThat(ConversionCache.place(
                        Map.of("ZIMAGE_CACHE", "/big/cache", "XDG_CACHE_HOME", "/x"), "Linux", "/home/a"))
                .isEqualTo(Path.of("/big/cache").toAbsolutePath());
        assertThat(ConversionCache.place(Map.of("ZIMAGE_CACHE", " ", "XDG_CACHE_HOME", "/x"), "Linux", "/home/a"))
                .isEqualTo(Path.of("/x/zimage"));
        assertThat(ConversionCache.place(Map.of("XDG_CACHE_HOME", "relative"), "Linux", "/home/a"))
                .isEqualTo(Path.of("/home/a/.cache/zimage"));
        assertThat(ConversionCache.place(Map.of(), "Mac OS X", "/Users/a"))
                .isEqualTo(Path.of("/Users/a/Library/Caches/zimage"));
        assertThat(ConversionCache.place(Map.of("LOCALAPPDATA", "/c/Local"), "Windows 11", "/c"))
                .isEqualTo(Path.of("/c/Local/zimage"));
        assertThat(ConversionCache.place(Map.of(), "Windows 11", "/c")).isNull();
        assertThat(ConversionCache.place(Map.of(), "Linux", "?"))
                .as("a user without a home")
                .isNull();
        assertThat(ConversionCache.place(Map.of("ZIMAGE_CACHE", "a\0b"), "Linux", "/home/a"))
                .isNull();
    }

    @Test
    void off_refusesToConvert() {
        assertThatThrownBy(
                        () -> builder().conversionCache(ConversionCache.off()).convert())
                .isInstanceOf(IllegalStateException.class);
    }
}
