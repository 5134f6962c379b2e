package io.github.zimage.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.tuning.RuntimeInfo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Says what zimage found on this machine. */
@Command(
        name = "doctor",
        description =
                "Says whether Z-Image-Turbo runs on this machine and about how fast, and what zimage finds here: JVM,"
                        + " processor, LibTorch, the kernels it chose, memory.")
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class DoctorCommand implements Runnable {
    private static final int SIZE = 1024;

    @Spec
    private CommandSpec spec;

    @Mixin
    private JsonOption json;

    @Override
    public void run() {
        RuntimeInfo found = RuntimeInfo.probe();
        TurboVerdict verdict = TurboVerdict.of(found, SIZE);
        String end = System.lineSeparator();
        json.print(
                spec.commandLine().getOut(),
                () -> document(found, verdict),
                () -> verdict.text() + end + end + ShownText.lines(found.toString()));
    }

    private static JsonNode document(RuntimeInfo found, TurboVerdict verdict) {
        ObjectNode document = Json.object();
        document.set("turbo", verdict.toJson());
        document.set("machine", Json.of(found));
        return document;
    }
}
