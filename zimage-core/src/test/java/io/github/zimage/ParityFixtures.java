package io.github.zimage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Reads what {@code tools/parity/make_fixtures.py} wrote: checkpoints, requests, and what a float64 run of diffusers answers.
 * Reads safetensors by itself, so that a fault in the library's reader cannot hide another.
 */
final class ParityFixtures {
    private static final ObjectMapper JSON = new ObjectMapper();

    private ParityFixtures() {}

    /** Returns the cases in the folder that {@code -Dzimage.parity} names, or the committed ones. */
    static List<Case> cases() {
        String folder = System.getProperty("zimage.parity");
        return folder == null ? cases(committed()) : cases(Path.of(folder));
    }

    /** Returns the cases in a folder. */
    static List<Case> cases(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            List<Case> cases = files.filter(file -> Files.isRegularFile(file.resolve("case.json")))
                    .sorted()
                    .map(Case::read)
                    .toList();
            if (cases.isEmpty()) {
                throw new IllegalStateException(folder + " holds no parity cases");
            }
            return cases;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path committed() {
        URL url = Objects.requireNonNull(ParityFixtures.class.getResource("/parity"), "no committed parity fixtures");
        try {
            return Path.of(url.toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A checkpoint and the requests to it. */
    record Case(Path folder, @Nullable String variant, List<Request> requests) {
        private static Case read(Path folder) {
            try {
                JsonNode json = JSON.readTree(folder.resolve("case.json").toFile());
                List<Request> requests = new ArrayList<>();
                for (JsonNode request : json.get("requests")) {
                    requests.add(Request.read(folder, requests.size(), request));
                }
                return new Case(folder, text(json.get("variant")), List.copyOf(requests));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        String name() {
            return folder.getFileName().toString();
        }

        Path model() {
            return folder.resolve("model");
        }

        @Override
        public String toString() {
            return name();
        }
    }

    /** A request and what diffusers made of it. */
    record Request(Path folder, int number, GenerationRequest request, List<Picture> pictures) {
        private static Request read(Path folder, int number, JsonNode json) throws IOException {
            GenerationRequest.Builder builder = GenerationRequest.builder()
                    .prompt(json.get("prompt").textValue())
                    .size(json.get("width").intValue(), json.get("height").intValue())
                    .steps(json.get("steps").intValue())
                    .guidance(json.get("guidance").doubleValue())
                    .cfgNormalization(json.get("cfg_normalization").doubleValue())
                    .cfgTruncation(json.get("cfg_truncation").doubleValue())
                    .seed(json.get("seed").longValue())
                    .count(json.get("count").intValue());
            String negative = text(json.get("negative_prompt"));
            if (negative != null) {
                builder.negativePrompt(negative);
            }
            if (!json.get("sigmas").isNull()) {
                List<Float> sigmas = new ArrayList<>();
                json.get("sigmas").forEach(sigma -> sigmas.add(sigma.floatValue()));
                builder.sigmas(sigmas);
            }
            Map<String, Tensor> expected = tensors(folder.resolve("request-" + number + ".safetensors"));
            List<Picture> pictures = new ArrayList<>();
            for (JsonNode picture : json.get("pictures")) {
                int i = pictures.size();
                pictures.add(new Picture(
                        picture.get("seed").longValue(),
                        tensor(expected, "latents." + i),
                        tensor(expected, "picture." + i),
                        tensor(expected, "pixels." + i),
                        Errors.read(picture.get("fp32")),
                        Errors.read(picture.get("bf16"))));
            }
            return new Request(folder, number, builder.build(), List.copyOf(pictures));
        }

        /**
         * Returns what was seen inside the first picture's run, by name; empty where it was not kept. See
         * {@code tools/parity/README.md} for the names.
         */
        Map<String, Tensor> inside() {
            Path file = folder.resolve("request-" + number + "-inside.safetensors");
            return Files.exists(file) ? tensors(file) : Map.of();
        }
    }

    /**
     * The truth about a picture, and how far diffusers is from it.
     *
     * @param latents [channels, height, width]
     * @param rounded [height, width, 3], 0 to 255
     * @param pixels as rounded, before rounding
     */
    record Picture(long seed, Tensor latents, Tensor rounded, Tensor pixels, Errors fp32, Errors bf16) {}

    /** How far a run of diffusers is from the truth; latents and text as a part of their length. */
    record Errors(double latents, double text, int pixelsMax, double pixelsMean) {
        private static Errors read(JsonNode json) {
            return new Errors(
                    json.get("latents").doubleValue(),
                    json.get("text").doubleValue(),
                    json.get("pixels_max").intValue(),
                    json.get("pixels_mean").doubleValue());
        }
    }

    /** Numbers with a shape. */
    record Tensor(List<Integer> shape, double[] values) {
        /** Returns the Euclidean distance of other values from these, as a part of the length of these. */
        double relativeError(float[] actual) {
            if (actual.length != values.length) {
                throw new IllegalArgumentException(
                        "expected %s = %d values, but got %d".formatted(shape, values.length, actual.length));
            }
            double difference = 0;
            double length = 0;
            for (int i = 0; i < values.length; i++) {
                difference += (actual[i] - values[i]) * (actual[i] - values[i]);
                length += values[i] * values[i];
            }
            return Math.sqrt(difference / length);
        }
    }

    private static @Nullable String text(JsonNode node) {
        return node.isNull() ? null : node.textValue();
    }

    private static Tensor tensor(Map<String, Tensor> tensors, String name) {
        return Objects.requireNonNull(tensors.get(name), name);
    }

    /** Returns the tensors of a file, by name. */
    static Map<String, Tensor> tensors(Path file) {
        try {
            ByteBuffer buffer = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
            int headerLength = Math.toIntExact(buffer.getLong());
            JsonNode header = JSON.readTree(buffer.array(), buffer.position(), headerLength);
            int start = buffer.position() + headerLength;
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            header.properties().forEach(entry -> {
                if (!entry.getKey().equals("__metadata__")) {
                    int offset =
                            start + entry.getValue().get("data_offsets").get(0).intValue();
                    tensors.put(entry.getKey(), tensor(entry.getValue(), buffer, offset));
                }
            });
            return tensors;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Tensor tensor(JsonNode entry, ByteBuffer buffer, int offset) {
        List<Integer> shape = new ArrayList<>();
        entry.get("shape").forEach(size -> shape.add(size.intValue()));
        double[] values = new double[shape.stream().reduce(1, Math::multiplyExact)];
        String type = entry.get("dtype").textValue();
        Arrays.setAll(values, i -> switch (type) {
            case "F64" -> buffer.getDouble(offset + 8 * i);
            case "F32" -> buffer.getFloat(offset + 4 * i);
            case "U8" -> Byte.toUnsignedInt(buffer.get(offset + i));
            default -> throw new IllegalStateException("fixtures of type " + type + " are not read");
        });
        return new Tensor(List.copyOf(shape), values);
    }
}
