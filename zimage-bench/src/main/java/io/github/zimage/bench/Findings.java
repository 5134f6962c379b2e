package io.github.zimage.bench;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** A file with a line of JSON for each figure and for whatever is wrong. Several processes may add to it, one after the other. */
final class Findings {
    private static final ObjectMapper JSON = JsonMapper.builder().build();

    private final Path file;

    Findings(Path file) {
        this.file = file;
    }

    /** Empties the file. */
    void clear() throws IOException {
        Files.writeString(file, "");
    }

    /** Adds a line, and prints it. */
    void report(Map<String, Object> line) {
        try {
            String json = JSON.writeValueAsString(line);
            System.out.println(json);
            Files.write(
                    file, List.of(json), StandardCharsets.UTF_8, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    List<String> lines() throws IOException {
        return Files.readAllLines(file, StandardCharsets.UTF_8);
    }

    /** Returns a line to put more into. */
    static Map<String, Object> line(String part, String key, Object value) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("part", part);
        line.put(key, value);
        return line;
    }

    /** Returns how many parts have a line that tells of an error. */
    static int failed(List<String> lines) throws IOException {
        Set<Object> failed = new LinkedHashSet<>();
        for (Map<String, Object> row : rows(lines)) {
            if (row.containsKey("error")) {
                failed.add(row.getOrDefault("part", ""));
            }
        }
        return failed.size();
    }

    private static List<Map<String, Object>> rows(List<String> lines) throws IOException {
        List<Map<String, Object>> rows = new ArrayList<>();
        for (String line : lines) {
            rows.add(JSON.readValue(line, new TypeReference<Map<String, Object>>() {}));
        }
        return rows;
    }

    /** Returns lines of JSON as a table in Markdown, with a column for everything that any of them has. */
    static String table(List<String> lines) throws IOException {
        List<Map<String, Object>> rows = rows(lines);
        Set<String> columns = new LinkedHashSet<>();
        rows.forEach(row -> columns.addAll(row.keySet()));
        if (columns.remove("error")) {
            columns.add("error"); // long, so last
        }
        StringBuilder table = new StringBuilder();
        table.append("| ").append(String.join(" | ", columns)).append(" |\n");
        table.append("|---".repeat(columns.size())).append("|\n");
        for (Map<String, Object> row : rows) {
            for (String column : columns) {
                String cell = String.valueOf(row.getOrDefault(column, ""));
                table.append("| ")
                        .append(cell.replace('|', '/').lines().findFirst().orElse(""))
                        .append(' ');
            }
            table.append("|\n");
        }
        return table.toString();
    }

    /** Returns a figure with four digits. */
    static double round(double value) {
        return Double.parseDouble(String.format(Locale.ROOT, "%.4g", value));
    }

    static double median(List<Double> values) {
        return round(
                values.stream().sorted().skip(values.size() / 2).findFirst().orElseThrow());
    }
}
