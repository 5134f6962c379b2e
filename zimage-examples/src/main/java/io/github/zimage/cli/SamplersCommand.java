package io.github.zimage.cli;

import io.github.zimage.Sampling.Sampler;
import io.github.zimage.Sampling.Schedule;
import java.io.PrintWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Lists samplers and schedules. */
@Command(name = "samplers", description = "Lists the samplers and schedules of 'zimage generate'.")
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class SamplersCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        PrintWriter out = spec.commandLine().getOut();
        out.println("--sampler NAME (forwards: evaluations of the transformer in 8 steps)");
        for (Sampler sampler : Sampler.values()) {
            out.printf("  %-16s %2d forwards  %s%n", sampler.id(), sampler.evaluations(8), sampler.summary());
            if (!sampler.diffusersName().isEmpty()) {
                out.printf("  %-16s              diffusers: %s%n", "", sampler.diffusersName());
            }
        }
        out.println();
        out.println("--schedule NAME");
        for (Schedule schedule : Schedule.values()) {
            out.printf("  %-16s %s%n", schedule.id(), schedule.summary());
        }
    }
}
