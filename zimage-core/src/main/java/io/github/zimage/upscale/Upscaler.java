package io.github.zimage.upscale;

import com.google.errorprone.annotations.CheckReturnValue;
import io.github.zimage.GenerationCancelledException;
import io.github.zimage.ImageParameters;
import io.github.zimage.ModelLoadException;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.Precision;
import io.github.zimage.SourceImage;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.device.Devices;
import io.github.zimage.internal.image.AwtImage;
import io.github.zimage.internal.image.Pixels;
import io.github.zimage.internal.image.PngEncoder;
import io.github.zimage.internal.io.AtomicFile;
import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.request.PictureText;
import io.github.zimage.internal.upscale.LoadedUpscaler;
import io.github.zimage.placement.Device;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An upscaler that is loaded by itself, without a pipeline. Pictures of any size are enlarged in tiles, so that memory does not grow with them: about
 * 1 GB in FP32 for a network of 64 features. Thread-safe: pictures are enlarged one after the other, on a thread of its own.
 *
 * <pre>{@code
 * try (Upscaler upscaler = Upscaler.load(UpscalerModel.read(Path.of("RealESRGAN_x4plus.pth")))) {
 *     upscaler.upscale(Path.of("fox.png"), Path.of("fox-large.png"));
 * }
 * }</pre>
 */
@CheckReturnValue
public final class Upscaler implements AutoCloseable {
    private final UpscalerModel model;
    private final LoadedUpscaler loaded;

    private Upscaler(UpscalerModel model, LoadedUpscaler loaded) {
        this.model = model;
        this.loaded = loaded;
    }

    /**
     * Loads an upscaler onto the first graphics card that can be used, in BF16, or else for the CPU, in FP32. Blocks meanwhile.
     *
     * @throws IllegalArgumentException if the model is not present
     * @throws ModelLoadException if the file has changed or cannot be read
     */
    public static Upscaler load(UpscalerModel model) {
        return load(model, Devices.automatic());
    }

    /** Loads an upscaler onto a device, in BF16 on a graphics card, in FP32 on the CPU; as {@link #load(UpscalerModel, Device, Precision)}. */
    public static Upscaler load(UpscalerModel model, Device device) {
        Given.value(device, "device");
        return load(model, device, device.kind() == Device.Kind.CPU ? Precision.FP32 : Precision.BF16);
    }

    /**
     * Loads an upscaler onto a device. Blocks meanwhile.
     *
     * @param precision {@link Precision#FP32} or {@link Precision#BF16}
     * @throws IllegalArgumentException if the model is not present, the device cannot be used, or the precision is another
     * @throws ModelLoadException if the file has changed or cannot be read
     * @throws OutOfDeviceMemoryException if there is not enough memory
     */
    public static Upscaler load(UpscalerModel model, Device device, Precision precision) {
        Path file = Given.value(model, "model").file();
        if (file == null) {
            throw new IllegalArgumentException("the file of upscaler '%s' is not known here".formatted(model.name()));
        }
        if (Given.value(precision, "precision").isEightBit()) {
            throw new IllegalArgumentException("an upscaler's precision must be FP32 or BF16, but was " + precision);
        }
        return new Upscaler(model, LoadedUpscaler.load(file, Given.value(device, "device"), precision));
    }

    /** Returns what was loaded. */
    public UpscalerModel model() {
        return model;
    }

    /**
     * Enlarges a picture. Blocks until it is done; an interrupt ends it.
     *
     * @return an image of type {@link BufferedImage#TYPE_INT_RGB}
     * @throws IllegalArgumentException if the picture is not present, or the result would have more than 268 megapixels
     * @throws OutOfDeviceMemoryException if there is not enough memory
     * @throws ZImageException if the network gives numbers that are not finite
     * @throws GenerationCancelledException if the calling thread is interrupted
     * @throws IllegalStateException if this is closed
     */
    public BufferedImage upscale(SourceImage picture) {
        Pixels large = enlarged(picture);
        return AwtImage.of(large.width(), large.height(), large.data());
    }

    /** As {@link #upscale(SourceImage)}, for an image, which is copied. */
    public BufferedImage upscale(BufferedImage picture) {
        return upscale(SourceImage.of(picture));
    }

    /**
     * Enlarges a picture's file, and writes a PNG file. The file appears whole or not at all. If the picture is one of ours, the file carries its parameters,
     * and the upscaler with them; otherwise it names the upscaler alone.
     *
     * @param file a name that ends in {@code .png}, in a folder that exists
     * @throws IllegalArgumentException if the name ends in anything else, or as {@link #upscale(SourceImage)}
     * @throws ZImageException if the picture cannot be read, or as {@link #upscale(SourceImage)}
     * @throws UncheckedIOException if the file cannot be written
     */
    public void upscale(Path picture, Path file) {
        if (!Given.value(file, "file").toString().toLowerCase(Locale.ROOT).endsWith(".png")) {
            throw new IllegalArgumentException(
                    "pictures are saved as PNG: the file name must end in .png, but was " + file);
        }
        Pixels large = enlarged(SourceImage.read(picture));
        byte[] png = PngEncoder.encode(large.width(), large.height(), large.data(), texts(picture));
        try {
            AtomicFile.write(file, png);
        } catch (IOException e) {
            throw new UncheckedIOException(String.valueOf(e.getMessage()), e);
        }
    }

    private Map<String, String> texts(Path picture) {
        Map<String, String> texts = new LinkedHashMap<>();
        ImageParameters known = parameters(picture);
        if (known == null) {
            texts.put(PictureText.TEXT_KEYWORD, PictureText.upscaled(model));
            return texts;
        }
        boolean first = known.request().upscaler() == null && known.request().hires() <= 1;
        ImageParameters whole = first ? known.upscaledBy(model) : known;
        String text =
                PictureText.toText(whole.request(), whole.request().evaluations(), whole.model(), PictureText.PROGRAM);
        texts.put(PictureText.TEXT_KEYWORD, first ? text : text + ", " + PictureText.upscaled(model));
        texts.put(
                PictureText.JSON_KEYWORD,
                PictureText.toJson(whole.request(), whole.model(), whole.precision(), whole.vaePrecision()));
        return texts;
    }

    /** Pictures of other programs, and other files than PNG, have none. */
    private static @Nullable ImageParameters parameters(Path picture) {
        try {
            return ImageParameters.read(picture).orElse(null);
        } catch (ZImageException e) {
            return null;
        }
    }

    private Pixels enlarged(SourceImage picture) {
        if (!Given.value(picture, "picture").isPresent()) {
            throw new IllegalArgumentException("the picture %s is known by its digest only".formatted(picture));
        }
        return loaded.upscale(new Pixels(picture.width(), picture.height(), 3, picture.rgb()));
    }

    /** Frees the weights, after pictures that are being enlarged. */
    @Override
    public void close() {
        loaded.close();
    }
}
