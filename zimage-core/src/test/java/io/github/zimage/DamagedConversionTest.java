package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Protects that a bit which flipped in converted weights is found while they are used, told to whoever draws, and gone with the next start. */
@Timeout(120)
final class DamagedConversionTest {
    /** Too large to be compared with its checksum when the file is opened. */
    private static final String MATRIX = "layers.1.feed_forward.w2.weight";

    @TempDir
    Path folder;

    private Path kept;
    private byte[] expected;

    @BeforeEach
    void convert() {
        SyntheticModel.write(folder.resolve("tiny"), SyntheticModel.Size.TINY, Precision.FP32, 3, done -> {});
        kept = folder.resolve("kept");
        try (ZImagePipeline pipeline = builder().build()) {
            expected = draw(pipeline);
        }
    }

    private PipelineBuilder builder() {
        return ZImagePipeline.builder().model(folder.resolve("tiny")).conversionCache(ConversionCache.in(kept));
    }

    private static byte[] draw(ZImagePipeline pipeline) {
        return pipeline.generate(GenerationRequest.builder()
                        .prompt("a fox")
                        .size(64, 64)
                        .steps(2)
                        .seed(1)
                        .build())
                .rgb();
    }

    private Path transformer() throws IOException {
        try (Stream<Path> files = Files.walk(kept)) {
            return files.filter(file -> file.endsWith("weights.safetensors")
                            && file.getParent().getFileName().toString().startsWith("transformer-"))
                    .findFirst()
                    .orElseThrow();
        }
    }

    /** Flips a bit as a disk does: with no trace in the file's times. */
    private static void flip(Path file, long position) throws IOException {
        FileTime modified = Files.getLastModifiedTime(file);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ByteBuffer one = ByteBuffer.allocate(1);
            channel.read(one, position);
            one.put(0, (byte) (one.get(0) ^ 1)).flip();
            channel.write(one, position);
        }
        Files.setLastModifiedTime(file, modified);
    }

    @Test
    void flippedBit_isFoundInUse_toldToRequests_andConvertedAway() throws Exception {
        Path file = transformer();
        byte[] sound = Files.readAllBytes(file);
        flip(file, SafetensorsHeader.read(file).tensors().get(MATRIX).offset() + 6);
        byte[] damaged = Files.readAllBytes(file);
        try (ZImagePipeline pipeline = builder().build()) {
            // As many as it takes until the check has come to the tensor; @Timeout ends it if it never does.
            assertThatThrownBy(() -> {
                        while (true) {
                            draw(pipeline);
                        }
                    })
                    .isInstanceOf(ModelLoadException.class)
                    .hasMessageContaining("build the pipeline anew")
                    // The second, if the file was marked between two looks at a step.
                    .hasMessageMatching(".*(" + Pattern.quote(MATRIX)
                            + ".* checksum|weights.safetensors: the file must stay as it was).*");
        }
        assertThat(Files.readAllBytes(file)).as("marked in the file").isNotEqualTo(damaged);
        try (ZImagePipeline pipeline = builder().build()) {
            assertThat(draw(pipeline)).isEqualTo(expected);
        }
        assertThat(transformer()).as("made anew").hasBinaryContent(sound);
    }

    @Test
    void soundWeights_areLeftAlone() throws Exception {
        Path file = transformer();
        byte[] sound = Files.readAllBytes(file);
        try (ZImagePipeline pipeline = builder().build()) {
            while (checks()) {
                assertThat(draw(pipeline)).isEqualTo(expected);
            }
            assertThat(draw(pipeline)).isEqualTo(expected);
        }
        assertThat(file).hasBinaryContent(sound);
    }

    @Test
    void closedPipeline_checksNoMore() throws Exception {
        builder().build().close();
        while (checks()) {
            Thread.sleep(10); // @Timeout ends it
        }
    }

    private static boolean checks() {
        return Thread.getAllStackTraces().keySet().stream()
                .anyMatch(thread -> thread.getName().equals("zimage-checksums"));
    }
}
