package io.github.zimage.internal.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.safetensors.Safetensors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.List;
import org.assertj.core.data.Offset;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Protects a process from files that change, are cut or fail while it uses them: a page of a mapping that cannot be read would end it. */
final class ReadWeightsTest {
    private static final int ROWS = 5000;

    @TempDir
    Path folder;

    private Path file;
    private WeightIndex index;

    @BeforeEach
    void write() throws IOException {
        NativeRuntime.load();
        String header =
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[%d,2],\"data_offsets\":[0,%d]}}".formatted(ROWS, 8 * ROWS);
        byte[] bytes = Safetensors.bytes(header + " ".repeat(Math.floorMod(-header.length(), 8)), 8 * ROWS);
        ByteBuffer numbers =
                ByteBuffer.wrap(bytes, bytes.length - 8 * ROWS, 8 * ROWS).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < 2 * ROWS; i++) {
            numbers.putFloat(i);
        }
        file = Files.write(folder.resolve("model.safetensors"), bytes);
        index = WeightFiles.open(folder, "model", null);
    }

    private void cut() throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(100);
        }
    }

    // A test that failed would not fail but end this process.
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void readWeights_outliveTheirFile() throws IOException {
        try (PointerScope scope = new PointerScope();
                WeightStore store = new WeightStore(index.read(), done -> {})) {
            Tensor weight = store.get("a", ScalarType.Float);
            assertThat(store.isMapped()).isFalse();
            assertThat(store.mapped()).isEmpty();
            assertThat(store.convertedBytes()).isZero();
            cut();
            assertThat(weight.sum().item_float()).isCloseTo((float) ROWS * (2 * ROWS - 1), within());
            assertThatThrownBy(() -> store.passing("a", ScalarType.Float))
                    .isInstanceOf(ModelLoadException.class)
                    .hasMessageContaining("model.safetensors: cannot read tensor a: the file ends at byte 100");
        }
    }

    private static Offset<Float> within() {
        return Offset.offset(100f); // of 5e7, added up in FP32
    }

    @Test
    void readWeights_areThoseThatAreMapped_whateverIsMadeOfThem() throws IOException {
        WeightIndex derived = index.read()
                .renamed(name -> "x." + name)
                .with((name, entry) -> entry)
                .selected(List.of("x.a"));
        assertThat(derived.isRead()).isTrue();
        try (PointerScope scope = new PointerScope();
                WeightStore read = new WeightStore(derived, done -> {});
                WeightStore mapped = new WeightStore(index, done -> {})) {
            assertThat(torch.equal(read.get("x.a", ScalarType.Float), mapped.get("a", ScalarType.Float)))
                    .isTrue();
            assertThat(read.isMapped()).isFalse();
            assertThat(mapped.isMapped()).isTrue();
        }
    }

    @Test
    void rowsOfATable_areReadAlone() {
        try (PointerScope scope = new PointerScope();
                WeightStore store = new WeightStore(index, done -> {})) {
            Tensor rows = store.rows("a", new int[] {ROWS - 1, 0, 7, 7}); // [4, 2]
            assertThat(Tensors.toFloats(rows)).containsExactly(2 * ROWS - 2, 2 * ROWS - 1, 0, 1, 14, 15, 14, 15);
            assertThat(store.isMapped()).isFalse();
        }
    }

    @Test
    void fileThatIsCutInPlace_isNoticed() throws IOException {
        FileState state = new FileState(index);
        state.requireUntouched();
        cut();
        assertThatThrownBy(state::requireUntouched)
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("model.safetensors: the file must stay as it was when the pipeline was built, ")
                .hasMessageEndingWith(": build the pipeline anew");
    }

    @Test
    void fileThatIsWrittenTo_isNoticed() throws IOException {
        FileState state = new FileState(index);
        Files.setLastModifiedTime(file, FileTime.fromMillis(1_000_000_000_000L));
        assertThatThrownBy(state::requireUntouched).isInstanceOf(ModelLoadException.class);
    }

    // Who has opened the file still reads what was there.
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void fileThatIsReplacedOrRemoved_doesNoHarmToWhoHasIt() throws IOException {
        FileState state = new FileState(index);
        Path other = Files.write(folder.resolve("other"), new byte[10]);
        Files.move(other, file, StandardCopyOption.REPLACE_EXISTING);
        assertThatCode(state::requireUntouched).doesNotThrowAnyException();
        assertThatThrownBy(state::requireUnchanged).isInstanceOf(ModelLoadException.class);
        Files.delete(file);
        assertThatCode(state::requireUntouched).doesNotThrowAnyException();
    }
}
