package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.ImageParameters;
import io.github.zimage.Lora;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects the command's options for LoRAs: by file or by name, in the prompt where that is asked for, and what info says of them. */
final class LoraCommandTest {
    @TempDir
    Path folder;

    private String out = "";
    private String err = "";
    private Path picture;
    private int pictures;

    @BeforeEach
    void copy() throws IOException, URISyntaxException {
        for (String name : List.of("dragon", "outline")) {
            Path file =
                    Path.of(Objects.requireNonNull(LoraCommandTest.class.getResource("/lora/" + name + ".safetensors"))
                            .toURI());
            Files.copy(file, folder.resolve(name + ".safetensors"));
        }
        picture = folder;
    }

    private int run(String... arguments) {
        MainTest.Run run = MainTest.run(arguments);
        out = run.out();
        err = run.err();
        return run.code();
    }

    private int generate(String prompt, String... more) {
        picture = folder.resolve("picture-" + pictures++ + ".png");
        List<String> arguments = new ArrayList<>(List.of(
                "generate",
                "--model",
                "demo-model",
                "--size",
                "64",
                "--steps",
                "1",
                "--seed",
                "1",
                "--out",
                picture.toString(),
                prompt));
        arguments.addAll(1, List.of(more));
        return run(arguments.toArray(String[]::new));
    }

    private List<Lora> drawn() {
        return Objects.requireNonNull(
                ImageParameters.read(picture).orElseThrow().request().loras());
    }

    @Test
    void files_areNamedWithWeights() {
        Path dragon = folder.resolve("dragon.safetensors");
        Path outline = folder.resolve("outline.safetensors");
        assertThat(generate("a fox", "--lora", dragon + "=0.8", "--lora", outline.toString()))
                .as(err)
                .isZero();
        assertThat(drawn()).extracting(Lora::name).containsExactly("dragon", "outline");
        assertThat(drawn()).extracting(Lora::weight).containsExactly(0.8, 1.0);
        assertThat(err).contains("LoRA dragon:", "modules of LoRA, rank 4, all applied");
        assertThat(run("info", picture.toString())).isZero();
        assertThat(out).contains("name dragon weight 0.8 sha256");
    }

    @Test
    void names_areLookedForInTheFolder() {
        assertThat(generate("a fox", "--lora-dir", folder.toString(), "--lora", "dragon=-0.5"))
                .as(err)
                .isZero();
        assertThat(drawn()).singleElement().satisfies(each -> {
            assertThat(each.name()).isEqualTo("dragon");
            assertThat(each.weight()).isEqualTo(-0.5);
        });
        assertThat(generate("a fox", "--lora-dir", folder.toString(), "--lora", "nothing"))
                .isNotZero();
        assertThat(err).contains("there is no LoRA 'nothing'");
        assertThat(generate("a fox", "--lora", "dragon")).isNotZero();
        assertThat(err).contains("--lora-dir");
    }

    @Test
    void promptsNameLoras_ifAskedTo() {
        String prompt = "a fox <lora:dragon:0.25> in the snow<lora:outline>";
        assertThat(generate(prompt, "--lora-dir", folder.toString(), "--prompt-loras"))
                .as(err)
                .isZero();
        assertThat(drawn()).extracting(Lora::name).containsExactly("dragon", "outline");
        assertThat(drawn()).extracting(Lora::weight).containsExactly(0.25, 1.0);
        assertThat(ImageParameters.read(picture).orElseThrow().prompt()).isEqualTo("a fox in the snow");
        assertThat(generate(prompt, "--lora-dir", folder.toString())).isZero();
        assertThat(ImageParameters.read(picture).orElseThrow().prompt())
                .as("as it was given")
                .isEqualTo(prompt);
    }

    @Test
    void info_saysWhatALoraHolds_withoutAModel() throws IOException {
        assertThat(run("info", folder.resolve("outline.safetensors").toString()))
                .as(err)
                .isZero();
        assertThat(out).contains("LoRA outline", "transformer.*.lora_A.weight", "rank 4", "alpha 8.0", "strength 2");
        Path other = Files.write(folder.resolve("other.safetensors"), new byte[] {1, 2, 3});
        assertThat(run("info", other.toString())).isNotZero();
        assertThat(err).contains("other.safetensors");
    }
}
