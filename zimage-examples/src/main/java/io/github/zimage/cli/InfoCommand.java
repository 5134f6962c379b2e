package io.github.zimage.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageParameters;
import io.github.zimage.Lora;
import io.github.zimage.LoraReport;
import io.github.zimage.ModelInfo;
import io.github.zimage.ModelLoadException;
import io.github.zimage.ZImageException;
import io.github.zimage.ZImageModel;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.upscale.UpscalerModel;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Says what a model, a LoRA or a ControlNet holds, or what a picture was made with. */
@Command(
        name = "info",
        description = "Says what a model, a LoRA or a ControlNet holds, or what a picture was made with.")
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class InfoCommand implements Runnable {
    private static final Pattern WEIGHTS = Pattern.compile(".*\\.(safetensors|sft|gguf)");
    private static final String INDENT = " ".repeat(19);

    @Spec
    private CommandSpec spec;

    @Parameters(
            paramLabel = "DIR|FILE",
            description =
                    "A checkpoint's folder, a safetensors or GGUF file with a model or a part of one, a LoRA, a ControlNet,"
                            + " an upscaler (.safetensors or .pth), or a PNG file.")
    private Path path;

    @Mixin
    private PartOptions parts;

    @Mixin
    private JsonOption json;

    @Override
    public void run() {
        PrintWriter out = spec.commandLine().getOut();
        if (ControlNetDescription.isOne(path)) {
            out.println(ShownText.lines(ControlNetDescription.of(path)));
        } else if (Files.isDirectory(path) || (isOfWeights() && parts.any())) {
            try (ZImageModel model = parts.open(path)) {
                json.print(
                        out,
                        () -> Json.of(model.info()),
                        () -> ShownText.lines(model.info().toString()));
            }
        } else if (Files.exists(path) && !isOfWeights() && parts.any()) {
            throw new IllegalArgumentException(
                    "--variant, --text-encoder, --vae and --tokenizer are for models, but %s is none".formatted(path));
        } else if (isPyTorch()) {
            printUpscaler(UpscalerModel.read(path), out);
        } else if (isOfWeights()) {
            Optional<UpscalerModel> upscaler = upscaler();
            if (upscaler.isPresent()) {
                printUpscaler(upscaler.get(), out);
            } else {
                printWeights(out);
            }
        } else if (Files.exists(path)) {
            printPicture(out);
        } else if (path.toString().toLowerCase(Locale.ROOT).endsWith(".png")) {
            throw new IllegalArgumentException("there is no file " + path);
        } else {
            throw new ModelLoadException("there is no folder " + path);
        }
    }

    private boolean isOfWeights() {
        return Files.exists(path)
                && WEIGHTS.matcher(path.toString().toLowerCase(Locale.ROOT)).matches();
    }

    /** A file is a LoRA if it can be told as one, and else a model or a part of it. */
    private void printWeights(PrintWriter out) {
        try {
            LoraReport report = Lora.of(path).report();
            json.print(out, () -> Json.of(report), () -> ShownText.lines(describe(report)));
        } catch (ModelLoadException noLora) {
            try {
                ModelInfo info = ModelInfo.read(path);
                json.print(out, () -> Json.of(info), () -> ShownText.lines(info.toString()));
            } catch (ModelLoadException noModel) {
                throw String.valueOf(noModel.getMessage()).contains("is a LoRA") ? noLora : noModel;
            }
        }
    }

    private void printUpscaler(UpscalerModel upscaler, PrintWriter out) {
        json.print(
                out,
                () -> Json.object()
                        .put("name", upscaler.name())
                        .put("scale", upscaler.scale())
                        .put("sha256", upscaler.sha256()),
                () -> describe(upscaler));
    }

    private boolean isPyTorch() {
        String name = path.toString().toLowerCase(Locale.ROOT);
        return Files.exists(path) && (name.endsWith(".pth") || name.endsWith(".pt"));
    }

    /** What is none is taken for a LoRA. */
    private Optional<UpscalerModel> upscaler() {
        try {
            return Optional.of(UpscalerModel.read(path));
        } catch (ModelLoadException e) {
            return Optional.empty();
        }
    }

    private static String describe(UpscalerModel upscaler) {
        return "%s: an upscaler (RRDBNet) that makes pictures %d times as wide and high; SHA-256 %s"
                .formatted(upscaler.name(), upscaler.scale(), upscaler.sha256());
    }

    private static String describe(LoraReport report) {
        StringBuilder text = new StringBuilder(report.toString());
        new TreeMap<>(report.metadata())
                .forEach((name, value) -> text.append(System.lineSeparator())
                        .append("  ")
                        .append(name)
                        .append(": ")
                        .append(value));
        return text.toString();
    }

    private void printPicture(PrintWriter out) {
        try {
            Optional<ImageParameters> parameters = ImageParameters.read(path);
            Optional<String> text = parameters.isPresent() ? Optional.empty() : ImageParameters.readText(path);
            json.print(
                    out,
                    () -> parameters
                            .map(InfoCommand::document)
                            .orElseGet(() -> Json.object().put("parameters", text.orElse(null))),
                    () -> parameters
                            .map(InfoCommand::describe)
                            .or(() -> text.map(each -> line("parameters", each)))
                            .orElseGet(() -> ShownText.joined(path + " carries no parameters"))
                            .stripTrailing());
        } catch (ZImageException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
    }

    private static ObjectNode document(ImageParameters parameters) {
        ObjectNode document = Json.object()
                .put("model", parameters.model())
                .put("precision", parameters.precision().name())
                .put("vaePrecision", parameters.vaePrecision().name());
        document.set("request", Json.of(parameters.request()));
        return document;
    }

    private static String describe(ImageParameters parameters) {
        StringBuilder text = new StringBuilder();
        GenerationRequest request = parameters.request();
        fields(request).properties().forEach(field -> {
            JsonNode value = field.getValue();
            switch (field.getKey()) {
                case "width" -> line(text, "size", request.width() + " x " + request.height());
                case "height" -> {}
                case "noiseReduction" -> {
                    int times = request.noiseReduction();
                    line(text, "preview of", times * request.width() + " x " + times * request.height());
                }
                default -> line(text, words(field.getKey()), shown(value));
            }
        });
        line(text, "model", parameters.model());
        line(text, "precision", parameters.precision());
        line(text, "VAE precision", parameters.vaePrecision());
        return text.toString();
    }

    /** Returns all that a request says, so that a setting that is new is shown too. */
    private static JsonNode fields(GenerationRequest request) {
        try {
            return new JsonMapper().readTree(request.toJson());
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }

    private static String words(String name) {
        return name.replaceAll("(?=\\p{Lu})", " ").toLowerCase(Locale.ROOT);
    }

    private static String shown(JsonNode value) {
        List<String> values = new ArrayList<>();
        value.forEach(each -> values.add(each.isObject() ? parts(each) : each.asText()));
        return value.isContainerNode() ? String.join(",", values) : value.asText();
    }

    private static String parts(JsonNode value) {
        List<String> parts = new ArrayList<>();
        value.properties().forEach(part -> {
            JsonNode own = part.getValue();
            parts.add(part.getKey() + " " + (own.isContainerNode() ? own.toString() : own.asText()));
        });
        return String.join(" ", parts);
    }

    private static void line(StringBuilder text, String name, @Nullable Object value) {
        if (value != null) {
            text.append(line(name, value.toString()));
        }
    }

    /** Returns a name and a value, of which further lines are indented: nothing of it can be taken for another name. */
    private static String line(String name, String value) {
        String end = System.lineSeparator();
        return "%-18s %s%n"
                .formatted(
                        ShownText.line(name),
                        ShownText.lines(value.stripTrailing()).replace("\n", end + INDENT));
    }
}
