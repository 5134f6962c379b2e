package io.github.zimage.cli;

import io.github.zimage.internal.io.ShownText;
import io.github.zimage.tuning.RuntimeInfo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Says what zimage found on this machine. */
@Command(
        name = "doctor",
        description = "Says what zimage finds on this machine: JVM, processor, LibTorch, the kernels it chose, memory.")
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class DoctorCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        spec.commandLine().getOut().println(ShownText.lines(RuntimeInfo.probe().toString()));
    }
}
