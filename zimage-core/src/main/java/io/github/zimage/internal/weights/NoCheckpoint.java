package io.github.zimage.internal.weights;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.regex.Pattern;

/** Says of what is no checkpoint folder what it is, and what to give instead. */
final class NoCheckpoint {
    private static final String INDEX = "model_index.json";
    private static final Pattern HUB_NAME = Pattern.compile("[A-Za-z0-9][\\w.-]*/[A-Za-z0-9][\\w.-]*");
    /** A path has lost the second slash of an address. */
    private static final Pattern ADDRESS = Pattern.compile("(?i)(https?|hf|s3|gs|ftp|file):/");

    private static final Pattern ARCHIVE = Pattern.compile("\\.(zip|tar|tgz|tar\\.\\w+|7z|zst)$");
    private static final String NEEDED =
            "a folder in the layout of diffusers is needed, with " + INDEX + " in it, or a .safetensors or .gguf file";
    private static final int LISTED = 1000;

    private NoCheckpoint() {}

    /** Returns the refusal of a path that does not lead to a folder with {@code model_index.json} in it. */
    static ModelLoadException at(Path path) {
        Path absolute = path.toAbsolutePath().normalize();
        String shown = ModelFile.printable(absolute.toString());
        if (Files.isSymbolicLink(absolute) && !Files.exists(absolute)) {
            return ModelFile.missing(absolute);
        }
        if (Files.isDirectory(absolute)) {
            if (Files.isSymbolicLink(absolute.resolve(INDEX))) {
                return ModelFile.missing(absolute.resolve(INDEX));
            }
            return new ModelLoadException(shown + ": must be a checkpoint folder as diffusers makes them, but has no "
                    + INDEX + advice(folderAdvice(absolute)));
        }
        return new ModelLoadException(shown + ": must be a checkpoint folder, but " + is(path, absolute));
    }

    private static String is(Path path, Path absolute) {
        try {
            return Files.readAttributes(absolute, BasicFileAttributes.class).isRegularFile()
                    ? "is a file" + advice(fileAdvice(absolute))
                    : "is a special file" + advice(NEEDED);
        } catch (AccessDeniedException e) {
            return "cannot be looked at: permission denied";
        } catch (IOException e) {
            return "is missing" + advice(missingAdvice(path));
        }
    }

    private static String advice(String text) {
        return text.isEmpty() ? "" : ": " + text;
    }

    private static String missingAdvice(Path path) {
        String name = path.toString().replace('\\', '/');
        if (ADDRESS.matcher(name).lookingAt()) {
            return "it is an address, from which nothing is fetched; download the model first, with `zimage pull` or ZImageHub, and give its folder";
        }
        if (name.startsWith("~")) {
            return "the shell knows what ~ stands for only where it is not in quotes";
        }
        if (!HUB_NAME.matcher(name).matches()) {
            return "";
        }
        return "if that is a name on the Hugging Face Hub, download it first, with `zimage pull %s` or ZImageHub, and give its folder"
                .formatted(name);
    }

    private static String fileAdvice(Path file) {
        String name = String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT);
        if (Files.exists(file.resolveSibling(INDEX))) {
            return "give its folder, " + ModelFile.printable(String.valueOf(file.getParent()));
        }
        if (Files.exists(file.resolveSibling("..").resolve(INDEX).normalize())) {
            return "it belongs to a component; give the checkpoint's folder, "
                    + ModelFile.printable(String.valueOf(
                            Objects.requireNonNull(file.getParent()).getParent()));
        }
        if (name.endsWith(".gguf") || startsWith(file, "GGUF")) {
            return "it is a GGUF file; name it as the model, or its part with an option of its own";
        }
        if (name.endsWith(".safetensors") || name.endsWith(".sft")) {
            return "it is a single file; name it as the model, or its part with an option of its own";
        }
        if (name.endsWith(".ckpt") || name.endsWith(".pt") || name.endsWith(".pth") || name.endsWith(".bin")) {
            return "PyTorch files are not read, " + NEEDED;
        }
        if (ARCHIVE.matcher(name).find()) {
            return "archives are not read; unpack it and give the folder";
        }
        return NEEDED;
    }

    private static boolean startsWith(Path file, String text) {
        if (!Files.isRegularFile(file)) {
            return false;
        }
        try (InputStream in = Files.newInputStream(file)) {
            return new String(in.readNBytes(text.length()), StandardCharsets.ISO_8859_1).equals(text);
        } catch (IOException e) {
            return false;
        }
    }

    private static String folderAdvice(Path folder) {
        if (Files.exists(folder.resolveSibling(INDEX))) {
            return "it is a component's folder; give the checkpoint's, "
                    + ModelFile.printable(String.valueOf(folder.getParent()));
        }
        List<Path> entries = entries(folder);
        if (Files.isDirectory(folder.resolve(".cache/huggingface"))
                || folder.resolveSibling("").endsWith("snapshots")) {
            return "the download is not complete; begin it again, it goes on where it ended";
        }
        if (entries.isEmpty()) {
            return "it is empty, or cannot be listed";
        }
        if (Files.isDirectory(folder.resolve("snapshots"))) {
            return "it is a model's folder in Hugging Face's cache; give the folder below snapshots"
                    + example(checkpointsIn(folder.resolve("snapshots")));
        }
        List<Path> checkpoints = checkpointsIn(folder);
        if (!checkpoints.isEmpty()) {
            return "give the folder in it" + example(checkpoints);
        }
        if (has(entries, "models--.*")) {
            return "it is Hugging Face's cache; give the folder below snapshots of a model in it";
        }
        if (has(entries, ".*\\.gguf")) {
            return "it holds GGUF files; name the one with the transformer";
        }
        if (has(entries, ".*\\.(safetensors|sft)")) {
            return "it holds single files or those of one component; name the file with the transformer, or the checkpoint's folder";
        }
        return "";
    }

    private static boolean has(List<Path> entries, String pattern) {
        return entries.stream()
                .anyMatch(entry -> String.valueOf(entry.getFileName()).matches(pattern));
    }

    private static String example(List<Path> checkpoints) {
        return checkpoints.isEmpty()
                ? ""
                : ", " + ModelFile.printable(checkpoints.get(0).toString());
    }

    private static List<Path> checkpointsIn(Path folder) {
        return entries(folder).stream()
                .filter(entry -> Files.exists(entry.resolve(INDEX)))
                .sorted()
                .toList();
    }

    private static List<Path> entries(Path folder) {
        List<Path> entries = new ArrayList<>();
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder)) {
            for (Path entry : stream) {
                if (entries.size() == LISTED) {
                    break;
                }
                entries.add(entry);
            }
        } catch (IOException | DirectoryIteratorException e) {
            return entries;
        }
        return entries;
    }
}
