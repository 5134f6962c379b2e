package io.github.zimage.internal.gguf;

import io.github.zimage.ModelLoadException;
import java.io.IOException;
import java.util.StringJoiner;

/** The values of a GGUF file's metadata, as texts. */
final class GgufValues {
    private static final int MOST_KEPT = 8;
    private static final int MOST_TEXT = 65_535;
    private static final long MOST_ENTRIES = 2_000_000;
    private static final int MOST_NESTING = 4;

    private static final int BOOL = 7;
    private static final int TEXT = 8;
    private static final int ARRAY = 9;
    /** How many bytes a number of each type takes; 0 for what has no such size. */
    private static final int[] BYTES = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

    private final String file;
    private final GgufInput in;

    GgufValues(String file, GgufInput in) {
        this.file = file;
        this.in = in;
    }

    /** Returns a value: a number, a text, a short list; of a long text or list an empty text. */
    String read(String key, int type) throws IOException {
        return read(key, type, 0);
    }

    private String read(String key, int type, int nesting) throws IOException {
        if (type == ARRAY) {
            return array(key, nesting);
        }
        if (type == TEXT) {
            return text();
        }
        return switch (requireKnown(key, type)) {
            case 0 -> String.valueOf(in.int8() & 0xff);
            case 1 -> String.valueOf(in.int8());
            case 2 -> String.valueOf(in.int16() & 0xffff);
            case 3 -> String.valueOf(in.int16());
            case 4 -> Integer.toUnsignedString(in.int32());
            case 5 -> String.valueOf(in.int32());
            case 6 -> String.valueOf(Float.intBitsToFloat(in.int32()));
            case BOOL -> String.valueOf(in.int8() != 0);
            case 10 -> Long.toUnsignedString(in.int64());
            case 11 -> String.valueOf(in.int64());
            default -> String.valueOf(Double.longBitsToDouble(in.int64()));
        };
    }

    private String text() throws IOException {
        long length = in.length("a text");
        if (length > MOST_TEXT) {
            in.skip(length);
            return "";
        }
        return in.text((int) length);
    }

    private String array(String key, int nesting) throws IOException {
        int type = in.int32();
        long count = in.count(in.int64(), "the length of the list " + key, MOST_ENTRIES);
        if (nesting == MOST_NESTING) {
            throw new ModelLoadException(
                    "%s: %s must not be nested deeper than %d levels".formatted(file, key, MOST_NESTING));
        }
        boolean isKept = count <= MOST_KEPT;
        StringJoiner kept = new StringJoiner(", ");
        if (!isKept && type != TEXT && type != ARRAY) {
            in.skip(count * BYTES[requireKnown(key, type)]);
        } else {
            for (long i = 0; i < count; i++) {
                String value = isKept || type == ARRAY ? read(key, type, nesting + 1) : skipText();
                if (isKept) {
                    kept.add(value);
                }
            }
        }
        return isKept ? kept.toString() : "";
    }

    private String skipText() throws IOException {
        in.skip(in.length("a text"));
        return "";
    }

    private int requireKnown(String key, int type) {
        if (type < 0 || type >= BYTES.length || BYTES[type] == 0) {
            throw new ModelLoadException("%s: %s must have a value of types 0 to 12, but has %s"
                    .formatted(file, key, Integer.toUnsignedString(type)));
        }
        return type;
    }
}
