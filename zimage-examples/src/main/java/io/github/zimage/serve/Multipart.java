package io.github.zimage.serve;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The parts of a {@code multipart/form-data} body, RFC 7578. */
final class Multipart {
    private static final int MAX_PARTS = 64;
    private static final int MAX_HEAD = 4096;
    private static final byte[] LINE = {'\r', '\n'};
    private static final byte[] HEAD_END = {'\r', '\n', '\r', '\n'};
    private static final Pattern BOUNDARY =
            Pattern.compile("(?i);\\s*boundary=(?:\"([^\"]{1,70})\"|([^\\s;\"]{1,70}))");
    private static final Pattern NAME =
            Pattern.compile("(?im)^content-disposition:\\s*form-data\\s*;(?:.*;)?\\s*name=\"([^\"\r\n]{1,100})\"");
    private static final Pattern FILE = Pattern.compile("(?im)^content-disposition:.*;\\s*filename\\*?=");

    private final byte[] body;
    private final byte[] delimiter;

    /**
     * A part.
     *
     * @param name the name of its field
     * @param isFile whether it came as a file
     * @param content its bytes
     */
    @SuppressWarnings("ArrayRecordComponent") // carries bytes from one place to the next; never compared
    record Part(String name, boolean isFile, byte[] content) {
        /** Returns the content as text. */
        String text() {
            return new String(content, StandardCharsets.UTF_8);
        }
    }

    private Multipart(byte[] body, String boundary) {
        this.body = body;
        delimiter = ("--" + boundary).getBytes(StandardCharsets.ISO_8859_1);
    }

    /** Returns the boundary that a content type names, or null. */
    static @Nullable String boundary(String contentType) {
        Matcher matcher = BOUNDARY.matcher(contentType);
        if (!matcher.find()) {
            return null;
        }
        return matcher.group(1) == null ? matcher.group(2) : matcher.group(1);
    }

    /**
     * Takes a body apart.
     *
     * @throws ApiException if it is damaged
     */
    static List<Part> parse(byte[] body, String boundary) {
        return new Multipart(body, boundary).parts();
    }

    private List<Part> parts() {
        List<Part> parts = new ArrayList<>();
        int at = after(delimiter, find(delimiter, 0));
        while (!startsWith(at, '-', '-')) {
            if (parts.size() == MAX_PARTS) {
                throw damaged("it has more than %d parts".formatted(MAX_PARTS));
            }
            int start = after(LINE, find(LINE, at));
            int headEnd = find(HEAD_END, start - LINE.length);
            if (headEnd - start > MAX_HEAD) {
                throw damaged("the head of a part is too long");
            }
            int content = after(HEAD_END, headEnd);
            int end = nextDelimiter(content);
            parts.add(part(
                    new String(body, start, Math.max(0, headEnd - start), StandardCharsets.UTF_8),
                    Arrays.copyOfRange(body, content, end)));
            at = end + LINE.length + delimiter.length;
        }
        return parts;
    }

    private static Part part(String head, byte[] content) {
        Matcher name = NAME.matcher(head);
        if (!name.find()) {
            throw damaged("a part has no name");
        }
        return new Part(name.group(1), FILE.matcher(head).find(), content);
    }

    /** Returns where the line break before the next delimiter is. */
    private int nextDelimiter(int from) {
        int at = from - LINE.length;
        while (true) {
            at = find(LINE, Math.max(at, 0));
            if (matches(delimiter, at + LINE.length)) {
                return Math.max(at, from);
            }
            at += LINE.length;
        }
    }

    private int find(byte[] wanted, int from) {
        for (int i = Math.max(from, 0); i + wanted.length <= body.length; i++) {
            if (body[i] == wanted[0] && matches(wanted, i)) {
                return i;
            }
        }
        throw damaged("it is cut off");
    }

    private static int after(byte[] found, int at) {
        return at + found.length;
    }

    private boolean matches(byte[] wanted, int at) {
        return at + wanted.length <= body.length
                && Arrays.equals(body, at, at + wanted.length, wanted, 0, wanted.length);
    }

    private boolean startsWith(int at, char first, char second) {
        if (at + 2 > body.length) {
            throw damaged("it is cut off");
        }
        return body[at] == first && body[at + 1] == second;
    }

    private static ApiException damaged(String why) {
        return new ApiException(400, "invalid_form", "the body must be multipart/form-data, but " + why);
    }
}
