package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.internal.conversion.WeightCache;
import io.github.zimage.internal.engine.AdapterSets;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.lora.Adapter;
import io.github.zimage.internal.lora.AdapterUse;
import io.github.zimage.internal.lora.LoraFile;
import io.github.zimage.internal.lora.ModelShapes;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.TensorFiles;
import io.github.zimage.placement.VaeTiling;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Protects that an adapter does what it should, in whichever form its file is, whatever the weights are stored in and wherever they are: pictures
 * of a random checkpoint with each form are held against a float64 run with the sums, and diffusers' own distance from it.
 * {@code tools/parity/make_lora_fixtures.py} makes the files.
 */
@Timeout(300)
final class LoraParityTest {
    private static final double FP32_FACTOR = 8;
    private static final double BF16_FACTOR = 1.25;
    /** What diffusers' own FP32 error counts at least, as for pictures without adapters. */
    private static final double FP32_FLOOR = 3e-7;
    /** Rounding weights and rows to 8 bits costs what it costs without adapters, which differs from one to the other by a third. */
    private static final double INT8_FACTOR = 1.5;

    @TempDir
    static Path cache;

    private final DeviceThread device = new DeviceThread("lora-test");
    private final Path model = resource("/parity/case-00/model");
    private final Path files = resource("/lora-parity");
    private final ModelShapes shapes;
    private final Map<String, Adapter> adapters = new HashMap<>();
    private final JsonNode request;

    LoraParityTest() throws IOException {
        NativeRuntime.load();
        Checkpoint checkpoint = Checkpoint.open(model, null);
        shapes = ModelShapes.of(checkpoint.transformer(), checkpoint.textEncoder());
        request = json(model.resolveSibling("case.json")).get("requests").get(0);
    }

    @AfterEach
    void endDevice() {
        device.close(() -> {});
    }

    private static Path resource(String name) {
        try {
            return Path.of(Objects.requireNonNull(LoraParityTest.class.getResource(name), name)
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static JsonNode json(Path file) throws IOException {
        return new ObjectMapper().readTree(file.toFile());
    }

    private <T> T onDevice(Supplier<T> task) {
        CompletableFuture<T> result = new CompletableFuture<>();
        device.execute(result, task);
        return result.join();
    }

    private TestEngine open(Precision precision, Residence residence) throws IOException {
        Checkpoint checkpoint = Checkpoint.open(model, null);
        Checkpoint kept = precision == Precision.INT8
                ? checkpoint.withWeights(
                        Component.TRANSFORMER,
                        new WeightCache(cache)
                                .convert(
                                        Component.TRANSFORMER,
                                        checkpoint.weights(Component.TRANSFORMER),
                                        precision,
                                        false,
                                        done -> {}))
                : checkpoint;
        Precision others = precision == Precision.INT8 ? Precision.FP32 : precision;
        EngineOptions options = new EngineOptions(
                Map.of(
                        Component.TEXT_ENCODER, others,
                        Component.TRANSFORMER, precision,
                        Component.VAE, Precision.FP32),
                AttentionBackend.AUTO,
                VaeTiling.off(),
                Map.of(Component.TEXT_ENCODER, residence, Component.TRANSFORMER, residence));
        return onDevice(() -> new TestEngine(kept, options, new GenerationListener() {}));
    }

    private float[] draw(TestEngine engine, AdapterSets sets) {
        GenerationRequest drawn = GenerationRequest.builder()
                .prompt(request.get("prompt").textValue())
                .size(request.get("width").intValue(), request.get("height").intValue())
                .steps(request.get("steps").intValue())
                .seed(request.get("seed").longValue())
                .build();
        return onDevice(() -> engine.generate(engine.order(drawn, drawn.seed()).adaptedBy(sets))
                .get(0)
                .latents()
                .values());
    }

    private AdapterUse use(String file, double weight, Map<String, Double> parts) {
        return new AdapterUse(
                adapters.computeIfAbsent(file, name -> LoraFile.read(files.resolve(name), shapes)), weight, parts);
    }

    private AdapterSets positive(JsonNode form) {
        Map<String, Double> parts = new HashMap<>();
        form.get("parts")
                .properties()
                .forEach(part -> parts.put(part.getKey(), part.getValue().doubleValue()));
        List<AdapterUse> uses = new ArrayList<>();
        form.get("files")
                .forEach(each -> uses.add(
                        use(each.get("file").textValue(), each.get("weight").doubleValue(), parts)));
        return new AdapterSets(uses, uses);
    }

    private static double[] truth(Path file, String name) throws IOException {
        TensorEntry entry = SafetensorsHeader.read(file).tensors().get(name);
        ByteBuffer bytes = ByteBuffer.allocate((int) entry.byteSize()).order(ByteOrder.LITTLE_ENDIAN);
        try (TensorFiles opened = new TensorFiles()) {
            opened.read(entry, 0, bytes);
        }
        DoubleBuffer doubles = bytes.flip().asDoubleBuffer();
        double[] values = new double[doubles.remaining()];
        doubles.get(values);
        return values;
    }

    private static double error(float[] actual, double[] truth) {
        double difference = 0;
        double length = 0;
        for (int i = 0; i < truth.length; i++) {
            difference += (actual[i] - truth[i]) * (actual[i] - truth[i]);
            length += truth[i] * truth[i];
        }
        return Math.sqrt(difference / length);
    }

    /** One pipeline draws with all of them in turn, and at last without: what was there before must leave no trace. */
    @ParameterizedTest
    @CsvSource({
        "FP32, resident", "FP32, parked", "FP32, streamed",
        "BF16, resident", "BF16, parked", "BF16, streamed",
        "INT8, resident", "INT8, streamed"
    })
    void everyForm_isAsNearToTheTruthAsDiffusers(Precision precision, String storage) throws Exception {
        Residence residence = switch (storage) {
            case "resident" -> Residence.resident();
            case "parked" -> Residence.parked();
            default -> Residence.streamed(1, 2);
        };
        List<String> problems = new ArrayList<>();
        TestEngine engine = open(precision, residence);
        try {
            float[] base = draw(engine, AdapterSets.NONE);
            double baseError = error(base, truth(model.resolveSibling("request-0.safetensors"), "latents.0"));
            for (JsonNode form : json(files.resolve("lora.json"))) {
                String name = form.get("name").textValue();
                double error = error(draw(engine, positive(form)), truth(files.resolve("truth.safetensors"), name));
                double allowed = switch (precision) {
                    case FP32 -> FP32_FACTOR * Math.max(form.get("fp32").doubleValue(), FP32_FLOOR);
                    case BF16 -> BF16_FACTOR * form.get("bf16").doubleValue();
                    default -> INT8_FACTOR * baseError;
                };
                double effect = form.get("effect").doubleValue();
                if (!(error <= allowed) || effect < 4 * allowed) {
                    problems.add("%s: off by %.2e, allowed %.2e, and the adapter does %.2e"
                            .formatted(name, error, allowed, effect));
                }
            }
            assertThat(draw(engine, AdapterSets.NONE)).as("the base to the bit").isEqualTo(base);
        } finally {
            onDevice(() -> {
                engine.close();
                return engine;
            });
        }
        assertThat(problems).isEmpty();
    }
}
