package io.github.zimage.bench;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.placement.Device;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Draws with step caches and the small model: by a mask on the CPU and on the card, from the same noise, and says how far apart the latents are; and on
 * the card what must be equal to the last bit: a mask whose work is recorded and one whose work is not, and a first block cache that leaves out nothing and
 * none.
 */
final class StepCachePart {
    /** Compares with the small model. */
    static final String NAME = "step-cache";

    private static final int STEPS = 12;
    private static final StepCache MASK = StepCache.mask("medium");

    private final CheckOptions options;
    private final Findings findings;

    StepCachePart(CheckOptions options, Findings findings) {
        this.options = options;
        this.findings = findings;
    }

    void compare() {
        GeneratedImage exact =
                draw(Device.cpu(), Precision.FP32, false, List.of(MASK)).get(0);
        for (Precision precision : List.of(Precision.FP32, Precision.BF16)) {
            List<GeneratedImage> eager =
                    draw(options.device(), precision, false, List.of(MASK, StepCache.OFF, StepCache.firstBlock(0)));
            GeneratedImage recorded =
                    draw(options.device(), precision, true, List.of(MASK, MASK)).get(1);
            Map<String, Object> line = Findings.line(NAME, "cache", MASK.toString());
            line.put("precision", precision.name());
            line.put("forwards", eager.get(0).timings().forwards());
            double error = FidelityPart.relativeError(List.of(exact), List.of(eager.get(0)));
            FidelityPart.judge(error, precision, options.isTrained(), line);
            if (!equal(eager.get(0), recorded)) {
                line.put("error", "what is recorded gives another picture than what is not");
            }
            if (!equal(eager.get(1), eager.get(2))) {
                line.put("error", "a first block cache that leaves out nothing gives another picture than none");
            }
            findings.report(line);
        }
    }

    private List<GeneratedImage> draw(Device on, Precision precision, boolean compiled, List<StepCache> caches) {
        try (ZImagePipeline pipeline = ZImagePipeline.builder()
                .model(options.smallModel())
                .device(on)
                .precision(precision)
                .compileTransformer(compiled)
                .build()) {
            return caches.stream().map(each -> pipeline.generate(request(each))).toList();
        }
    }

    private static GenerationRequest request(StepCache cache) {
        return GenerationRequest.builder()
                .prompt("a red fox on grass")
                .negativePrompt("a dog")
                .size(128, 128)
                .steps(STEPS)
                .guidance(1)
                .seed(1)
                .sampling(sampling -> sampling.withStepCache(cache))
                .build();
    }

    private static boolean equal(GeneratedImage one, GeneratedImage other) {
        return Arrays.equals(one.latents().values(), other.latents().values());
    }
}
