package io.github.zimage.serve;

import io.vertx.core.MultiMap;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What proxies say of how a client reached the first of them: {@code Forwarded} (RFC 7239), or else {@code X-Forwarded-For},
 * {@code -Proto}, {@code -Host}, {@code -Port} and {@code -Prefix}. Each proxy adds behind what it was told, so that only the end is
 * worth anything: from the last one back to the first that is not trusted, which is the client. What that one says was for the proxies.
 */
final class ForwardedHeaders {
    private static final Pattern WITH_PORT = Pattern.compile("\\[([^\\]]*)\\](?::.*)?|([0-9]+\\.[0-9.]+):.*");

    private final MultiMap headers;
    private final List<Map<String, String>> elements = new ArrayList<>();
    private final String clientAddress;
    /** How many proxies are between the client and the last one. */
    private final int hops;

    /**
     * Reads headers.
     *
     * @param remote the address that the connection comes from
     * @param trusted whose word counts
     */
    ForwardedHeaders(MultiMap headers, String remote, AddressRanges trusted) {
        this.headers = headers;
        boolean believed = trusted.contains(remote);
        if (believed) {
            parts(headers.getAll("Forwarded"), ',').forEach(element -> elements.add(pairs(element)));
        }
        List<String> chain = elements.isEmpty()
                ? believed ? parts(headers.getAll("X-Forwarded-For"), ',') : List.of()
                : elements.stream().map(each -> each.getOrDefault("for", "")).toList();
        String address = remote;
        int passed = 0;
        for (int i = chain.size() - 1; i >= 0 && trusted.contains(address); i--) {
            String next = withoutPort(chain.get(i));
            if (AddressRanges.bytes(next) == null) {
                break; // a name that hides one, or none
            }
            address = next;
            passed = chain.size() - 1 - i;
        }
        this.clientAddress = address;
        this.hops = believed ? passed : -1;
    }

    /** Returns where the client is. */
    String clientAddress() {
        return clientAddress;
    }

    /**
     * Returns what the proxy that the client reached says.
     *
     * @param parameter its name in {@code Forwarded}; null if it has none there
     * @param header the other header
     * @param valid what a value must be; another is none
     */
    @Nullable
    String value(@Nullable String parameter, String header, Pattern valid) {
        if (hops < 0) {
            return null;
        }
        String value = parameter == null || elements.isEmpty()
                ? null
                : elements.get(Math.max(0, elements.size() - 1 - hops)).get(parameter);
        if (value == null) {
            List<String> values = parts(headers.getAll(header), ',');
            value = values.isEmpty() ? "" : values.get(Math.max(0, values.size() - 1 - hops));
        }
        return valid.matcher(value).matches() ? value : null;
    }

    private static Map<String, String> pairs(String element) {
        Map<String, String> pairs = new HashMap<>();
        for (String pair : parts(List.of(element), ';')) {
            int equals = pair.indexOf('=');
            if (equals > 0) {
                pairs.putIfAbsent(
                        pair.substring(0, equals).strip().toLowerCase(Locale.ROOT),
                        unquoted(pair.substring(equals + 1).strip()));
            }
        }
        return pairs;
    }

    /** Divides headers; separators between quotation marks do not count. */
    private static List<String> parts(List<String> headers, char separator) {
        List<String> parts = new ArrayList<>();
        for (String header : headers) {
            boolean quoted = false;
            int start = 0;
            for (int i = 0; i <= header.length(); i++) {
                boolean ends = i == header.length() || (!quoted && header.charAt(i) == separator);
                if (ends) {
                    parts.add(header.substring(start, i).strip());
                    start = i + 1;
                } else if (header.charAt(i) == '"') {
                    quoted = !quoted;
                }
            }
        }
        parts.removeIf(String::isEmpty);
        return parts;
    }

    private static String unquoted(String value) {
        return value.length() >= 2 && value.startsWith("\"") && value.endsWith("\"")
                ? value.substring(1, value.length() - 1)
                : value;
    }

    private static String withoutPort(String address) {
        Matcher matcher = WITH_PORT.matcher(address);
        if (!matcher.matches()) {
            return address;
        }
        return matcher.group(1) != null ? matcher.group(1) : matcher.group(2);
    }
}
