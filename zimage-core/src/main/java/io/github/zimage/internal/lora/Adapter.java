package io.github.zimage.internal.lora;

import io.github.zimage.Component;
import io.github.zimage.LoraReport;
import java.nio.file.Path;
import java.util.List;

/** An adapter's file, read and matched with a model's modules; its numbers are still in the file. Immutable. */
public final class Adapter {
    private final Path file;
    private final List<Change> changes;
    private final LoraReport report;

    Adapter(Path file, List<Change> changes, LoraReport report) {
        this.file = file;
        this.changes = List.copyOf(changes);
        this.report = report;
    }

    /** Returns the file. */
    public Path file() {
        return file;
    }

    /** Returns what was found in it, and what is done with it. */
    public LoraReport report() {
        return report;
    }

    /** Returns whether it does something to a component. */
    public boolean changes(Component component) {
        return changes.stream().anyMatch(each -> each.component().equals(component));
    }

    /** Returns how many numbers are multiplied to add what it makes of a row of each layer of a component. */
    long products(Component component) {
        return changes.stream()
                .filter(each -> each.component().equals(component))
                .mapToLong(each -> each.delta().products())
                .sum();
    }

    List<Change> changes() {
        return changes;
    }
}
