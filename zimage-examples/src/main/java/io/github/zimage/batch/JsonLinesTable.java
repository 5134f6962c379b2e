package io.github.zimage.batch;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.internal.io.ShownText;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/** A JSON object a line. Blank lines are none. */
final class JsonLinesTable implements Table {
    /** Longer than any request that a model takes. */
    private static final int MAX_LINE_BYTES = 4 << 20;

    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final CountedInput counted;
    private final InputStream input;
    private long number;
    private @Nullable TableRow next;

    JsonLinesTable(Path file) throws IOException {
        counted = new CountedInput(file);
        input = new BufferedInputStream(counted, 1 << 16);
        next = readRow();
    }

    @Override
    public boolean hasNext() {
        return next != null;
    }

    @Override
    public TableRow next() {
        TableRow row = next;
        if (row == null) {
            throw new NoSuchElementException();
        }
        try {
            next = readRow();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return row;
    }

    private @Nullable TableRow readRow() throws IOException {
        while (true) {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            boolean more = readLine(line);
            String text = line.toString(StandardCharsets.UTF_8);
            if (!text.isBlank()) {
                number++;
                return row(text);
            }
            if (!more) {
                return null;
            }
        }
    }

    private boolean readLine(ByteArrayOutputStream line) throws IOException {
        int next = input.read();
        while (next >= 0 && next != '\n') {
            if (line.size() <= MAX_LINE_BYTES) {
                line.write(next);
            }
            next = input.read();
        }
        return next >= 0;
    }

    private TableRow row(String text) {
        if (text.length() > MAX_LINE_BYTES) {
            return TableRow.unreadable(
                    number, text.substring(0, 1000), "a row has at most " + MAX_LINE_BYTES + " bytes");
        }
        try {
            if (MAPPER.readTree(text) instanceof ObjectNode fields) {
                return TableRow.of(number, fields);
            }
            return TableRow.unreadable(number, text, "a row must be a JSON object, but was " + ShownText.cut(text));
        } catch (JsonProcessingException e) {
            return TableRow.unreadable(
                    number, text, "the row is not valid JSON: " + ShownText.cut(e.getOriginalMessage()));
        }
    }

    @Override
    public double progress() {
        return counted.progress();
    }

    @Override
    public void close() throws IOException {
        input.close();
    }
}
