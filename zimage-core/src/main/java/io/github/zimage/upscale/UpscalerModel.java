package io.github.zimage.upscale;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.internal.weights.UpscalerFile;
import java.nio.file.Path;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A network that enlarges pictures: ESRGAN and its kin (RRDBNet), such as Real-ESRGAN x4plus and x2plus, of any width, depth and factor, which the file's
 * tensors tell. Files are safetensors, or PyTorch's {@code .pth}, of which only tensors are read and nothing is executed. Immutable.
 *
 * <pre>{@code
 * GenerationRequest.builder()
 *         .prompt("a red fox in the snow")
 *         .upscaler(UpscalerModel.read(Path.of("RealESRGAN_x4plus.pth")))
 *         .build();
 * }</pre>
 *
 * <p>Requests as text name an upscaler and its digest, without its file: what is read back from them {@linkplain #isPresent() is not present}.
 */
public final class UpscalerModel {
    /** Of a name that anybody may give, and the digest of its file. */
    private static final Pattern TEXT = Pattern.compile("([^/\\\\@\\p{Cntrl}]{1,200})(?:@sha256:([0-9a-f]{64}))?");

    private final String name;
    private final @Nullable String sha256;
    private final @Nullable Path file;
    private final int scale;

    private UpscalerModel(String name, @Nullable String sha256, @Nullable Path file, int scale) {
        this.name = name;
        this.sha256 = sha256;
        this.file = file;
        this.scale = scale;
    }

    /**
     * Reads an upscaler's file: its header, and once for its digest.
     *
     * @throws ModelLoadException if it is missing, damaged, holds more than tensors, or is no such network
     */
    public static UpscalerModel read(Path file) {
        UpscalerFile read = UpscalerFile.read(Given.value(file, "file"));
        return new UpscalerModel(read.name(), read.sha256(), file, read.config().scale());
    }

    /**
     * Stands for an upscaler whose file is not here.
     *
     * @param text a name, or name and digest as {@link #toString} gives them
     * @throws IllegalArgumentException if it is neither
     */
    public static UpscalerModel named(String text) {
        Matcher matcher = TEXT.matcher(Given.value(text, "text"));
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "an upscaler must be named by up to 200 characters without / and @, and may have @sha256: and 64 hexadecimal digits behind that, but was '%s'"
                            .formatted(ShownText.cut(text)));
        }
        return new UpscalerModel(matcher.group(1), matcher.group(2), null, 0);
    }

    /** Returns whether a text can be given to {@link #named}. */
    public static boolean isName(String text) {
        return TEXT.matcher(Given.value(text, "text")).matches();
    }

    /** Returns the file's name without its ending. */
    public String name() {
        return name;
    }

    /** Returns the SHA-256 of the file, 64 hexadecimal digits; {@code null} if only the name is known. */
    public @Nullable String sha256() {
        return sha256;
    }

    /** Returns the file; {@code null} if it is not present. */
    public @Nullable Path file() {
        return file;
    }

    /** Returns whether the file is known. */
    public boolean isPresent() {
        return file != null;
    }

    /**
     * Returns how many times as wide and high pictures become.
     *
     * @throws IllegalStateException if it is not present
     */
    public int scale() {
        if (file == null) {
            throw new IllegalStateException("the file of upscaler '%s' is not known here".formatted(name));
        }
        return scale;
    }

    /** Compares names and digests. */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof UpscalerModel that && name.equals(that.name) && Objects.equals(sha256, that.sha256);
    }

    @Override
    public int hashCode() {
        return Objects.hash(name, sha256);
    }

    /** Returns name and digest, such as {@code RealESRGAN_x4plus@sha256:…}, as {@link #named} takes them. */
    @Override
    public String toString() {
        return sha256 == null ? name : name + "@sha256:" + sha256;
    }
}
