package io.github.zimage.serve;

import io.vertx.core.http.HttpServerRequest;
import java.net.URI;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How a client sees the server: under its own address, or under that of a proxy. The operator says which, or which proxies may say so.
 *
 * @param base the address before all paths, without a slash at its end
 * @param prefix the path in that
 * @param address where the client is
 */
record ClientView(String base, String prefix, String address) {
    /** From 0 to 65535. */
    static final String PORT_NUMBER =
            "(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";

    private static final Pattern SCHEME = Pattern.compile("(?i)https?");
    private static final Pattern HOST =
            Pattern.compile("([A-Za-z0-9._-]{1,253}|\\[[0-9A-Fa-f:.]{2,45}\\])(:" + PORT_NUMBER + ")?");
    private static final Pattern PREFIX = Pattern.compile("(/[A-Za-z0-9._~-]{1,100}){1,10}/?");
    private static final Pattern PORT = Pattern.compile(PORT_NUMBER);

    /**
     * Looks at a request.
     *
     * @param host the host that it names, if it names one
     * @param trusted the proxies whose word counts
     */
    static ClientView of(
            ServerOptions options, AddressRanges trusted, HttpServerRequest request, @Nullable String host) {
        String remote = request.connection().remoteAddress().hostAddress();
        ForwardedHeaders forwarded = new ForwardedHeaders(request.headers(), remote, trusted);
        URI publicUrl = options.publicUrl();
        if (publicUrl != null) {
            return new ClientView(publicUrl.toString(), publicUrl.getRawPath(), forwarded.clientAddress());
        }
        String scheme = forwarded.value("proto", "X-Forwarded-Proto", SCHEME);
        scheme = scheme == null ? "http" : scheme.toLowerCase(Locale.ROOT);
        String prefix = forwarded.value(null, "X-Forwarded-Prefix", PREFIX);
        prefix = prefix == null ? "" : prefix.replaceFirst("/$", "");
        String own = host != null && HOST.matcher(host).matches() ? host : listening(options);
        return new ClientView(
                scheme + "://" + host(forwarded, scheme, own) + prefix, prefix, forwarded.clientAddress());
    }

    private static String host(ForwardedHeaders forwarded, String scheme, String own) {
        String host = forwarded.value("host", "X-Forwarded-Host", HOST);
        if (host == null) {
            return own;
        }
        String port = forwarded.value(null, "X-Forwarded-Port", PORT);
        String usual = scheme.equals("https") ? "443" : "80";
        boolean hasPort = host.matches(".*:[0-9]{1,5}") && !host.endsWith("]");
        return hasPort || port == null || port.equals(usual) ? host : host + ":" + port;
    }

    private static String listening(ServerOptions options) {
        String host = options.host();
        return (host.contains(":") ? "[" + host + "]" : host) + ":" + options.port();
    }
}
