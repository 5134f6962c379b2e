package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.tuning.Profile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects that tuning ends with a profile that generate takes. */
final class TuneCommandTest {
    @TempDir
    Path folder;

    @Test
    void tune_writesAProfileThatGenerateTakes() {
        Path model = folder.resolve("tiny");
        MainTest.run("synth", model.toString(), "--size", "tiny");
        Path profile = folder.resolve("profile.json");

        MainTest.Run run = MainTest.run(
                "tune", "--model", model.toString(), "--size=32", "--steps=2", "--anyway", "--out", profile.toString());

        assertThat(run.code()).isZero();
        assertThat(run.out()).contains("reference", "bf16", "blockwise", "Take ", profile + "  use it");
        Profile written = Profile.read(profile);
        assertThat(run.out()).contains(" with " + written.attention().name() + ": a picture of 32 by 32 pixels");
        Path picture = folder.resolve("f.png");
        MainTest.Run generate = MainTest.run(
                "generate",
                "--model",
                model.toString(),
                "--profile",
                profile.toString(),
                "--prompt=a fox",
                "--width=32",
                "--height=32",
                "--steps=1",
                "--out",
                picture.toString());
        assertThat(generate.code()).isZero();
        assertThat(picture).exists();
    }

    // A time is that of a warm pipeline, and one step is both the first and the last.
    @Test
    void oneStep_isMeasuredInAPictureThatIsWarm() {
        Path model = folder.resolve("tiny");
        MainTest.run("synth", model.toString(), "--size", "tiny");
        Path profile = folder.resolve("profile.json");
        MainTest.Run run = MainTest.run(
                "tune",
                "--model",
                model.toString(),
                "--size=512",
                "--steps=1",
                "--anyway",
                "--out",
                profile.toString());
        assertThat(run.code()).isZero();
        assertThat(run.out()).contains("a picture of 512 by 512 pixels in 1 steps takes about");
        assertThat(profile).exists();
    }

    @Test
    void badRequest_isRefusedBeforeAnythingIsMeasured() {
        Path profile = folder.resolve("missing").resolve("profile.json");
        MainTest.Run noFolder = MainTest.run("tune", "--model", "x", "--out", profile.toString());
        assertThat(noFolder.code()).isEqualTo(2);
        assertThat(noFolder.err()).contains("there is no folder");
        Path model = folder.resolve("tiny");
        MainTest.run("synth", model.toString(), "--size", "tiny");
        Path out = folder.resolve("p.json");
        MainTest.Run size = MainTest.run("tune", "--model", model.toString(), "--size=33", "--out", out.toString());
        assertThat(size.code()).isEqualTo(2);
        assertThat(size.err()).contains("width must be a multiple of 16, but was 33");
        assertThat(Files.exists(out)).isFalse();
    }

    @Test
    void generate_refusesADamagedProfile() throws IOException {
        Path profile = Files.writeString(folder.resolve("p.json"), "{\"precison\": 1}");
        MainTest.Run run = MainTest.run("generate", "--model", "x", "--profile", profile.toString(), "--prompt=a fox");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).contains("p.json: precison is not a setting");
    }
}
