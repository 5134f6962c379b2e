package io.github.zimage.cli;

import io.github.zimage.Component;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.Placement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** The options that say where weights are, and what is computed there how. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class PlacementOptions {
    private static final Map<String, Component> NAMES = Map.of(
            "text", Component.TEXT_ENCODER,
            "transformer", Component.TRANSFORMER,
            "vae", Component.VAE,
            "upscaler", Component.UPSCALER);

    @Option(
            names = "--place",
            paramLabel = "PART=WHERE",
            description =
                    "Where the weights of text, transformer, vae or upscaler are: cpu, cuda:N, disk (read whole for each use),"
                            + " stream:disk or stream:cpu (read block by block; on a CPU the two are the same), park:cpu (beside a"
                            + " card). Can be repeated. What is not placed is where the memory suffices.",
            converter = PlaceConverter.class)
    private List<Place> places = new ArrayList<>();

    @Option(
            names = "--device",
            paramLabel = "auto|cpu|cuda:N,...",
            defaultValue = "auto",
            description =
                    "What computes: auto takes the first graphics card that can be used, if there is one, or else the"
                            + " CPU; several cards share out the pictures (default: ${DEFAULT-VALUE}).")
    private String device;

    @Option(
            names = "--compile",
            description =
                    "Record the transformer's work once for each size and length of prompt, and replay it; the pictures are the"
                            + " same. For graphics cards that wait for the processor; has no effect on a CPU, or without room.")
    private boolean compile;

    /** Returns how many devices were named, 1 if none was. */
    int deviceCount() {
        return device.split(",", -1).length;
    }

    /** Sets the device and the placements, checking that no part has two. */
    void apply(PipelineBuilder builder) {
        builder.compileTransformer(compile);
        if (!device.equalsIgnoreCase("auto")) {
            builder.devices(Stream.of(device.split(",", -1))
                    .map(PlacementOptions::parse)
                    .toList());
        }
        Map<Component, Placement> all = new HashMap<>();
        for (Place place : places) {
            if (all.put(place.component(), place.placement()) != null) {
                throw new IllegalArgumentException("--place must be given once for each part, but "
                        + place.component().id() + " was placed twice");
            }
        }
        all.forEach(builder::place);
    }

    private static Device parse(String device) {
        try {
            return Device.parse(device.toLowerCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("--device must be auto, cpu or cuda:N, but was '" + device + "'", e);
        }
    }

    /** A part of the model, and where it is. */
    record Place(Component component, Placement placement) {}

    /** Reads {@code transformer=stream:disk}. */
    static final class PlaceConverter implements ITypeConverter<Place> {
        @Override
        public Place convert(String text) {
            int equals = text.indexOf('=');
            Component component =
                    equals < 0 ? null : NAMES.get(text.substring(0, equals).toLowerCase(Locale.ROOT));
            if (component == null) {
                throw new TypeConversionException(
                        "must be text=, transformer=, vae= or upscaler= and a place, but was '" + text + "'");
            }
            try {
                return new Place(
                        component, Placement.parse(text.substring(equals + 1).toLowerCase(Locale.ROOT)));
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
