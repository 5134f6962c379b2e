package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Whatever a checkpoint holds and whatever is asked for, the command ends soon with one line that says what is wrong and with its
 * exit code, and leaves no file.
 */
@Timeout(10)
final class BadInputTest {
    private static final String TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors";
    private static final String VAE = "vae/diffusion_pytorch_model.safetensors";
    private static final String TEXT = "text_encoder/model.safetensors";
    private static final String TOKENIZER = "tokenizer/tokenizer.json";

    @TempDir
    static Path shared;

    @TempDir
    Path folder;

    private Path model;
    private Path output;

    @BeforeAll
    static void writeModel() {
        SyntheticModel.write(shared.resolve("tiny"), SyntheticModel.Size.TINY, Precision.BF16, 1, bytes -> {});
    }

    @BeforeEach
    void copyModel() throws IOException {
        model = folder.resolve("model");
        output = Files.createDirectory(folder.resolve("output"));
        Path source = shared.resolve("tiny");
        Files.walkFileTree(source, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path path, BasicFileAttributes attributes) throws IOException {
                Files.createDirectory(model.resolve(source.relativize(path)));
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) throws IOException {
                Files.copy(path, model.resolve(source.relativize(path)));
                return FileVisitResult.CONTINUE;
            }
        });
    }

    // Without this, all that follows might be refused for another reason.
    @Test
    void soundModel_draws() {
        Run run = generate();
        assertThat(run.err).isEmpty();
        assertThat(run.code).isZero();
        assertThat(output.resolve("fox.png")).isNotEmptyFile();
        assertThat(output.resolve("fox.safetensors")).isNotEmptyFile();
    }

    /** Something done to a checkpoint, and a word that the message must say about it. */
    private record Damage(String name, String says, Change change) {
        @Override
        public String toString() {
            return name;
        }
    }

    private interface Change {
        void apply(Path model) throws IOException;
    }

    static Stream<Damage> damages() {
        List<Damage> damages = new ArrayList<>();
        for (String file : List.of(TRANSFORMER, VAE, TEXT)) {
            damages.add(new Damage(file + " missing", "holds neither", delete(file)));
            damages.add(new Damage(file + " empty", "is empty", write(file, new byte[0])));
            damages.add(new Damage(file + " cut off", "cut off", truncate(file, 0.7)));
        }
        damages.add(new Damage("shard of 5 bytes", "at least 8 bytes", write(VAE, new byte[5])));
        damages.add(new Damage("shard cut off in its header", "cut off", truncate(VAE, 0.001)));
        damages.add(new Damage("oversized header", "header", patchLength(VAE, 1L << 40)));
        damages.add(new Damage("header of negative length", "header", patchLength(VAE, -1)));
        damages.add(new Damage("header of no length", "header", patchLength(VAE, 0)));
        damages.add(new Damage("header beyond the file", "header", patchLength(VAE, 90_000_000)));
        damages.add(new Damage("header that is no JSON", VAE, write(VAE, safetensors("{\"a\":", 0))));
        damages.add(new Damage("header that is a list", VAE, write(VAE, safetensors("[1]", 0))));
        damages.add(new Damage(
                "deeply nested header", VAE, write(VAE, safetensors("{\"a\":" + "[".repeat(500_000), 0))));
        damages.add(new Damage("overlapping tensors", VAE, write(VAE, safetensors("""
                {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}
                """, 12))));
        damages.add(new Damage("hole between tensors", VAE, write(VAE, safetensors("""
                {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}
                """, 12))));
        damages.add(new Damage("tensor beyond the file", VAE, write(VAE, tensor("F32", "1000", 0, 4000, 8))));
        damages.add(new Damage("tensor of negative offset", VAE, write(VAE, tensor("F32", "2", -8, 0, 8))));
        damages.add(new Damage("tensor that ends before it starts", VAE, write(VAE, tensor("F32", "2", 8, 0, 8))));
        damages.add(
                new Damage("overflowing shape", VAE, write(VAE, tensor("F32", "4294967296,4294967296,16", 0, 8, 8))));
        damages.add(new Damage("negative shape", VAE, write(VAE, tensor("F32", "-1,-2", 0, 8, 8))));
        damages.add(new Damage("shape that is no number", VAE, write(VAE, tensor("F32", "\"2\"", 0, 8, 8))));
        damages.add(new Damage("unknown type of numbers", VAE, write(VAE, tensor("F7_E9", "2", 0, 8, 8))));
        damages.add(new Damage("weights in a type that is not read", "vae", replaceInHeader(VAE, "BF16", "I16 ")));
        damages.add(
                new Damage("tensor missing", "layers.0.", replaceInHeader(TRANSFORMER, "\"layers.0.", "\"layerz.0.")));
        damages.add(
                new Damage("tensor of another shape", "x_pad_token", replaceInHeader(TRANSFORMER, "[1,96]", "[96,1]")));
        damages.add(new Damage("pickle in disguise", "pickle", write(VAE, pickle())));
        damages.add(new Damage("ZIP in disguise", VAE, write(VAE, bytes("PK\003\004 archive/data.pkl"))));
        damages.add(new Damage("folder in place of a shard", "a folder", folder(VAE)));
        damages.add(new Damage("index of shards that are missing", "missing.safetensors", model -> {
            Files.delete(model.resolve(VAE));
            Files.writeString(
                    model.resolve(VAE + ".index.json"),
                    "{\"weight_map\":{\"decoder.conv_in.weight\":\"missing.safetensors\"}}");
        }));
        damages.add(new Damage("index that leads out of the folder", "vae", model -> {
            Files.delete(model.resolve(VAE));
            Files.writeString(
                    model.resolve(VAE + ".index.json"),
                    "{\"weight_map\":{\"decoder.conv_in.weight\":\"../text_encoder/model.safetensors\"}}");
        }));

        damages.add(new Damage("no model_index.json", "model_index.json", delete("model_index.json")));
        damages.add(new Damage("model_index.json empty", "model_index.json", write("model_index.json", new byte[0])));
        damages.add(new Damage(
                "another pipeline", "ZImagePipeline", replace("model_index.json", "ZImagePipeline", "FluxPipeline")));
        damages.add(new Damage(
                "another transformer",
                "ZImageTransformer2DModel",
                replace("model_index.json", "ZImageTransformer2DModel", "LuminaTransformer")));
        damages.add(new Damage(
                "another scheduler",
                "FlowMatchEulerDiscreteScheduler",
                replace("scheduler/scheduler_config.json", "FlowMatchEuler", "EulerAncestral")));
        for (String config : List.of(
                "transformer/config.json",
                "text_encoder/config.json",
                "vae/config.json",
                "scheduler/scheduler_config.json")) {
            damages.add(new Damage(config + " missing", config, delete(config)));
            damages.add(new Damage(config + " cut off", config, truncate(config, 0.5)));
            damages.add(new Damage(config + " a list", config, write(config, bytes("[]"))));
        }
        damages.add(new Damage(
                "config that is binary", "vae/config.json", write("vae/config.json", new byte[] {0, -1, 7, 0})));
        damages.add(new Damage(
                "config of a gigantic number",
                "n_layers",
                replace("transformer/config.json", "\"n_layers\" : 3", "\"n_layers\" : 1e400000000")));
        damages.add(new Damage(
                "more layers than there are",
                "layers.3.",
                replace("transformer/config.json", "\"n_layers\" : 3", "\"n_layers\" : 4")));
        damages.add(new Damage(
                "no layers", "n_layers", replace("transformer/config.json", "\"n_layers\" : 3", "\"n_layers\" : -3")));
        damages.add(new Damage(
                "width that heads do not divide",
                "transformer",
                replace("transformer/config.json", "\"n_heads\" : 3", "\"n_heads\" : 7")));
        damages.add(new Damage(
                "more layers than memory",
                "n_layers",
                replace("transformer/config.json", "\"n_layers\" : 3", "\"n_layers\" : 2000000000")));
        damages.add(new Damage(
                "parts that do not fit",
                "cap_feat_dim",
                replace("transformer/config.json", "\"cap_feat_dim\" : 64", "\"cap_feat_dim\" : 65")));
        damages.add(new Damage(
                "no groups",
                "norm_num_groups",
                replace("vae/config.json", "\"norm_num_groups\" : 8", "\"norm_num_groups\" : 0")));
        damages.add(new Damage(
                "shift that is no number",
                "NaN",
                replace("scheduler/scheduler_config.json", "\"shift\" : 3.0", "\"shift\" : NaN")));
        damages.add(new Damage("folder in place of a config", "vae/config.json", folder("vae/config.json")));

        damages.add(new Damage("tokenizer missing", TOKENIZER, delete(TOKENIZER)));
        damages.add(new Damage("tokenizer empty", TOKENIZER, write(TOKENIZER, new byte[0])));
        damages.add(new Damage("tokenizer cut off", TOKENIZER, truncate(TOKENIZER, 0.5)));
        damages.add(new Damage("tokenizer a list", TOKENIZER, write(TOKENIZER, bytes("[1, 2]"))));
        damages.add(new Damage("tokenizer an empty object", TOKENIZER, write(TOKENIZER, bytes("{}"))));
        damages.add(new Damage("tokenizer of another kind", TOKENIZER, replace(TOKENIZER, "\"BPE\"", "\"Telepathy\"")));
        damages.add(new Damage(
                "tokenizer deeply nested", TOKENIZER, write(TOKENIZER, bytes("{\"a\":" + "[".repeat(2_000_000)))));
        damages.add(new Damage(
                "tokenizer of numbers where texts should be", TOKENIZER, replace(TOKENIZER, "\"<|im_start|>\"", "77")));
        damages.add(new Damage(
                "tokenizer binary", TOKENIZER, write(TOKENIZER, new byte[] {(byte) 0x80, 4, (byte) 0x95, 0, -1, -2})));
        damages.add(new Damage("folder in place of the tokenizer", TOKENIZER, folder(TOKENIZER)));
        damages.add(new Damage("folder empty", "model_index.json", model -> {
            for (String file : List.of("model_index.json", TRANSFORMER)) {
                Files.delete(model.resolve(file));
            }
        }));
        return damages.stream();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("damages")
    void damagedModel_isRefused(Damage damage) throws IOException {
        damage.change.apply(model);
        Run run = generate();
        assertRefused(run, 3);
        assertThat(run.err).contains(damage.says);
    }

    @Test
    void unreadableFile_isRefused() throws IOException {
        Path file = model.resolve(VAE);
        assumeFalse(!file.toFile().setReadable(false) || Files.isReadable(file), "the superuser reads everything");
        Run run = generate();
        assertRefused(run, 3);
        assertThat(run.err).contains("permission denied");
    }

    @Test
    void modelThatIsNoFolder_isRefused() {
        assertRefused(run("generate", "--model", folder.resolve("nowhere").toString(), "--prompt", "a"), 3);
        assertRefused(
                run("generate", "--model", model.resolve("model_index.json").toString(), "--prompt", "a"), 3);
    }

    // These need the model to be refused; those that do not are in MainTest.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--width 1000              | width must be a multiple of 16, but was 1000 (nearest: 992 or 1008)",
                "--width 8 --height 24     | width must be a multiple of 16, but was 8 (nearest: 16); height must be",
                "--attention warp          | attention must be one of auto, blockwise, sdpa, flash, math, example, but was warp",
                "--attention ,             | attention must be one of",
                "--max-prompt-tokens 16    | prompt must have at most 16 tokens, but has",
                "--max-prompt-tokens 3     | maxPromptTokens must be between 16 and 4096, but was 3",
            })
    void requestThatDoesNotSuitTheModel_isRefused(String options, String message) {
        Run run = generate(options.split(" +"));
        assertRefused(run, 2);
        assertThat(run.err).startsWith("zimage: " + message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"fp16", "../.."})
    void variantThatIsNotThere_isRefused(String variant) {
        Run run = generate("--variant", variant);
        assertRefused(run, 3);
        assertThat(run.err).contains('"' + variant + '"');
    }

    @Test
    void outputThatCannotBeWritten_isRefused() throws IOException {
        Path file = Files.createFile(output.resolve("file"));
        Run run = run(
                "generate",
                "--model",
                model.toString(),
                "--prompt",
                "a",
                "--out",
                file.resolve("fox.png").toString());
        Files.delete(file);
        assertRefused(run, 2);
    }

    private void assertRefused(Run run, int code) {
        assertThat(run.err.lines()).hasSize(1);
        assertThat(run.err).startsWith("zimage: ").hasSizeLessThan(600).doesNotContain("\tat ", "java.", "unexpected");
        assertThat(run.code).isEqualTo(code);
        assertThat(run.out).isEmpty();
        assertThat(output).isEmptyDirectory();
    }

    private Run generate(String... options) {
        List<String> args = new ArrayList<>(List.of(
                "generate",
                "--model",
                model.toString(),
                "--prompt",
                "a red fox in the snow, looking at the moon",
                "--steps",
                "1",
                "--dtype",
                "fp32",
                "--seed",
                "1",
                "--out",
                output.resolve("fox.png").toString(),
                "--latents-out",
                output.resolve("fox.safetensors").toString()));
        List<String> more = Arrays.asList(options);
        for (String side : List.of("--width", "--height")) {
            if (!more.contains(side)) {
                args.addAll(List.of(side, "16"));
            }
        }
        args.addAll(more);
        return run(args.toArray(String[]::new));
    }

    /** Runs the command. What libraries write to the standard error stream counts as well. */
    private static Run run(String... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        PrintStream before = System.err;
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        try {
            Main main = new Main();
            PrintWriter errors = new PrintWriter(err, true, StandardCharsets.UTF_8);
            int code = main.run(main.commandLine(new PrintWriter(out, true, StandardCharsets.UTF_8), errors), args);
            // The log is no message: at INFO it says which attention backend was chosen, and a test of --verbose turns
            // it up for
            // all tests of the JVM. Warnings count.
            String messages = err.toString(StandardCharsets.UTF_8).replaceAll("(?m)^(DEBUG|INFO) .*\\R", "");
            return new Run(code, out.toString(StandardCharsets.UTF_8), messages);
        } finally {
            System.setErr(before);
        }
    }

    private record Run(int code, String out, String err) {}

    private static Change delete(String file) {
        return model -> Files.delete(model.resolve(file));
    }

    private static Change write(String file, byte[] content) {
        return model -> Files.write(model.resolve(file), content);
    }

    private static Change folder(String file) {
        return model -> {
            Files.delete(model.resolve(file));
            Files.createDirectory(model.resolve(file));
        };
    }

    private static Change truncate(String file, double part) {
        return model -> {
            try (RandomAccessFile access =
                    new RandomAccessFile(model.resolve(file).toFile(), "rw")) {
                access.setLength((long) (access.length() * part));
            }
        };
    }

    private static Change replace(String file, String what, String by) {
        return model -> {
            String text = Files.readString(model.resolve(file));
            assertThat(text).contains(what);
            Files.writeString(model.resolve(file), text.replace(what, by));
        };
    }

    /** As {@link #replace}, with texts of one length, so that the data keeps its place. */
    private static Change replaceInHeader(String file, String what, String by) {
        return model -> {
            assertThat(by).hasSameSizeAs(what);
            String text = Files.readString(model.resolve(file), StandardCharsets.ISO_8859_1);
            assertThat(text).contains(what);
            Files.writeString(model.resolve(file), text.replace(what, by), StandardCharsets.ISO_8859_1);
        };
    }

    private static Change patchLength(String file, long length) {
        return model -> {
            byte[] content = Files.readAllBytes(model.resolve(file));
            ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN).putLong(length);
            Files.write(model.resolve(file), content);
        };
    }

    private static byte[] tensor(String type, String shape, long start, long end, int dataBytes) {
        return safetensors(
                "{\"a\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%d,%d]}}".formatted(type, shape, start, end),
                dataBytes);
    }

    private static byte[] safetensors(String header, int dataBytes) {
        byte[] json = bytes(header);
        return ByteBuffer.allocate(8 + json.length + dataBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .array();
    }

    /** What {@code pickle.dumps} makes of a call of {@code os.system}. */
    private static byte[] pickle() {
        return bytes("\200\004\225$\0\0\0\0\0\0\0\214\005posix\214\006system\223\214\004true\205R.");
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }
}
