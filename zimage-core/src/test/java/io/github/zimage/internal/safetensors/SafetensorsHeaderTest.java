package io.github.zimage.internal.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.numbers.StorageType;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects against wrong places of tensors, and against files that are damaged or made to harm. */
class SafetensorsHeaderTest {
    @TempDir
    Path folder;

    @Test
    void soundFile_givesTensorsInOrderWithAbsoluteOffsets() throws IOException {
        String json = """
                {"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},"__metadata__":{"format":"pt"},\
                "a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},\
                "none":{"dtype":"I64","shape":[0,5],"data_offsets":[16,16]}}\s\s\s""";
        Path file = Safetensors.write(folder.resolve("x.safetensors"), json, 16);

        SafetensorsHeader header = SafetensorsHeader.read(file);

        long data = 8L + json.length();
        assertThat(header.metadata()).containsExactlyEntriesOf(Map.of("format", "pt"));
        assertThat(header.tensors().values())
                .containsExactly(
                        new TensorEntry("b", StorageType.BF16, List.of(2L, 3L), file, data + 4, 12),
                        new TensorEntry("a", StorageType.F32, List.of(), file, data, 4),
                        new TensorEntry("none", StorageType.I64, List.of(0L, 5L), file, data + 16, 0));
        assertThat(header.tensors().values()).extracting(TensorEntry::elements).containsExactly(6L, 1L, 0L);
    }

    @Test
    void fileWithoutTensors_isSound() throws IOException {
        assertThat(SafetensorsHeader.read(Safetensors.write(folder.resolve("x"), "{}", 0))
                        .tensors())
                .isEmpty();
    }

