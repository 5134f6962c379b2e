package io.github.zimage.serve;

import io.netty.handler.codec.http.QueryStringDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What a request line asks for (RFC 9112, 3.2): a path, as a rule; an absolute address, as for a proxy; or {@code *}, the server as a
 * whole. Empty segments of the path and dots do not count.
 *
 * @param authority host and port of an absolute address
 * @param segments the path's parts, decoded
 * @param endsWithSlash whether the path does
 * @param isServer whether it is the server as a whole
 */
record RequestTarget(@Nullable String authority, List<String> segments, boolean endsWithSlash, boolean isServer) {
    private static final Pattern ABSOLUTE = Pattern.compile("(?i)https?://([^/?#]*)(.*)", Pattern.DOTALL);

    /**
     * Reads a request's target.
     *
     * @throws ApiException if it is none
     */
    static RequestTarget parse(@Nullable String uri) {
        if (uri == null || uri.isEmpty()) {
            throw new ApiException(400, "bad_request", "the request has no target");
        }
        if (uri.equals("*")) {
            return new RequestTarget(null, List.of(), false, true);
        }
        Matcher absolute = ABSOLUTE.matcher(uri);
        if (absolute.matches()) {
            return ofPath(absolute.group(1), absolute.group(2));
        }
        if (!uri.startsWith("/")) {
            throw new ApiException(400, "bad_request", "the request's target must be a path or an http address");
        }
        return ofPath(null, uri);
    }

    private static RequestTarget ofPath(@Nullable String authority, String rest) {
        String path = rest.split("[?#]", 2)[0];
        List<String> segments = new ArrayList<>();
        for (String raw : path.split("/", -1)) {
            String segment = decode(raw);
            if (segment.equals("..")) {
                if (!segments.isEmpty()) {
                    segments.remove(segments.size() - 1);
                }
            } else if (!segment.isEmpty() && !segment.equals(".")) {
                segments.add(segment);
            }
        }
        return new RequestTarget(authority, List.copyOf(segments), path.endsWith("/"), false);
    }

    private static String decode(String segment) {
        try {
            return new QueryStringDecoder(segment, StandardCharsets.UTF_8).path();
        } catch (IllegalArgumentException e) {
            throw new ApiException(400, "bad_request", "the address has a % that is not followed by two hex digits");
        }
    }

    /** Returns this one without the segments it begins with, if it does begin with these. */
    RequestTarget without(List<String> prefix) {
        boolean begins = segments.size() >= prefix.size()
                && segments.subList(0, prefix.size()).equals(prefix);
        return begins && !prefix.isEmpty()
                ? new RequestTarget(
                        authority, segments.subList(prefix.size(), segments.size()), endsWithSlash, isServer)
                : this;
    }

    /** Returns the path, in its plainest form. */
    String path() {
        return "/" + String.join("/", segments);
    }
}
