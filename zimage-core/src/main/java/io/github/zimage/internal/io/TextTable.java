package io.github.zimage.internal.io;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/** Rows of cells, as a text in which each column is as wide as its widest cell. */
public final class TextTable {
    private static final String GAP = "  ";

    private final Set<Integer> numbers;
    private final List<String[]> rows = new ArrayList<>();

    /** @param numbers the columns that are aligned at their right end, counted from 0 */
    public TextTable(Set<Integer> numbers) {
        this.numbers = numbers;
    }

    /** Adds a row, of as many cells as the first one. */
    public void add(String... cells) {
        rows.add(cells);
    }

    /** Returns a line for each row, with a line end each. */
    @Override
    public String toString() {
        int[] widths = new int[rows.isEmpty() ? 0 : rows.get(0).length];
        for (String[] row : rows) {
            Arrays.setAll(widths, i -> Math.max(widths[i], row[i].length()));
        }
        StringBuilder text = new StringBuilder();
        for (String[] row : rows) {
            for (int i = 0; i < row.length; i++) {
                String padding = " ".repeat(widths[i] - row[i].length());
                boolean last = i == row.length - 1;
                text.append(numbers.contains(i) ? padding + row[i] : last ? row[i] : row[i] + padding);
                text.append(last ? "\n" : GAP);
            }
        }
        return text.toString();
    }
}