    static Stream<Unsound> unsoundHeaders() {
        String tensor = "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}";
        return Stream.of(
                new Unsound("{", 0, "not sound JSON: Unexpected end-of-input"),
                new Unsound("[]", 0, "must start with '{', but starts with byte 91"),
                new Unsound("{}{}", 0, "one JSON object, but more follows"),
                new Unsound("{\"a\":1}", 0, "tensor \"a\": must be an object, but was 1"),
                new Unsound("{\"a\":{},\"a\":{}}", 0, "must have dtype, but has none"),
                new Unsound("{\"a\":" + tensor + ",\"a\":" + tensor + "}", 8, "Duplicate field 'a'"),
                new Unsound("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F16\"}}", 8, "Duplicate field 'dtype'"),
                new Unsound(of("\"F31\"", "[2]", "[0,8]"), 8, "dtype must be one of", "but was \"F31\""),
                new Unsound(of("7", "[2]", "[0,8]"), 8, "dtype must be a text, but was 7"),
                new Unsound(of("\"F32\"", "2", "[0,8]"), 8, "shape must be a list, but was 2"),
                new Unsound(of("\"F32\"", "[-2]", "[0,8]"), 8, "shape must hold integers from 0", "but was -2"),
                new Unsound(of("\"F32\"", "[2.0]", "[0,8]"), 8, "shape must hold integers from 0", "but was 2.0"),
                new Unsound(of("\"F32\"", "[\"2\"]", "[0,8]"), 8, "shape must hold integers", "but was a text"),
                new Unsound(of("\"F32\"", "[[2]]", "[0,8]"), 8, "shape must hold integers", "but was a list"),
                new Unsound(of("\"F32\"", "[9223372036854775808]", "[0,8]"), 8, "but was 9223372036854775808"),
                new Unsound(
                        of("\"F32\"", "[4294967296,4294967296]", "[0,8]"), 8, "shape must multiply to less than 2^63"),
                new Unsound(
                        of("\"F32\"", "[" + "1,".repeat(64) + "2]", "[0,8]"),
                        8,
                        "shape must have at most 64 dimensions, which is zimage's limit"),
                new Unsound(of("\"F4\"", "[3]", "[0,1]"), 1, "numbers of type F4 must fill whole bytes", "but was [3]"),
                new Unsound(of("\"F6_E2M3\"", "[2]", "[0,1]"), 1, "must fill whole bytes"),
                new Unsound(of("\"F4\"", "[4]", "[0,4]"), 4, "F4 of shape [4] must take 2 bytes, but was given 4"),
                new Unsound(of("\"F32\"", "[3]", "[0,8]"), 8, "F32 of shape [3] must take 12 bytes, but was given 8"),
                new Unsound(of("\"F32\"", "[2]", "[0,8.0]"), 8, "data_offsets must hold integers", "but was 8.0"),
                new Unsound(of("\"F32\"", "[2]", "[8,0]"), 8, "a begin and an end", "but was [8, 0]"),
                new Unsound(of("\"F32\"", "[2]", "[8]"), 8, "a begin and an end", "but was [8]"),
                new Unsound(of("\"F32\"", "[2]", "[0,8,9]"), 9, "data_offsets must have 2 entries"),
                new Unsound(of("\"F32\"", "[2]", "[0,8]"), 7, "but was [0, 8]: the file is cut off"),
                new Unsound(of("\"F32\"", "[2]", "[9223372036854775800,9223372036854775807]"), 8, "within the 8 bytes"),
                new Unsound(of("\"F32\"", "[2]", "[0,8]"), 9, "must fill the 9 bytes of data, but take 8"),
                new Unsound(
                        of("\"F32\"", "[2]", "[4,12]"), 12, "must start where", "but was at 4, which leaves a hole"),
                new Unsound(
                        "{\"a\":" + tensor + ",\"b\":" + tensor + "}",
                        8,
                        "tensor \"b\"",
                        "at 8, but was at 0, which overlaps"),
                new Unsound("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "must have dtype, but has none"),
                new Unsound("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "must have shape, but has none"),
                new Unsound("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "must have data_offsets, but has none"),
                new Unsound("{\"a\":{\"dtype\":\"F32\",\"x\":{}}}", 8, "must have shape, but has none"),
                new Unsound("{\"__metadata__\":{\"a\":1}}", 0, "\"a\" must be a text, but was 1"),
                new Unsound("{\"a\":" + "[".repeat(50) + "}", 0, "must be an object, but was a list"),
                new Unsound("{\"a\":{\"shape\":[" + "1".repeat(50) + "]}}", 0, "must hold integers", "but was 1111"),
                new Unsound(
                        "{\"a\":{\"shape\":[" + "1".repeat(5000) + "]}}",
                        0,
                        "Number value length (5000) is beyond zimage's limit of 1000"),
                new Unsound("{\"a\":{\"x\":" + "[".repeat(500) + "}}", 0, "is beyond zimage's limit of 128"),
                new Unsound("{\"" + "n".repeat(20_000) + "\":1}", 0, "is beyond zimage's limit of 10000"),
                new Unsound(of("\"" + "F".repeat(1000) + "\"", "[2]", "[0,8]"), 8, "dtype must be one of"));
    }

    private static String of(String dtype, String shape, String offsets) {
        return "{\"a\":{\"dtype\":%s,\"shape\":%s,\"data_offsets\":%s}}".formatted(dtype, shape, offsets);
    }

    @ParameterizedTest
    @MethodSource("unsoundHeaders")
    void unsoundHeader_isRefusedInOneLine(Unsound unsound) throws IOException {
        Path file = Safetensors.write(folder.resolve("x.safetensors"), unsound.json, unsound.dataBytes);
        assertThatThrownBy(() -> SafetensorsHeader.read(file))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageStartingWith(folder.getFileName() + "/x.safetensors: ")
                .hasMessageContainingAll(unsound.message)
                .message()
                .hasLineCount(1)
                .doesNotContain("com.fasterxml", "Feature", "Constraints", "Source")
                .hasSizeLessThan(400);
    }

    // What the format's own reader takes and a model does not need.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"__metadata__\":null",
                "\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}",
                "\"b\":{\"dtype\":\"F4\",\"shape\":[2,2],\"data_offsets\":[8,10]}",
                "\"b\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[8,11]}",
                "\"b\":{\"dtype\":\"F6_E3M2\",\"shape\":[2,4],\"data_offsets\":[8,14]}",
                "\"b\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],\"data_offsets\":[8,9]}",
                "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[8,9],\"note\":{\"x\":[[1]]}}"
            })
    void whatIsNotNeeded_isTolerated(String field) throws IOException {
        int bytes = field.contains("data_offsets")
                ? Integer.parseInt(field.replaceAll(".*data_offsets...8,(\\d+).*", "$1"))
                : 8;
        Path file = Safetensors.write(
                folder.resolve("x.safetensors"),
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}," + field + "}",
                bytes);
        assertThat(SafetensorsHeader.read(file).tensors()).containsKey("a");
    }

    @Test
    void longMetadata_isLeftOutAndTheRestIsKept() throws IOException {
        for (String filler : List.of("x", "\\u0041", "\\n", "\\\\", "é")) {
            for (int more = 0; more < 6; more++) {
                String text = filler.repeat(1_000_001 + more);
                Path file = Safetensors.write(
                        folder.resolve("x.safetensors"),
                        "{\"__metadata__\":{\"a\":\"1\",\"workflow\":\"" + text + "\",\"b\":\"2\"}}",
                        0);
                assertThat(SafetensorsHeader.read(file).metadata())
                        .containsOnly(Map.entry("a", "1"), Map.entry("b", "2"));
            }
        }
    }

    record Unsound(String json, int dataBytes, String... message) {}

    static Stream<Arguments> disguises() {
        return Stream.of(
                Arguments.of(new byte[0], "the file is empty"),
                Arguments.of(new byte[] {1, 2, 3}, "at least 8 bytes, but this has 3"),
                Arguments.of(new byte[64], "the header's length must be 1 to 100000000 bytes, but was 0"),
                Arguments.of(length(100_000_001), "must be 1 to 100000000 bytes, but was 100000001"),
                Arguments.of(length(-1), "must be 1 to 100000000 bytes, but was 18446744073709551615"),
                Arguments.of(
                        length(1000), "takes 1000 bytes after the first 8 and the file has 16: the file is cut off"),
                Arguments.of(text("PK\003\004\0\0\10\10\0\0\0\0rest of it"), "but is a zip file"),
                Arguments.of(text("\u0080\002}q\0.and so on"), "but is a Python pickle"),
                Arguments.of(text("version https://git-lfs.github.com/spec/v1\n"), "but is a git-lfs pointer"),
                Arguments.of(text("GGUF\3\0\0\0\0\0\0\0"), "but is a GGUF file"),
                Arguments.of(text("<!DOCTYPE html><html>"), "but is an HTML or XML page"),
                Arguments.of(text("\2\0\0\0\0\0\0\0{\u0080"), "must be UTF-8 text, but is not"));
    }

    private static byte[] length(long length) {
        return ByteBuffer.allocate(16)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put((byte) '{')
                .array();
    }

    private static byte[] text(String latin1) {
        return latin1.getBytes(StandardCharsets.ISO_8859_1);
    }

    @ParameterizedTest
    @MethodSource("disguises")
    void anythingButSafetensors_isRefusedByName(byte[] bytes, String message) throws IOException {
        Path file = Files.write(folder.resolve("x.safetensors"), bytes);
        assertThatThrownBy(() -> SafetensorsHeader.read(file))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageStartingWith(folder.getFileName() + "/x.safetensors: ")
                .hasMessageContaining(message);
    }

    @Test
    void missingFileAndFolder_areRefused() throws IOException {
        assertThatThrownBy(() -> SafetensorsHeader.read(folder.resolve("none.safetensors")))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("none.safetensors: the file is missing, looked for in " + folder);
        assertThatThrownBy(() -> SafetensorsHeader.read(folder))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("must be a file, but is a folder");
    }

    /** Opening a pipe that nobody writes to would wait for ever. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void namedPipe_isRefusedAtOnce() throws Exception {
        Path pipe = folder.resolve("pipe.safetensors");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        assertTimeoutPreemptively(
                Duration.ofSeconds(5),
                () -> assertThatThrownBy(() -> SafetensorsHeader.read(pipe))
                        .isInstanceOf(ModelLoadException.class)
                        .hasMessageContaining("pipe.safetensors: must be a file, but is a special file"));
    }

    /** A header may have 100 MB: it must neither be kept in memory nor take long. */
    @Test
    void hugeHeaders_areReadInBoundedMemoryAndTime() throws IOException {
        for (String filler : List.of(" ", "{\"a\":\"", "{\"a\":{\"dtype\":\"", "{\"a\":{\"")) {
            Path file = folder.resolve("huge.safetensors");
            try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
                out.setLength(0);
                int size = 99_000_000;
                out.write(length(size), 0, 8);
                byte[] bytes = new byte[size];
                Arrays.fill(bytes, (byte) (filler.equals(" ") ? ' ' : 'x'));
                byte[] start = filler.equals(" ") ? text("{") : text(filler);
                System.arraycopy(start, 0, bytes, 0, start.length);
                out.write(bytes);
            }
            assertTimeoutPreemptively(
                    Duration.ofSeconds(5),
                    () -> assertThatThrownBy(() -> SafetensorsHeader.read(file))
                            .isInstanceOf(ModelLoadException.class));
        }
    }

    @Test
    void tooManyTensors_areRefused() throws IOException {
        StringBuilder json = new StringBuilder("{");
        for (int i = 0; i <= SafetensorsHeader.MAX_TENSORS; i++) {
            json.append(i == 0 ? "" : ",")
                    .append("\"t")
                    .append(i)
                    .append("\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
        }
        Path file = Safetensors.write(folder.resolve("x.safetensors"), json + "}", 0);
        assertThatThrownBy(() -> SafetensorsHeader.read(file))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("more than 50000 tensors");
    }

    /** A name could hold what moves the cursor of the terminal that shows the message. */
    @Test
    void controlCharactersInNames_areNotShown() throws IOException {
        Path file = Safetensors.write(folder.resolve("x.safetensors"), "{\"\\u001b[2J\\n\\u202e\":1}", 0);
        assertThatThrownBy(() -> SafetensorsHeader.read(file))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("\"\uFFFD[2J\uFFFD\uFFFD\"");
    }
}
