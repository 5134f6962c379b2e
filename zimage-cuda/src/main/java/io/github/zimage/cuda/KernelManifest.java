package io.github.zimage.cuda;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** The kernels that the module carries. */
final class KernelManifest {
    private static final String FOLDER = "kernels/";

    private final Map<String, Kernel> kernels = new HashMap<>();

    /** Reads the manifest among the module's resources. */
    KernelManifest() {
        try (InputStream in = open("manifest.json")) {
            for (JsonNode each : new JsonMapper().readTree(in).get("kernels")) {
                Kernel kernel = kernel(each);
                kernels.put(kernel.name(), kernel);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("the manifest of the kernels cannot be read", e);
        }
    }

    private static Kernel kernel(JsonNode node) {
        Set<String> aligned = new HashSet<>();
        node.get("aligned").forEach(name -> aligned.add(name.asText()));
        List<Kernel.Argument> arguments = new ArrayList<>();
        for (JsonNode each : node.get("arguments")) {
            String name = each.get("name").asText();
            arguments.add(
                    new Kernel.Argument(name, ArgumentType.of(each.get("type").asText()), aligned.contains(name)));
        }
        TreeMap<Integer, Integer> sharedBytes = new TreeMap<>();
        node.get("shared")
                .properties()
                .forEach(each -> sharedBytes.put(
                        Integer.valueOf(each.getKey()), each.getValue().asInt()));
        return new Kernel(
                node.get("name").asText(),
                node.get("entry").asText(),
                List.copyOf(arguments),
                node.get("threads").asInt(),
                sharedBytes);
    }

    /** Returns all kernels by name. */
    Map<String, Kernel> kernels() {
        return Map.copyOf(kernels);
    }

    /**
     * Returns the text of a kernel for a capability, in the form that the driver takes: ended by a zero.
     *
     * @throws UncheckedIOException if the module lacks the file
     */
    static byte[] ptx(Kernel kernel, int capability) {
        try (InputStream in = open(kernel.file(capability))) {
            byte[] text = in.readAllBytes();
            return Arrays.copyOf(text, text.length + 1);
        } catch (IOException e) {
            throw new UncheckedIOException("kernel " + kernel.name() + " cannot be read", e);
        }
    }

    private static InputStream open(String file) throws IOException {
        InputStream in = KernelManifest.class.getResourceAsStream(FOLDER + file);
        if (in == null) {
            throw new FileNotFoundException(FOLDER + file);
        }
        return in;
    }
}
