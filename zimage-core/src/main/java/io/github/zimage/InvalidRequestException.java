package io.github.zimage;

import java.util.List;

/** Says that values of a request are out of their range, contradict each other or are none. */
public class InvalidRequestException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    private final List<String> fields;

    /**
     * Creates an exception.
     *
     * @param fields the names of the values that are wrong
     * @param message what is wrong with them
     */
    public InvalidRequestException(List<String> fields, String message) {
        super(message);
        this.fields = List.copyOf(fields);
    }

    /** Returns the names of the values that are wrong, as in JSON; empty if it is not the fault of any one. */
    public List<String> fields() {
        return fields;
    }
}
