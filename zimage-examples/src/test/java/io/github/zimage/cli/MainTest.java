package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.zimage.GenerationCancelledException;
import io.github.zimage.ModelLoadException;
import io.github.zimage.NativeLibraryException;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.ZImageException;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Command;

final class MainTest {
    @TempDir
    Path folder;

    // What --verbose sets is read when the first logger is made, which may be in another test.
    @AfterEach
    void forgetVerbosity() {
        System.clearProperty("zimage.log.level");
        System.clearProperty("zimage.log.trace");
    }

    // The model is missing in all of these: nobody should wait for it to load to hear of a mistake in the request.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--width 0                 | width must be between 1 and 8192 pixels, but was 0",
                "--height 9000             | height must be between 1 and 8192 pixels, but was 9000",
                "--width x                 | Invalid value for option '--width': 'x' is not an int",
                "--steps 0                 | steps must be between 1 and 1000, but was 0",
                "--steps 1001              | steps must be between 1 and 1000, but was 1001",
                "--count 0                 | count must be between 1 and 1000, but was 0",
                "--guidance NaN            | guidance must be between 0 and 100, but was NaN",
                "--guidance -1             | guidance must be between 0 and 100, but was -1",
                "--guidance Infinity       | guidance must be between 0 and 100, but was Infinity",
                "--cfg-normalization -0.5  | cfgNormalization must be between 0 and 100, but was -0.5",
                "--cfg-truncation NaN      | cfgTruncation must be between 0 and 1, but was NaN",
                "--sigmas 0.5,1            | sigmas must fall strictly from at most 1 to above 0, but were [0.5, 1.0]",
                "--sigmas 1,x              | Invalid value for option '--sigmas' (S,S,...): 'x' is not a float",
                "--sigmas 1,0.5 --steps 3  | sigmas must be one a step (3), but there were 2",
                "--seed 1e3                | Invalid value for option '--seed': a seed is a whole number from -2^63 to 2^64 - 1, or -1 for a random one, but was '1e3'",
                "--seed 18446744073709551616 | seed must be between -9223372036854775808 and 18446744073709551615, but was 18446744073709551616",
                "--dtype fp16              | Invalid value for option '--dtype': expected one of [FP32, BF16, INT8, FP8]",
                "--vae-precision int8      | the VAE's precision must be FP32 or BF16, but was INT8",
                "--seed                    | Missing required parameter for option '--seed' (N)",
                "--seed 1 --seed 2         | option '--seed' (N) should be specified only once",
                "--step 3                  | Unknown option: '--step'; did you mean --steps",
                "--prompt fox              | option '--prompt' (TEXT) should be specified only once",
                "--out fox.gif             | --out must end in .png, .jpg or .jpeg, but was 'fox.gif'",
                "--out fox.webp            | --out must end in .png, .jpg or .jpeg, but was 'fox.webp' (WebP cannot be written",
                "--out {seeds}.png         | --out may have {seed}, {n} and {prompt} in it, but not '{seeds}'",
                "--jpeg-quality 80         | --jpeg-quality is for names that end in .jpg, but --out is zimage.png",
                "--from missing.png        | --from cannot take the settings of missing.png: there is no such file",
                "--negative @missing       | there is no file 'missing' to read the prompt from; a prompt that begins with @ is written with @@",
                "--out /nowhere/fox.png    | cannot write /nowhere/fox.png: there is no folder /nowhere",
                "--out /nowhere/fox.png --count 2 | cannot write /nowhere/fox-1.png: there is no folder /nowhere",
                "--latents-out /           | cannot write /: it is a folder",
                "--latents-out /dev/null   | cannot write /dev/null: it is not a regular file",
                "--out /proc/fox.png       | cannot write /proc/fox.png: no file can be made in /proc",
                "--memory 8               | Invalid value for option '--memory': memory must be a number with a unit, such as 8g or 512m, but was '8'",
                "--place gpu              | Invalid value for option '--place' (PART=WHERE): must be text=, transformer=, vae= or upscaler= and a place, but was 'gpu'",
                "--device gpu             | --device must be auto, cpu or cuda:N, but was 'gpu'",
                "--place vae=gpu          | Invalid value for option '--place' (PART=WHERE): place must be cpu, cuda:N, disk, park:cpu, stream:cpu or stream:disk, but was 'gpu'",
                "--place vae=cpu --place vae=disk | --place must be given once for each part, but vae was placed twice",
                "fox                       | give one prompt, but there were 'fox' and --prompt 'a'",
                "fox hen                   | give one prompt, but there were 'fox hen' and --prompt 'a'",
            })
    void generate_badRequest_isRefusedBeforeTheModelLoads(String options, String message) {
        List<String> args = new ArrayList<>(List.of("generate", "--model", "missing", "--prompt", "a"));
        args.addAll(List.of(options.split(" +", -1)));

        Run run = run(args.toArray(String[]::new));

        assertThat(run.err).startsWith("zimage: " + message);
        assertRefused(run, 2);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "                      | which command? One of generate, batch, info, convert, doctor, plan, prompt, pull, samplers, serve, synth, tune",
                "generat               | Unmatched argument at index 0: 'generat'; did you mean generate",
                "--verison             | Unknown option: '--verison'; did you mean --verbose or --version",
                "generate --model m    | nothing to draw: give a prompt",
                "generate @missing     | there is no file 'missing' to read the prompt from",
                "generate --stepz 4 a fox | Unknown option: '--stepz'; did you mean --steps",
                "generate --promt fox --model m | Unknown option: '--promt'; did you mean --prompt",
                "info                  | Missing required parameter: 'DIR|FILE.png'",
                "info missing.png      | there is no file missing.png",
                "info /dev/null        | /dev/null is not a file",
                "info @args            | there is no folder @args",
                "plan --place vae=cpu  | --place is for a checkpoint: name it with --model",
                "plan --json           | --json prints one plan: name the machine by --memory or --card",
                "plan --model m --card 8g --memory 8g | --memory plans for the CPU, --card for a card: give one of them",
                "plan --model m --size big | a size must be like 1024x768, 1024, 16:9 or 16:9@1024, but was 'big'",
                "plan --model m --count 0 | count must be between 1 and 1000, but was 0",
                // 1 MiB is too little for any plan, so whoever forgets the option would start the server.
                "serve --port 0 --memory 1m       | a memory budget of 1 MiB is too small",
                "serve --port 0 --memory-limit 1m | a memory budget of 1 MiB is too small",
                "serve --cache x --no-cache | --cache and --no-cache exclude each other",
                "generate x --sampler dpm | Invalid value for option '--sampler': sampler must be one of euler, euler_ancestral,"
                        + " heun, dpmpp_2m, dpmpp_sde, res_multistep, uni_pc, lcm, but was \"dpm\"",
                "tune --model m --threads x | Invalid value for option '--threads': 'x' is not an int",
                "synth x               | Missing required option: '--size=turbo|tiny'",
                "synth x --size huge   | Invalid value for option '--size': expected one of [TINY, TURBO]",
                "synth x --size tiny --dtype fp16 | Invalid value for option '--dtype': expected one of [FP32, BF16, INT8, FP8]",
                "synth /dev/null --size tiny | folder must be new or empty, but /dev/null is a file",
            })
    void badCommandLine_isRefused(String line, String message) {
        Run run = run(line == null ? new String[0] : line.split(" +", -1));

        assertThat(run.err).startsWith("zimage: " + message);
        assertRefused(run, line != null && line.endsWith("@args") ? 3 : 2);
    }

    @Test
    void generate_missingModel_isABadModel() {
        Run run = generate("--out", folder.resolve("fox.png").toString());
        assertThat(run.err).startsWith("zimage: ").contains("missing: must be a checkpoint folder");
        assertRefused(run, 3);
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void generate_outputThatIsAFolder_isRefused() throws Exception {
        Path out = Files.createDirectory(folder.resolve("fox.png"));
        Run run = generate("--out", out.toString());
        assertThat(run.err).startsWith("zimage: cannot write %s: it is a folder".formatted(out));
        assertRefused(run, 2);
    }

    @Test
    void generate_outputsOfOneName_areRefused() {
        Path out = folder.resolve("fox.png");
        Run run = generate(
                "--out",
                out.toString(),
                "--latents-out",
                folder.resolve("./fox.png").toString());
        assertThat(run.err).startsWith("zimage: --out and --latents-out must differ");
        assertRefused(run, 2);
        assertThat(folder).isEmptyDirectory();
    }

    // Scripts decide by the code whether to try again, with another model or on another machine.
    @ParameterizedTest
    @MethodSource
    void failure_hasItsCodeAndOneLine(Throwable failure, int code, String message) {
        Run run = runFailing(failure);
        assertThat(run.err).isEqualTo("zimage: " + message + System.lineSeparator());
        assertRefused(run, code);
    }

    static Stream<Arguments> failure_hasItsCodeAndOneLine() {
        return Stream.of(
                Arguments.of(new IllegalArgumentException("width must be even"), 2, "width must be even"),
                Arguments.of(new ModelLoadException("no vae"), 3, "no vae"),
                Arguments.of(new OutOfDeviceMemoryException("too big"), 4, "too big"),
                Arguments.of(
                        new OutOfMemoryError("Java heap space"),
                        4,
                        "out of memory (Java heap space); give Java more with -Xmx, or ask for a smaller picture"),
                Arguments.of(new NativeLibraryException("add a:b:c"), 1, "add a:b:c"),
                Arguments.of(new ZImageException("first\n  second\r\nthird\n"), 1, "first; second; third"),
                Arguments.of(new ZImageException("a\u001b[31mred"), 1, "a\ufffd[31mred"),
                Arguments.of(new GenerationCancelledException("cancelled"), 130, "cancelled"),
                Arguments.of(
                        new IllegalStateException("oh"),
                        1,
                        "unexpected IllegalStateException: oh (--verbose says more)"),
                Arguments.of(new StackOverflowError(), 1, "unexpected StackOverflowError: null (--verbose says more)"));
    }

    @Test
    void verbose_printsTheStackTrace() {
        assertThat(runFailing(new ModelLoadException("no vae"), "--verbose").err)
                .startsWith("zimage: no vae")
                .contains("ModelLoadException", "\tat ");
        assertThat(runFailing(new OutOfMemoryError("heap"), "--verbose").err).contains("\tat ");
    }

    // Other programs call the command with these names.
    @Test
    void generate_help_namesEveryOption() {
        Run run = run("generate", "--help");
        assertThat(run.code).isZero();
        assertThat(run.err).isEmpty();
        assertThat(run.out
                        .lines()
                        .filter(line -> line.matches(" {2,6}-.*"))
                        .map(line -> line.strip().split(" {2,}", -1)[0]))
                .containsExactly(
                        "-m, --model=DIR|FILE|NAME",
                        "--text-encoder=FILE|DIR",
                        "--vae=FILE|DIR",
                        "--tokenizer=FILE|DIR",
                        "--variant=NAME",
                        "--yes",
                        "-p, --prompt=TEXT",
                        "--lint=MODE",
                        "--negative=TEXT",
                        "--max-prompt-tokens=N",
                        "--truncate-prompt",
                        "--from=F.png",
                        "--lora=FILE[=WEIGHT]",
                        "--lora-dir=DIR",
                        "--lora-strict",
                        "--prompt-loras",
                        "--size=SIZE",
                        "--width=PIXELS",
                        "--height=PIXELS",
                        "--steps=N|auto",
                        "--sigmas=S,S,...",
                        "--sampler=NAME",
                        "--schedule=NAME",
                        "--shift=S",
                        "--step-cache=CACHE",
                        "-s, --seed=N",
                        "--count=N",
                        "--seeds=N,N,...",
                        "--preview",
                        "--hires=FACTOR",
                        "--guidance=G",
                        "--cfg-normalization=F",
                        "--cfg-truncation=F",
                        "--guidance-method=cfg|cfg_zero|apg",
                        "--guidance-rescale=F",
                        "--nag-scale=S",
                        "--nag-tau=T",
                        "--nag-alpha=A",
                        "--image=FILE",
                        "--strength=S",
                        "--strength-mode=continuous|stepped",
                        "--fit=stretch|cover|contain",
                        "--mask=FILE",
                        "--mask-mode=binary|soft|differential",
                        "--mask-cells=any|corner",
                        "--mask-padding=PIXELS",
                        "--extend=SIDE=PIXELS,...",
                        "--upscaler=FILE",
                        "--control=FILE",
                        "--control-model=DIR|FILE",
                        "--control-type=auto|canny|tile|grey|blur|none",
                        "--control-scale=S",
                        "--control-until=T",
                        "--dtype=fp32|bf16|int8|fp8",
                        "--vae-precision=fp32|bf16",
                        "--vae-tiling=auto|on|off|ROWS",
                        "--attention=NAME",
                        "--profile=F.json",
                        "--threads=N",
                        "--memory=SIZE",
                        "--place=PART=WHERE",
                        "--device=auto|cpu|cuda:N,...",
                        "--compile",
                        "--cache=DIR",
                        "--no-cache",
                        "--read-weights",
                        "--plan",
                        "-o, --out=F.png|F.jpg",
                        "--jpeg-quality=Q",
                        "--json",
                        "--latents-out=F.safetensors",
                        "--no-metadata",
                        "--preview-every=N",
                        "--preview-out=PATTERN.png",
                        "--preview-decoder=F.safetensors",
                        "--verbose",
                        "--quiet",
                        "-h, --help");
        assertThat(run.out).startsWith("Usage: zimage generate [OPTIONS] PROMPT");
        assertThat(run.out.lines()).allMatch(line -> line.length() <= 100);
    }

    @Test
    void help_namesEveryCommand() {
        Run run = run("--help");
        assertThat(run.code).isZero();
        assertThat(run.out)
                .contains("generate", "info", "doctor", "prompt", "synth", "tune", "Exit codes: 0 done, 2 bad request");
    }

    @Test
    void help_ofACommand() {
        assertThat(run("help", "generate").out).isEqualTo(run("generate", "--help").out);
        assertThat(run("help").out).isEqualTo(run("--help").out);
        assertRefused(run("help", "drawing"), 2);
    }

    // Drawn would be the noise of a model without a prompt, or of a hyphen.
    @ParameterizedTest
    @ValueSource(strings = {"", " ", "\n\t"})
    void emptyPrompt_isRefused(String prompt) {
        Run run = run("generate", "--model=missing", prompt);
        assertThat(run.err).isEqualTo("zimage: nothing to draw: the prompt is empty" + System.lineSeparator());
        assertRefused(run, 2);
    }

    @Test
    void promptOfTheStandardInput_isReadToItsEnd() {
        assertThat(PromptText.read(in("a fox,\n红色 🦊\r\n\n".getBytes(StandardCharsets.UTF_8))))
                .isEqualTo("a fox,\n红色 🦊");
        assertThat(PromptText.read(in(new byte[0]))).isEmpty();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PromptText.read(in(new byte[] {'a', (byte) 0xff})))
                .withMessage("the prompt on the standard input must be UTF-8, but is not");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PromptText.read(in(new byte[1 << 20])))
                .withMessageContaining("at most 262144 bytes");
    }

    @Test
    void promptOfAFile_isReadToItsEnd() throws Exception {
        Path file = Files.writeString(folder.resolve("prompt.txt"), "a fox,\n红色 🦊\n\n");
        assertThat(PromptText.of("@" + file)).isEqualTo("a fox,\n红色 🦊");
        assertThat(PromptText.of("@@fox")).isEqualTo("@fox");
        assertThat(PromptText.of("a@b")).isEqualTo("a@b");
        Path image = Files.write(folder.resolve("fox.png"), new byte[] {'a', (byte) 0xff});
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PromptText.of("@" + image))
                .withMessage("the prompt in %s must be UTF-8, but is not".formatted(image));
    }

    private static InputStream in(byte[] bytes) {
        return new ByteArrayInputStream(bytes);
    }

    @Test
    void version_isThatOfTheBuild() {
        assertThat(run("--version").out.strip()).matches("zimage \\d+\\.\\d+\\.\\d+(-SNAPSHOT)?");
    }

    // Containers set no locale; Java then reads and writes ASCII, and would draw question marks.
    @Test
    @EnabledOnOs(OS.LINUX)
    void withoutLocale_argumentsKeepTheirCharacters() throws Exception {
        Run run = runInNewJvm(
                environment -> environment.keySet().removeIf(name -> name.equals("LANG") || name.startsWith("LC_")),
                "generate",
                "--steps=1",
                "--prompt=a",
                "红色的狐狸 🦊",
                "",
                "--model=m");
        assertThat(run.out).isEqualTo("zimage: give one prompt, but there were '红色的狐狸 🦊 ' and --prompt 'a'\n");
        assertThat(run.code).isEqualTo(2);
    }

    // Names that Java cannot make a path of, in whatever variable; in containers there is seldom a locale.
    @ParameterizedTest
    @ValueSource(strings = {"ZIMAGE_MODEL", "ZIMAGE_CACHE", "ZIMAGE_NATIVES"})
    @EnabledOnOs(OS.LINUX)
    void withoutLocale_foldersOfTheEnvironment_areNamedAsTheyWereWritten(String variable) throws Exception {
        Run run = runInNewJvm(
                environment -> {
                    environment.put("LC_ALL", "C");
                    environment.put(variable, "/models/中文");
                },
                "generate",
                "--size=16",
                "--steps=1",
                "--out=" + folder.resolve("fox.png"),
                "a fox");
        assertThat(run.out)
                .containsOnlyOnce(
                        variable
                                + ": '/models/中文' cannot be a file name here, as no locale with UTF-8 is set (try LC_ALL=C.UTF-8)")
                .doesNotContain("Malformed", "ExceptionInInitializer");
        assertThat(run.code)
                .isEqualTo(
                        switch (variable) {
                            case "ZIMAGE_MODEL" -> 2;
                            case "ZIMAGE_NATIVES" -> 1;
                            default -> 0; // a cache is no must
                        });
    }

    // What is not ours to have is left out of account, as where it is not set.
    @Test
    @EnabledOnOs(OS.LINUX)
    void withoutLocale_otherFoldersOfTheEnvironment_areAsIfNotSet() throws Exception {
        Run run = runInNewJvm(
                environment -> {
                    environment.put("LC_ALL", "C");
                    environment.put("XDG_CACHE_HOME", "/caches/中文");
                },
                "generate",
                "--size=16",
                "--steps=1",
                "--out=" + folder.resolve("fox.png"),
                "a fox");
        assertThat(run.code).as(run.out).isZero();
        assertThat(folder.resolve("fox.png")).exists();
    }

    @Test
    void modelOfTheEnvironment_isUsedUnlessOneIsNamed() throws Exception {
        for (String[] args : new String[][] {{"generate", "a"}, {"generate", "--model=here", "a"}}) {
            Run run = runInNewJvm(environment -> environment.put("ZIMAGE_MODEL", "there"), args);
            assertThat(run.out).contains((args.length == 2 ? "there" : "here") + ": must be a checkpoint folder");
            assertThat(run.code).isEqualTo(3);
        }
    }

    /** Runs the command; what it says on both streams is in {@code out}. */
    private static Run runInNewJvm(Consumer<Map<String, String>> environment, String... args) throws Exception {
        return runIn(Path.of("").toAbsolutePath(), environment, args);
    }

    /** As the other one, in a folder. */
    static Run runIn(Path directory, Consumer<Map<String, String>> environment, String... args) throws Exception {
        List<String> line = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
        line.addAll(List.of(args));
        ProcessBuilder builder = new ProcessBuilder(line).directory(directory.toFile());
        environment.accept(builder.environment());
        Process process = builder.redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
        return new Run(process.exitValue(), output, "");
    }

    private static void assertRefused(Run run, int code) {
        assertThat(run.code).isEqualTo(code);
        assertThat(run.err.lines()).hasSize(1);
        assertThat(run.err).hasSizeLessThan(300);
        assertThat(run.out).isEmpty();
    }

    private static Run generate(String... options) {
        List<String> args = new ArrayList<>(List.of("generate", "--model", "missing", "--prompt", "a"));
        args.addAll(Arrays.asList(options));
        return run(args.toArray(String[]::new));
    }

    private static Run runFailing(Throwable failure, String... options) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        List<String> args = new ArrayList<>(List.of("fail"));
        args.addAll(List.of(options));
        Main main = new Main();
        PrintWriter errors = new PrintWriter(err);
        CommandLine commandLine = main.commandLine(new PrintWriter(out), errors);
        commandLine.addSubcommand(new Failing(failure));
        int code = main.run(commandLine, args.toArray(String[]::new));
        return new Run(code, out.toString(), err.toString());
    }

    static Run run(String... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        Main main = new Main();
        int code = main.run(main.commandLine(new PrintWriter(out), new PrintWriter(err)), args);
        return new Run(code, out.toString(), err.toString());
    }

    record Run(int code, String out, String err) {}

    @Command(name = "fail")
    private static final class Failing implements Runnable {
        private final Throwable failure;

        Failing(Throwable failure) {
            this.failure = failure;
        }

        @Override
        public void run() {
            if (failure instanceof Error error) {
                throw error;
            }
            throw (RuntimeException) failure;
        }
    }
}
