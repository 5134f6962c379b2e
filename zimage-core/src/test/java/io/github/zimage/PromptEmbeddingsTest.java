package io.github.zimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.zimage.internal.safetensors.SafetensorsHeader;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects that embeddings survive a file, under the name that Python programs know. */
class PromptEmbeddingsTest {
    @TempDir
    Path folder;

    @Test
    void savedEmbeddings_areLoadedBitByBit() {
        float[] values = new float[5 * 7000];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) Math.sin(i);
        }
        Path file = folder.resolve("fox.safetensors");
        PromptEmbeddings saved = PromptEmbeddings.of(5, 7000, values);
        saved.save(file);
        PromptEmbeddings loaded = PromptEmbeddings.load(file);
        assertThat(loaded).hasToString("PromptEmbeddings[5, 7000]");
        assertThat(loaded.values()).containsExactly(values);
        assertThat(SafetensorsHeader.read(file).tensors().get("prompt_embeds").shape())
                .containsExactly(5L, 7000L);
    }

    @Test
    void whatHoldsNone_isRefused() {
        Path file = folder.resolve("latents.safetensors");
        Latents.save(file, List.of(Latents.of(1, 2, 3, new float[6])));
        assertThatExceptionOfType(ZImageException.class)
                .isThrownBy(() -> PromptEmbeddings.load(file))
                .withMessage(
                        "latents.safetensors: must hold one F32 tensor prompt_embeds of 2 dimensions, but does not");
        assertThatExceptionOfType(UncheckedIOException.class)
                .isThrownBy(() -> PromptEmbeddings.of(1, 1, new float[1]).save(folder.resolve("none/x")))
                .withMessageStartingWith("embeddings cannot be written to ");
        assertThat(folder.resolve("none")).doesNotExist();
    }
}
