package io.github.zimage.internal.torchfile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.safetensors.TensorEntry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Protects that of PyTorch's files tensors are read and nothing else, whatever is in them. */
final class TorchFileTest {
    private static final int CHANGES = 4000;

    @TempDir
    Path folder;

    static List<Path> files() throws IOException, URISyntaxException {
        Path all = Path.of(Objects.requireNonNull(TorchFileTest.class.getResource("/upscalers"))
                .toURI());
        try (Stream<Path> files = Files.list(all)) {
            return files.filter(each -> each.toString().endsWith(".pth"))
                    .sorted()
                    .toList();
        }
    }

    @ParameterizedTest
    @MethodSource("files")
    void tensors_lieWithinTheFile(Path file) throws IOException {
        Map<String, Map<String, TensorEntry>> groups = TorchFile.read(file);
        List<TensorEntry> tensors =
                groups.values().stream().flatMap(each -> each.values().stream()).toList();
        assertThat(tensors).isNotEmpty();
        for (TensorEntry each : tensors) {
            assertThat(each.byteSize()).isEqualTo(each.type().bytes(each.shape()));
            assertThat(each.offset() + each.byteSize()).isLessThanOrEqualTo(Files.size(file));
        }
    }

    @Test
    void dictionaries_haveTheirNames() throws Exception {
        Path file = files().stream()
                .filter(each -> each.endsWith("basicsr-x4-ema.pth"))
                .findFirst()
                .orElseThrow();
        assertThat(TorchFile.read(file)).containsOnlyKeys("", "params", "params_ema");
    }

    // Changed, cut and lengthened files in both forms: what is read lies within the file, and all else is refused.
    @ParameterizedTest
    @MethodSource("files")
    void changedFiles_areReadOrRefused(Path file) throws IOException {
        byte[] sound = Files.readAllBytes(file);
        Path changed = folder.resolve("changed.pth");
        Random random = new Random(file.getFileName().toString().hashCode());
        int refused = 0;
        for (int i = 0; i < CHANGES / 4; i++) {
            byte[] bytes = changed(sound, random);
            Files.write(changed, bytes);
            try {
                for (Map<String, TensorEntry> group : TorchFile.read(changed).values()) {
                    for (TensorEntry each : group.values()) {
                        assertThat(each.offset()).isNotNegative();
                        assertThat(each.offset() + each.byteSize()).isLessThanOrEqualTo(bytes.length);
                    }
                }
            } catch (ModelLoadException e) {
                refused++;
                assertThat(e).hasMessageContaining("changed.pth");
            }
        }
        assertThat(refused).isGreaterThan(CHANGES / 40);
    }

    /** Mostly where the pickle and the directory are: at the beginning and at the end. */
    private static byte[] changed(byte[] sound, Random random) {
        byte[] bytes = random.nextInt(8) == 0 ? Arrays.copyOf(sound, random.nextInt(sound.length)) : sound.clone();
        for (int changes = 1 + random.nextInt(3); changes > 0 && bytes.length > 0; changes--) {
            int near = random.nextInt(Math.min(bytes.length, 8000));
            int at = random.nextBoolean() ? near : bytes.length - 1 - near;
            bytes[at] = random.nextBoolean()
                    ? (byte) random.nextInt(256)
                    : (byte) "(.RcQbtue\u0085\u0087".charAt(random.nextInt(11));
        }
        return bytes;
    }

    private Path zipped(String pickle) throws IOException {
        return zipped(pickle, "data.pkl");
    }

