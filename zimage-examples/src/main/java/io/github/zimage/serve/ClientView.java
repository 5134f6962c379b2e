package io.github.zimage.serve;

import io.vertx.core.http.HttpServerRequest;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * How a client sees the server: under its own address, or under that of a proxy. The operator says which, or that proxies may say so by
 * {@code Forwarded} (RFC 7239) or {@code X-Forwarded-Proto}, {@code -Host}, {@code -Port}, {@code -Prefix} and {@code -For}. Of several
 * proxies, the first one says how the client asked, and the last one, which is the one that is trusted, from where.
 *
 * @param base the address before all paths, without a slash at its end
 * @param prefix the path in that
 * @param address where the client is
 */
record ClientView(String base, String prefix, String address) {
    private static final Pattern HOST =
            Pattern.compile("[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\\[[0-9A-Fa-f:.]{2,45}\\](:[0-9]{1,5})?");
    private static final Pattern PREFIX = Pattern.compile("(/[A-Za-z0-9._~-]{1,100}){1,10}/?");
    private static final Pattern PORT = Pattern.compile("[0-9]{1,5}");
    private static final Pattern ADDRESS = Pattern.compile("[0-9A-Za-z.:_-]{1,64}");
    private static final Pattern WITH_PORT = Pattern.compile("\\[([^\\]]*)\\](:[0-9]+)?|([0-9.]+)(:[0-9]+)?");

    /**
     * Looks at a request.
     *
     * @param host the host that it names, if it names one
     */
    static ClientView of(ServerOptions options, HttpServerRequest request, @Nullable String host) {
        String remote = request.connection().remoteAddress().hostAddress();
        String own = host != null && HOST.matcher(host).matches() ? host : options.host() + ":" + options.port();
        Headers headers = new Headers(request, options.trustForwarded());
        String address = headers.clientAddress(remote);
        URI publicUrl = options.publicUrl();
        if (publicUrl != null) {
            return new ClientView(publicUrl.toString(), publicUrl.getRawPath(), address);
        }
        String prefix = headers.prefix();
        return new ClientView(headers.scheme() + "://" + headers.host(own) + prefix, prefix, address);
    }

    /** What proxies say; nothing if they are not trusted. */
    private record Headers(HttpServerRequest request, boolean trusted) {
        private List<String> values(String name) {
            return trusted
                    ? request.headers().getAll(name).stream()
                            .flatMap(value -> Stream.of(value.split(",")))
                            .map(String::strip)
                            .filter(value -> !value.isEmpty())
                            .toList()
                    : List.of();
        }

        /** Returns a parameter of all elements of {@code Forwarded}. */
        private List<String> forwarded(String name) {
            Pattern pair = Pattern.compile("(?i)(?:^|;)\\s*" + name + "\\s*=\\s*(\"[^\"]*\"|[^;\\s]*)");
            return values("Forwarded").stream()
                    .map(pair::matcher)
                    .filter(Matcher::find)
                    .map(matcher -> matcher.group(1).replace("\"", ""))
                    .toList();
        }

        private @Nullable String first(List<String> forwarded, String otherwise, Pattern valid) {
            return Stream.concat(forwarded.stream(), values(otherwise).stream())
                    .filter(value -> valid.matcher(value).matches())
                    .findFirst()
                    .orElse(null);
        }

        String scheme() {
            String scheme = first(forwarded("proto"), "X-Forwarded-Proto", Pattern.compile("(?i)https?"));
            return scheme == null ? "http" : scheme.toLowerCase(Locale.ROOT);
        }

        String host(String own) {
            String host = first(forwarded("host"), "X-Forwarded-Host", HOST);
            if (host == null) {
                return own;
            }
            String port = first(List.of(), "X-Forwarded-Port", PORT);
            String usual = scheme().equals("https") ? "443" : "80";
            boolean hasPort = host.matches(".*:[0-9]{1,5}") && !host.endsWith("]");
            return hasPort || port == null || port.equals(usual) ? host : host + ":" + port;
        }

        String prefix() {
            String prefix = first(List.of(), "X-Forwarded-Prefix", PREFIX);
            return prefix == null ? "" : prefix.replaceFirst("/$", "");
        }

        String clientAddress(String remote) {
            List<String> addresses = forwarded("for");
            if (addresses.isEmpty()) {
                addresses = values("X-Forwarded-For");
            }
            if (addresses.isEmpty()) {
                return remote;
            }
            String last = addresses.get(addresses.size() - 1);
            Matcher withPort = WITH_PORT.matcher(last);
            if (withPort.matches()) {
                last = withPort.group(1) != null ? withPort.group(1) : withPort.group(3);
            }
            return ADDRESS.matcher(last).matches() ? last : remote;
        }
    }
}
