package io.github.zimage.batch;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.jspecify.annotations.Nullable;

/**
 * A row of a table as it was read.
 *
 * @param number its number, from 1; a header has none
 * @param text what is known of it if it could not be read
 * @param fields its fields; null if it could not be read
 * @param error why it could not be read; null if it could
 */
record TableRow(
        long number,
        String text,
        @Nullable ObjectNode fields,
        @Nullable String error) {

    static TableRow of(long number, ObjectNode fields) {
        return new TableRow(number, "", fields, null);
    }

    static TableRow unreadable(long number, String text, String error) {
        return new TableRow(number, text, null, error);
    }
}
