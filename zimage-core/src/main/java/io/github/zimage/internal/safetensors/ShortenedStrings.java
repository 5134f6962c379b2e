package io.github.zimage.internal.safetensors;

import java.io.IOException;
import java.io.Reader;

/**
 * A JSON text whose strings are cut where they are very long, so that whoever parses it does not need memory for them. One that was cut
 * ends with {@link #CUT}.
 */
final class ShortenedStrings extends Reader {
    /** The last character of a string that was cut: no character at all in Unicode. */
    static final char CUT = '\uffff';

    private static final int HEX_DIGITS = 4;

    private final Reader in;
    private final int most;
    private boolean inString;
    private boolean escaped;
    private int hexLeft;
    private int length;

    /** Creates a reader that cuts strings after so many characters. */
    ShortenedStrings(Reader in, int most) {
        this.in = in;
        this.most = most;
    }

    @Override
    public int read(char[] target, int offset, int count) throws IOException {
        while (true) {
            int read = in.read(target, offset, count);
            if (read <= 0) {
                return read;
            }
            int kept = offset;
            for (int i = offset; i < offset + read; i++) {
                char c = target[i];
                boolean isCut = length == most && inString && !escaped && hexLeft == 0 && c != '"';
                if (keeps(c)) {
                    target[kept++] = c;
                } else if (isCut) {
                    target[kept++] = CUT;
                }
            }
            if (kept > offset) {
                return kept - offset;
            }
        }
    }

    /** Takes the next character, and returns whether it stays. An escape is kept whole or not at all. */
    private boolean keeps(char c) {
        if (!inString) {
            inString = c == '"';
            length = 0;
            return true;
        }
        if (escaped || hexLeft > 0) {
            hexLeft = escaped && c == 'u' ? HEX_DIGITS : Math.max(0, hexLeft - 1);
            escaped = false;
            return length <= most;
        }
        if (c == '"') {
            inString = false;
            return true;
        }
        escaped = c == '\\';
        length = Math.min(length + 1, most + 1);
        return length <= most;
    }

    @Override
    public void close() throws IOException {
        in.close();
    }
}
