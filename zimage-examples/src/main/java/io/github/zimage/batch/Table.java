package io.github.zimage.batch;

import io.github.zimage.internal.io.ShownText;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Locale;

/** Rows of a file, read one after the other. */
interface Table extends Iterator<TableRow>, AutoCloseable {

    /** Returns how much of the file has been read, from 0 to 1. */
    double progress();

    @Override
    void close() throws IOException;

    /**
     * Opens a table by the ending of its name.
     *
     * @throws IllegalArgumentException if it is neither {@code .jsonl} (or {@code .ndjson}) nor {@code .csv}, or is no file
     */
    static Table open(Path file) throws IOException {
        String name = file.toString().toLowerCase(Locale.ROOT);
        if (!Files.isRegularFile(file)) {
            throw new IllegalArgumentException(
                    "the table must be a file, but '%s' is none".formatted(ShownText.cut(file.toString())));
        }
        if (name.endsWith(".jsonl") || name.endsWith(".ndjson")) {
            return new JsonLinesTable(file);
        }
        if (name.endsWith(".csv")) {
            return new CsvTable(file);
        }
        throw new IllegalArgumentException(
                "the table's name must end in .jsonl or .csv, but was '%s'".formatted(ShownText.cut(file.toString())));
    }
}
