package io.github.zimage.examples;

import io.github.zimage.GenerationRequest;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.DemoModel;
import io.github.zimage.placement.MemorySize;
import java.nio.file.Path;

/** Keeps within a memory budget: prints what is planned before anything is loaded, then what was used. */
public final class LowMemory {
    private LowMemory() {}

    /** Takes the budget, such as {@code 8g}, and the folder of a model. */
    public static void main(String[] args) {
        MemorySize budget = MemorySize.parse(args.length > 0 ? args[0] : "1g");
        Path model = args.length > 1 ? Path.of(args[1]) : DemoModel.path();
        GenerationRequest request =
                GenerationRequest.builder().prompt("a cabin").size(128, 128).build();
        PipelineBuilder builder =
                ZImagePipeline.builder().model(model).memoryBudget(budget).planFor(request);
        System.out.println(builder.plan());
        try (ZImagePipeline pipeline = builder.build()) {
            pipeline.generate(request);
            pipeline.measuredPeaks().ifPresent(peaks -> System.out.println("measured: " + peaks.phases()));
        }
    }
}
