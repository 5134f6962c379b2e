package io.github.zimage.cli;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class InfoCommandTest {
    @TempDir
    Path folder;

    // Pictures stay longer than programs: what 0.1 wrote must stay readable.
    @Test
    void pictureOfZImage() throws IOException {
        Path file = png(text("zimage", """
                {"prompt":"a red fox,\\n\\u72d0 \\ud83e\\udd8a","negativePrompt":null,"width":1024,"height":768,"steps":2,\
                "guidance":2.5,"cfgNormalization":0.0,"cfgTruncation":1.0,"seed":-42,"sigmas":[1.0,0.3],\
                "model":"Z-Image","precision":"BF16","vaePrecision":"FP32"}"""));

        MainTest.Run run = MainTest.run("info", file.toString());

        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        assertThat(run.out().lines().map(String::stripTrailing))
                .containsExactly(
                        "prompt             a red fox,",
                        "                   狐 🦊",
                        "size               1024 x 768",
                        "steps              2",
                        "guidance           2.5",
                        "cfg normalization  0.0",
                        "cfg truncation     1.0",
                        "seed               18446744073709551574",
                        "sigmas             1.0,0.3",
                        "model              Z-Image",
                        "precision          BF16",
                        "VAE precision      FP32");
    }

    // A text from a stranger's file must not steer the terminal.
    @Test
    void pictureOfAnotherProgram_isShownRaw_withoutEscapes() throws IOException {
        Path file = png(text("parameters", "狐\u001b]0;title\u0007\r\nSteps: 20, Sampler: DPM++ 2M"));

        MainTest.Run run = MainTest.run("info", file.toString());

        assertThat(run.code()).isZero();
        assertThat(run.out().strip())
                .isEqualTo("parameters         狐\ufffd]0;title\ufffd\n                   Steps: 20, Sampler: DPM++ 2M");
    }

    // Whoever reads the table takes it for what the program says.
    @Test
    void noValue_canPassForALineOfTheProgram() throws IOException {
        for (String end :
                new String[] {"\\n", "\\r", "\\r\\n", "\\u0085", "\\u2028", "\\u2029", "\\u000b", "\\f", "\\n\\n"}) {
            Path file = png(text("zimage", """
                    {"prompt":"a%1$sseed               999","negativePrompt":"b%1$smodel  x","width":16,"height":16,"steps":1,\
                    "seed":1,"model":"m%1$sseed 7\\u202e\\u2066\\u009b","precision":"BF16","vaePrecision":"BF16"}""".formatted(end)));
            MainTest.Run run = MainTest.run("info", file.toString());

            assertThat(run.code()).as(run.err()).isZero();
            assertThat(run.out().lines().filter(line -> line.startsWith("seed")))
                    .as(end)
                    .containsExactly("seed               1");
            assertThat(run.out().lines().filter(line -> line.startsWith("model")))
                    .hasSize(1);
            assertThat(run.out()).doesNotContainPattern("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}&&[^\n\r]]");
        }
        Path other = png(text("parameters", "seed 5\nmodel x"));
        assertThat(MainTest.run("info", other.toString()).out().lines())
                .containsExactly("parameters         seed 5", "                   model x");
    }

    @Test
    void pictureWithoutParameters_saysSo() throws IOException {
        Path file = png();
        MainTest.Run run = MainTest.run("info", file.toString());
        assertThat(run.code()).isZero();
        assertThat(run.out().strip()).isEqualTo(file + " carries no parameters");
    }

    @Test
    void damagedPicture_isABadRequest() throws IOException {
        Path file = png(text("zimage", "{\"prompt\":1}"));
        MainTest.Run run = MainTest.run("info", file.toString());
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err().strip())
                .isEqualTo(
                        "zimage: %s: the text 'zimage' is damaged: prompt must be a text, but was 1".formatted(file));

        Files.writeString(file, "no picture");
        assertThat(MainTest.run("info", file.toString()).err().strip())
                .isEqualTo("zimage: %s is not a PNG file".formatted(file));
    }

    @Test
    void variant_choosesTheWeights() throws IOException {
        Path model = folder.resolve("tiny");
        MainTest.run("synth", model.toString(), "--size", "tiny", "--dtype", "fp32");
        Path other = folder.resolve("other");
        MainTest.run("synth", other.toString(), "--size", "tiny", "--dtype", "bf16");
        Files.move(
                other.resolve("transformer/diffusion_pytorch_model.safetensors"),
                model.resolve("transformer/diffusion_pytorch_model.half.safetensors"));

        assertThat(MainTest.run("info", model.toString()).out()).doesNotContain("BF16");
        MainTest.Run run = MainTest.run("info", model.toString(), "--variant", "half");
        assertThat(run.code()).isZero();
        assertThat(run.out().lines().filter(line -> line.contains("BF16")))
                .singleElement()
                .asString()
                .startsWith("transformer");

        assertThat(MainTest.run("info", model.toString(), "--variant", "none").code())
                .isEqualTo(3);
        assertThat(MainTest.run("info", png().toString(), "--variant", "half").code())
                .isEqualTo(2);
    }

    private Path png(byte[]... chunks) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.writeBytes("\u0089PNG\r\n\u001a\n".getBytes(ISO_8859_1));
        bytes.writeBytes(chunk("IHDR", new byte[13]));
        for (byte[] chunk : chunks) {
            bytes.writeBytes(chunk);
        }
        bytes.writeBytes(chunk("IEND", new byte[0]));
        return Files.write(folder.resolve("test.png"), bytes.toByteArray());
    }

    private static byte[] text(String keyword, String text) {
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        data.writeBytes(keyword.getBytes(ISO_8859_1));
        data.writeBytes(new byte[5]);
        data.writeBytes(text.getBytes(UTF_8));
        return chunk("iTXt", data.toByteArray());
    }

    private static byte[] chunk(String type, byte[] data) {
        ByteBuffer chunk = ByteBuffer.allocate(data.length + 12)
                .putInt(data.length)
                .put(type.getBytes(ISO_8859_1))
                .put(data);
        CRC32 crc = new CRC32();
        crc.update(chunk.array(), 4, data.length + 4);
        return chunk.putInt((int) crc.getValue()).array();
    }
}
