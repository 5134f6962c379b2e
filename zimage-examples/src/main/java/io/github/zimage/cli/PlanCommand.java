package io.github.zimage.cli;

import io.github.zimage.Component;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageSize;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.internal.pipeline.TurboPlan;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.tuning.RuntimeInfo;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Says where weights would be and how much memory that would need. */
@Command(
        name = "plan",
        description = "Says where the weights of a model would be on a machine or a graphics card, and how much memory"
                + " drawing would need. Reads no weights. With neither --memory nor --card: a table of cards from 4 to 80"
                + " GiB. Neither the card nor the memory need be there: all is calculated. Without --model it is about"
                + " Z-Image-Turbo, and says first how it would run on this machine.",
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  zimage plan",
            "  zimage plan --model Z-Image-Turbo",
            "  zimage plan --model Z-Image-Turbo --card 16g --place transformer=stream:cpu",
            "  zimage plan --model Z-Image-Turbo --memory 8g --size 16:9@1280"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class PlanCommand implements Callable<Integer> {
    private static final List<Integer> CARDS = List.of(4, 6, 8, 12, 16, 24, 80);
    private static final List<Integer> SIZES = List.of(768, 1024, 1280);
    private static final ImageSize LARGEST = ImageSize.square(1280);
    private static final String AUTO = "auto";
    private static final int VERDICT_SIZE = 1024;

    /** The options that do not depend on the files of a model. */
    private static final Set<String> OF_SHAPES = Set.of(
            "--memory", "--card", "--size", "--count", "--guidance", "--dtype", "--json", "--verbose", "--quiet");

    @Spec
    private CommandSpec spec;

    @Mixin
    private PlannedCheckpoint checkpoint;

    @Option(
            names = "--memory",
            paramLabel = "SIZE",
            description = "Plan for the CPU with so much memory, such as 8g.",
            converter = MemoryOptions.SizeConverter.class)
    private @Nullable MemorySize memory;

    @Option(
            names = "--card",
            paramLabel = "SIZE",
            description = "Plan for a graphics card with so much memory, such as 16g.",
            converter = MemoryOptions.SizeConverter.class)
    private @Nullable MemorySize card;

    @Mixin
    private PlacementOptions places;

    @Option(
            names = "--size",
            paramLabel = "SIZE",
            description =
                    "Size of the pictures: 1280x768, 1024 for a square, 16:9@1024 for a ratio with the area of a square, or auto"
                            + " for the largest that 'zimage generate --size auto' takes, 1280 (default: 1024; for the table 768,"
                            + " 1024 and 1280).")
    private @Nullable String size;

    @Option(
            names = "--count",
            paramLabel = "N",
            defaultValue = "1",
            description = "How many pictures at once (default: ${DEFAULT-VALUE}).")
    private int count;

    @Option(
            names = "--guidance",
            paramLabel = "G",
            defaultValue = "0",
            description = "Classifier-free guidance; above 0, twice as much goes through the transformer"
                    + " (default: ${DEFAULT-VALUE}).")
    private double guidance;

    @Mixin
    private ControlModelOption controlModel;

    @Mixin
    private ComputeOptions compute;

    @Mixin
    private CacheOptions cache;

    @Mixin
    private JsonOption json;

    @Override
    public Integer call() {
        if (memory != null && card != null) {
            throw new IllegalArgumentException("--memory plans for the CPU, --card for a card: give one of them");
        }
        if (json.isOn() && memory == null && card == null) {
            throw new IllegalArgumentException("--json prints one plan: name the machine by --memory or --card");
        }
        if (!checkpoint.isNamed()) {
            rejectWhatNeedsFiles();
            call(new ShapePlans());
            return 0;
        }
        try (LazyModel model = new LazyModel(checkpoint::open)) {
            call(new CheckpointPlans(model));
        }
        return 0;
    }

    private void call(Plans plans) {
        PrintWriter out = spec.commandLine().getOut();
        if (memory == null && card == null) {
            if (!checkpoint.isNamed()) {
                out.println(TurboVerdict.of(RuntimeInfo.probe(), VERDICT_SIZE).text());
                out.println();
            }
            printCards(plans, out);
            return;
        }
        GenerationRequest request = request(size == null ? "1024" : size);
        MemoryPlan plan =
                card != null ? plans.onCard(card, request) : plans.within(Objects.requireNonNull(memory), request);
        json.print(out, () -> Json.of(plan), () -> ShownText.lines(plan.toString()));
    }

    /** Checks that nothing is asked for that depends on the files of a model. */
    private void rejectWhatNeedsFiles() {
        for (OptionSpec option : spec.commandLine().getParseResult().matchedOptions()) {
            if (!OF_SHAPES.contains(option.longestName())) {
                throw new IllegalArgumentException(option.longestName() + " is for a checkpoint: name it with --model");
            }
        }
    }

    /** Plans for requests. */
    private interface Plans {
        MemoryPlan onCard(MemorySize size, GenerationRequest request);

        MemoryPlan within(MemorySize budget, GenerationRequest request);
    }

    /** Those of a checkpoint, by all options. */
    private final class CheckpointPlans implements Plans {
        private final LazyModel model;

        CheckpointPlans(LazyModel model) {
            this.model = model;
        }

        @Override
        public MemoryPlan onCard(MemorySize size, GenerationRequest request) {
            return pipeline(model, request).planForCard(size);
        }

        @Override
        public MemoryPlan within(MemorySize budget, GenerationRequest request) {
            return pipeline(model, request).memoryBudget(budget).plan();
        }
    }

    /** Those of Z-Image-Turbo, by its shapes. */
    private final class ShapePlans implements Plans {
        private final TurboPlan turbo = TurboPlan.in(compute.precision());

        @Override
        public MemoryPlan onCard(MemorySize size, GenerationRequest request) {
            return turbo.onCard(size, request);
        }

        @Override
        public MemoryPlan within(MemorySize budget, GenerationRequest request) {
            return turbo.within(budget, request);
        }
    }

    private void printCards(Plans plans, PrintWriter out) {
        List<String> sizes = size == null ? SIZES.stream().map(String::valueOf).toList() : List.of(size);
        String row = "%-9s  %6s  %-15s  %-15s  %-7s  %-10s  %6s  %7s  %6s  %5s%n";
        for (String each : sizes) {
            GenerationRequest request = request(each);
            out.printf(
                    Locale.ROOT,
                    row,
                    request.width() + "x" + request.height(),
                    "card",
                    "text encoder",
                    "transformer",
                    "VAE",
                    "decode",
                    "text",
                    "denoise",
                    "decode",
                    "spare");
            for (int gib : CARDS) {
                try {
                    MemoryPlan plan = plans.onCard(MemorySize.gib(gib), request);
                    out.printf(
                            Locale.ROOT,
                            row,
                            "",
                            gib,
                            kept(plan, Component.TEXT_ENCODER),
                            kept(plan, Component.TRANSFORMER),
                            kept(plan, Component.VAE),
                            plan.decodeTile() == 0 ? "whole" : "tiles " + plan.decodeTile(),
                            gib(plan.peaks().of("text")),
                            gib(plan.peaks().of("denoise")),
                            gib(plan.peaks().of("decode")),
                            gib(MemorySize.gib(gib).bytes() - plan.peaks().highest()));
                } catch (IllegalArgumentException e) {
                    out.printf(
                            Locale.ROOT, "%-9s  %6s  %s%n", "", gib, ShownText.joined(String.valueOf(e.getMessage())));
                }
            }
        }
        out.println("All in GiB. 12/32: so many of the blocks stay on the card, the others come when they are needed.");
    }

    private static String kept(MemoryPlan plan, Component component) {
        MemoryPlan.Part part = plan.parts().stream()
                .filter(each -> each.component().equals(component))
                .findFirst()
                .orElseThrow();
        if (!part.device().equals(plan.device())) {
            return "on " + part.device();
        }
        return switch (part.kind()) {
            case ON -> "stays";
            case PARKED -> "parked";
            case STREAMED -> "%d/%d stay".formatted(part.residentBlocks(), part.blocks());
        };
    }

    private static String gib(long bytes) {
        return String.format(Locale.ROOT, "%.2f", bytes / (double) (1 << 30));
    }

    private GenerationRequest request(String text) {
        return GenerationRequest.builder()
                .prompt("")
                .size(text.equalsIgnoreCase(AUTO) ? LARGEST : ImageSize.of(text))
                .count(count)
                .guidance(guidance)
                .build();
    }

    private PipelineBuilder pipeline(LazyModel model, GenerationRequest request) {
        PipelineBuilder builder = model.get().pipeline().planFor(request);
        compute.apply(builder);
        cache.apply(builder);
        controlModel.apply(builder);
        builder.device(Device.cpu()); // unless said otherwise
        places.apply(builder);
        return builder;
    }
}
