package io.github.zimage.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.internal.pipeline.TurboPlan;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.placement.Placement;
import io.github.zimage.tuning.RuntimeInfo;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Whether Z-Image-Turbo runs on the processor of this machine, and about how fast, before it is fetched. Graphics cards are not asked: theirs
 * is another question, which {@code zimage plan} answers by their memory.
 *
 * @param size width and height of the picture
 * @param choices each precision that the processor can compute in
 * @param disturbed whether other programs computed during the measurement
 */
record TurboVerdict(int size, List<Choice> choices, boolean disturbed) {
    /**
     * How the model would run in a precision.
     *
     * @param plan where the weights would be
     * @param picture how long a picture takes, estimated, if the weights stay in memory
     */
    record Choice(Precision precision, MemoryPlan plan, Duration picture) {
        /** Returns whether nothing has to be read again for each step. */
        boolean stays() {
            return plan.fits() && plan.parts().stream().noneMatch(part -> part.kind() == Placement.Kind.STREAMED);
        }
    }

    static TurboVerdict of(RuntimeInfo machine, int size) {
        GenerationRequest request =
                GenerationRequest.builder().prompt("").size(size, size).build();
        List<Choice> choices = new ArrayList<>();
        for (Precision precision : List.of(Precision.BF16, Precision.INT8)) {
            if (machine.supports(precision)) {
                choices.add(new Choice(
                        precision,
                        TurboPlan.in(precision).onThisMachine(request),
                        TurboTime.of(machine).picture(precision, request)));
            }
        }
        return new TurboVerdict(size, choices, !machine.disturbance().isEmpty());
    }

    /** Returns a few lines for people. */
    String text() {
        List<String> lines = new ArrayList<>();
        lines.add("%s on this processor, %d x %d in %d steps:"
                .formatted(TurboPlan.NAME, size, size, GenerationRequest.DEFAULT_STEPS));
        for (Choice choice : choices) {
            lines.add("  %-5s %s, about %s a picture (estimated)"
                    .formatted(
                            choice.precision().name().toLowerCase(Locale.ROOT),
                            memory(choice),
                            people(choice.picture()) + (choice.stays() ? "" : " and the time of reading weights")));
        }
        lines.add("  " + advice());
        if (disturbed) {
            lines.add("  Other programs compute: alone, it would be faster.");
        }
        return String.join(System.lineSeparator(), lines);
    }

    private static String memory(Choice choice) {
        MemoryPlan plan = choice.plan();
        MemorySize needed = new MemorySize(plan.peaks().highest());
        String available = plan.limit() == null ? "" : " of " + plan.limit() + " available";
        if (!plan.fits()) {
            return "does not fit: needs " + needed + available;
        }
        return (choice.stays() ? "fits: " : "fits, with weights read again for each step: ") + needed + available;
    }

    private String advice() {
        return choices.stream()
                .filter(Choice::stays)
                .reduce((first, second) -> second.picture().compareTo(first.picture()) < 0 ? second : first)
                .or(() ->
                        choices.stream().filter(choice -> choice.plan().fits()).reduce((first, second) -> second))
                .map(choice -> "Take --dtype " + choice.precision().name().toLowerCase(Locale.ROOT)
                        + "; --size 512 takes about a fifth of the time.")
                .orElse("It does not run here: free memory, or add some.");
    }

    /** Returns a time with no more digits than an estimate has. */
    static String people(Duration time) {
        long seconds = Math.max(1, Math.round(time.toMillis() / 1000.0));
        return seconds < 120 ? seconds + " s" : Math.round(seconds / 60.0) + " min";
    }

    ObjectNode toJson() {
        ObjectNode document = Json.object().put("model", TurboPlan.NAME).put("size", size);
        ArrayNode all = document.putArray("precisions");
        for (Choice choice : choices) {
            MemorySize limit = choice.plan().limit();
            all.addObject()
                    .put("precision", choice.precision().name())
                    .put("fits", choice.plan().fits())
                    .put("weightsStayInMemory", choice.stays())
                    .put("memoryBytes", choice.plan().peaks().highest())
                    .put("availableBytes", limit == null ? null : (Long) limit.bytes())
                    .put("estimatedSeconds", choice.picture().toMillis() / 1000.0);
        }
        return document;
    }
}