    private Path zipped(String pickle, String name) throws IOException {
        byte[] bytes = pickle.getBytes(StandardCharsets.ISO_8859_1);
        CRC32 crc = new CRC32();
        crc.update(bytes);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(out)) {
            ZipEntry entry = new ZipEntry("archive/" + name);
            entry.setMethod(ZipEntry.STORED);
            entry.setSize(bytes.length);
            entry.setCrc(crc.getValue());
            zip.putNextEntry(entry);
            zip.write(bytes);
        }
        return Files.write(folder.resolve("made.pth"), out.toByteArray());
    }

    // What runs a program, asks for another class, calls what is no function, or comes in another protocol.
    @ParameterizedTest
    @CsvSource({
        "'\u0080\u0002cposix\nsystem\nU\u0002idtR.', posix.system",
        "'\u0080\u0002cbuiltins\neval\nq\u0000.', builtins.eval",
        "'\u0080\u0002cnumpy.core.multiarray\nscalar\n.', numpy.core.multiarray.scalar",
        "'\u0080\u0002ctorch._utils\n_rebuild_qtensor\n.', torch._utils._rebuild_qtensor",
        "'\u0080\u0002}U\u0001a)R.', calls what makes no tensor",
        "'\u0080\u0002ccollections\nOrderedDict\n(K\u0001tR.', calls what makes no tensor",
        "'\u0080\u0002(iposix\nsystem\n.', operation 0x69",
        "'\u0080\u0002o.', operation 0x6f",
        "'\u0080\u0002\u0081.', operation 0x81",
        "'\u0080\u0004\u0095.', must be of protocol 2",
        "'\u0080\u0002]U\u0001aQ.', names a storage that is none",
        "'\u0080\u0002}', cut short",
        "'\u0080\u0002.', is not there",
        "'\u0080\u0002t.', mark that is not there",
        "'\u0080\u0002h\u0005.', value 5",
        "'\u0080\u0002K\u0001a.', is not there",
        "'\u0080\u0002K\u0001K\u0002a.', appends to what is no list",
        "'\u0080\u0002}}K\u0001s.', keys of its dictionaries",
        "'\u0080\u0002K\u0001.', must hold a dictionary",
        "'\u0080\u0002X\u00ff\u00ff\u00ff\u007f.', cut short",
    })
    void picklesOfMoreThanTensors_areRefusedByName(String pickle, String reason) throws IOException {
        Path file = zipped(pickle);
        assertThatThrownBy(() -> TorchFile.read(file))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("made.pth")
                .hasMessageContaining(reason);
    }

    // Each of forty lists holds the one before ten times: followed to the end that would take for ever.
    @Test
    void nestedLists_areNotFollowed() throws IOException {
        StringBuilder pickle = new StringBuilder("\u0080\u0002}U\u0001a]q\u0000s");
        for (char depth = 0; depth < 40; depth++) {
            String ten = ("h" + depth).repeat(10);
            pickle.append("U\u0001")
                    .append((char) ('b' + depth))
                    .append("](")
                    .append(ten)
                    .append("eq")
                    .append((char) (depth + 1))
                    .append('s');
        }
        Path file = zipped(pickle + ".");
        assertThat(TorchFile.read(file)).containsOnlyKeys("");
        Path itself = zipped("\u0080\u0002}q\u0000U\u0001ah\u0000s.");
        assertThat(TorchFile.read(itself)).containsOnlyKeys("", "a");
    }

    @Test
    void zipsOfOtherThings_areRefused() throws IOException {
        Path other = zipped("text", "text.txt");
        assertThatThrownBy(() -> TorchFile.read(other)).hasMessageContaining("must have one data.pkl, but has 0");
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(out)) {
            zip.putNextEntry(new ZipEntry("archive/data.pkl"));
            zip.write(new byte[100]);
        }
        Path compressed = Files.write(folder.resolve("compressed.pth"), out.toByteArray());
        assertThatThrownBy(() -> TorchFile.read(compressed))
                .hasMessageContaining("must be stored as it is, but is compressed");
        Path text = Files.writeString(folder.resolve("text.pth"), "no tensors here");
        assertThatThrownBy(() -> TorchFile.read(text)).hasMessageContaining("begins as none");
        Path empty = Files.createFile(folder.resolve("empty.pth"));
        assertThatThrownBy(() -> TorchFile.read(empty)).hasMessageContaining("is empty");
        assertThatThrownBy(() -> TorchFile.read(folder.resolve("none.pth")))
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("missing");
    }
}
