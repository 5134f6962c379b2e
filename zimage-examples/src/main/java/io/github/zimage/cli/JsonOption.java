package io.github.zimage.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintWriter;
import java.util.function.Supplier;
import picocli.CommandLine.Option;

/** Whether a command prints what programs read. */
final class JsonOption {
    @Option(names = "--json", description = "Print one JSON document, for programs.")
    private boolean json;

    boolean isOn() {
        return json;
    }

    /** Prints what a command found, in the form that was asked for. */
    void print(PrintWriter out, Supplier<JsonNode> document, Supplier<String> text) {
        out.println(json ? Json.text(document.get()) : text.get());
        out.flush();
    }
}
