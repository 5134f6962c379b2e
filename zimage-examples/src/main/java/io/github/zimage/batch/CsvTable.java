package io.github.zimage.batch;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.RuntimeJsonMappingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvParser;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import io.github.zimage.GenerationRequest;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.internal.io.ShownText;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PushbackInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.NoSuchElementException;

/** A table of RFC 4180 in UTF-8, whose first line names the fields. An empty cell is a field that is not given. */
final class CsvTable implements Table {
    private static final JsonMapper JSON = new JsonMapper();

    private final CountedInput counted;
    private final MappingIterator<Map<String, String>> rows;
    private long number;
    private boolean broken;

    CsvTable(Path file) throws IOException {
        counted = new CountedInput(file);
        CsvMapper mapper =
                CsvMapper.builder().enable(CsvParser.Feature.TRIM_SPACES).build();
        CsvSchema schema = CsvSchema.emptySchema().withHeader();
        rows = mapper.readerForMapOf(String.class)
                .with(schema)
                .readValues(new InputStreamReader(withoutMark(counted), StandardCharsets.UTF_8));
    }

    /** Spreadsheets write a byte order mark, which is no part of the first name. */
    private static PushbackInputStream withoutMark(InputStream input) throws IOException {
        PushbackInputStream pushback = new PushbackInputStream(input, 3);
        byte[] begin = pushback.readNBytes(3);
        boolean mark =
                begin.length == 3 && begin[0] == (byte) 0xEF && begin[1] == (byte) 0xBB && begin[2] == (byte) 0xBF;
        if (!mark) {
            pushback.unread(begin);
        }
        return pushback;
    }

    @Override
    public boolean hasNext() {
        try {
            return !broken && rows.hasNextValue();
        } catch (IOException e) {
            return true;
        }
    }

    @Override
    public TableRow next() {
        number++;
        try {
            if (!rows.hasNextValue()) {
                throw new NoSuchElementException();
            }
            return TableRow.of(number, fields(rows.nextValue()));
        } catch (IOException | RuntimeJsonMappingException e) {
            broken = true;
            return TableRow.unreadable(
                    number,
                    "row " + number,
                    "the table cannot be read from here on: " + ShownText.cut(String.valueOf(e.getMessage())));
        }
    }

    private static ObjectNode fields(Map<String, String> cells) {
        ObjectNode fields = JsonNodeFactory.instance.objectNode();
        cells.forEach((name, cell) -> {
            if (name != null && cell != null && !cell.isBlank()) {
                fields.set(name, value(name, cell));
            }
        });
        return fields;
    }

    /** A cell is text where the field takes text, else a value of JSON. */
    private static JsonNode value(String name, String cell) {
        TextNode text = TextNode.valueOf(cell);
        if (RowReader.isOwn(name) || isTaken(name, text)) {
            return text;
        }
        try {
            JsonNode value = JSON.readTree(cell);
            return value == null || value.isMissingNode() ? text : value;
        } catch (JsonProcessingException e) {
            return text;
        }
    }

    private static boolean isTaken(String name, TextNode text) {
        try {
            GenerationRequest.builder()
                    .json(JsonNodeFactory.instance.objectNode().set(name, text).toString());
            return true;
        } catch (InvalidRequestException e) {
            return false;
        }
    }

    @Override
    public double progress() {
        return counted.progress();
    }

    @Override
    public void close() throws IOException {
        rows.close();
    }
}
