package io.github.zimage.bench;

import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Draws two pictures with one pipeline, and says when the phases of the second one end, for whoever looks at the process from outside:
 * what the text phase of a plan counts is there only when something has been drawn before.
 */
@Command(
        name = "two-pictures",
        description = "Draws two pictures, saying when the phases of the second one end.",
        mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class TwoPictures implements Callable<Integer> {
    @Mixin
    private ModelOptions model;

    @Option(names = "--steps", defaultValue = "2", description = "Steps (default: ${DEFAULT-VALUE}).")
    private int steps;

    @Option(names = "--memory", paramLabel = "SIZE", description = "Memory budget, such as 8g (default: none).")
    private @Nullable String memory;

    /** Runs the command and ends the JVM. */
    static void main(List<String> args) {
        CommandLine commandLine = new CommandLine(new TwoPictures()).setCaseInsensitiveEnumValuesAllowed(true);
        System.exit(commandLine.execute(args.toArray(String[]::new)));
    }

    @Override
    public Integer call() {
        GenerationRequest first = request("a red fox in the snow");
        PipelineBuilder builder = ZImagePipeline.builder()
                .model(model.folder)
                .precision(model.precision)
                .planFor(first);
        if (memory != null) {
            builder.memoryBudget(MemorySize.parse(memory));
        }
        try (ZImagePipeline pipeline = builder.build()) {
            pipeline.generate(first);
            GenerationRequest second = request("a lighthouse on a rock in the evening");
            MemoryPlan.Peaks predicted = pipeline.plan(second).peaks();
            System.out.println("begin");
            pipeline.generateAll(second, new GenerationListener() {
                @Override
                public void onEncode(Duration elapsed) {
                    System.out.println("text " + predicted.of("text"));
                }

                @Override
                public void onStep(int step, int steps, Duration elapsed) {
                    if (step == steps) {
                        System.out.println("denoise " + predicted.of("denoise"));
                    }
                }
            });
            System.out.println("decode " + predicted.of("decode"));
        }
        return 0;
    }

    private GenerationRequest request(String prompt) {
        return GenerationRequest.builder()
                .prompt(prompt)
                .size(model.size, model.size)
                .steps(steps)
                .seed(1)
                .build();
    }
}
