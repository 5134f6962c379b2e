package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.upscale.UpscalerModel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects that clients can name the upscalers of a folder, and no other files. */
final class UpscalerFolderTest {
    private static final Path UPSCALERS = Path.of("../zimage-core/src/test/resources/upscalers");

    @Test
    void names_areThoseOfFiles(@TempDir Path folder) throws Exception {
        Files.copy(UPSCALERS.resolve("basicsr-x2.pth"), folder.resolve("twice.pth"));
        Files.writeString(folder.resolve("broken.safetensors"), "nothing");
        Files.writeString(folder.resolve("notes.txt"), "nothing");
        UpscalerFolder upscalers = new UpscalerFolder(folder);
        assertThat(upscalers.names()).containsExactly("broken", "twice");
        UpscalerModel twice = upscalers.find(UpscalerModel.named("twice"));
        assertThat(twice.scale()).isEqualTo(2);
        assertThat(upscalers.find(UpscalerModel.named(twice.toString()))).isEqualTo(twice);
        assertThatThrownBy(() -> upscalers.find(UpscalerModel.named("twice@sha256:" + "0".repeat(64))))
                .isInstanceOf(ApiException.class)
                .hasMessageContaining("is another file here");
        assertThatThrownBy(() -> upscalers.find(UpscalerModel.named("notes")))
                .hasMessageContaining("there is no upscaler 'notes' here, only broken, twice");
        assertThatThrownBy(() -> upscalers.find(UpscalerModel.named("broken")))
                .isInstanceOf(ApiException.class)
                .hasMessageContaining("broken.safetensors");
        assertThatThrownBy(() -> new UpscalerFolder(null).find(UpscalerModel.named("twice")))
                .hasMessageContaining("nor any other");
    }
}
