package io.github.zimage.serve;

import io.vertx.core.http.HttpVersion;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Who may call, by the host and the key that a request names, and who that is. */
final class Access {
    private static final Pattern LOCAL_HOST =
            Pattern.compile("(?i)(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[0-9]{0,5})?");
    /** What is behind the last colon that is not within brackets, unless it is a port or nothing (RFC 3986, 3.2.3). */
    private static final Pattern WRONG_PORT = Pattern.compile(":(?!(?:" + ClientView.PORT_NUMBER + ")?$)[^:\\]]*$");

    private static final Pattern BEARER = Pattern.compile("(?i)bearer +([!-~]+) *");
    private static final int NETWORK_BYTES = 8;

    private final ServerOptions options;
    private final List<byte[]> keys;
    private final AddressRanges trusted;
    private final boolean isLocal;

    Access(ServerOptions options) {
        this.options = options;
        this.keys = options.apiKeys().stream()
                .map(key -> key.getBytes(StandardCharsets.US_ASCII))
                .toList();
        this.trusted = new AddressRanges(options.trustedProxies());
        this.isLocal =
                LOCAL_HOST.matcher(options.host()).matches() || options.host().equals("::1");
    }

    /** Returns whether clients must show a key. */
    boolean asksForKey() {
        return !keys.isEmpty();
    }

    /**
     * Returns the host that a request names.
     *
     * @throws ApiException if there must be one, or it is not this server: a name that leads here, but is not this machine's, is another
     *     site's that reaches for this one through a browser
     */
    @Nullable
    String requireHost(Exchange exchange, RequestTarget target) {
        List<String> hosts = exchange.request().headers().getAll("Host");
        boolean mayBeMissing = exchange.request().version() == HttpVersion.HTTP_1_0;
        if (hosts.size() > 1 || (hosts.isEmpty() && !mayBeMissing)) {
            throw new ApiException(400, "bad_request", "a request must have one Host, but had " + hosts.size());
        }
        String named = hosts.isEmpty() ? null : hosts.get(0);
        String host = target.authority() != null ? target.authority() : named;
        if (host != null && WRONG_PORT.matcher(host).find()) {
            throw new ApiException(
                    400,
                    "bad_request",
                    "the port of a Host must be between 0 and 65535, but was in %s"
                            .formatted(JsonFields.shown(host, 100)));
        }
        if (isLocal && host != null && !isOurs(host) && !mayHandOn(exchange)) {
            throw new ApiException(
                    421,
                    "wrong_host",
                    "this server is for this machine only: call it localhost or 127.0.0.1, or start it with --public-url");
        }
        return host;
    }

    /** A proxy that is trusted hands on the client's Host, which nobody but {@code publicUrl} tells beforehand. */
    private boolean mayHandOn(Exchange exchange) {
        return options.publicUrl() == null
                && trusted.contains(
                        exchange.request().connection().remoteAddress().hostAddress());
    }

    /** Looks at how the client sees the server. */
    ClientView view(Exchange exchange, @Nullable String host) {
        return ClientView.of(options, trusted, exchange.request(), host);
    }

    private boolean isOurs(String host) {
        URI publicUrl = options.publicUrl();
        if (LOCAL_HOST.matcher(host).matches()) {
            return true;
        }
        return publicUrl != null && withoutUsualPort(host).equals(withoutUsualPort(publicUrl.getRawAuthority()));
    }

    private static String withoutUsualPort(String authority) {
        return authority.toLowerCase(Locale.ROOT).replaceFirst(":(80|443)$", "");
    }

    /** @throws ApiException unless the request shows a key, if it must */
    void requireKey(Exchange exchange) {
        if (asksForKey() && key(exchange) < 0) {
            throw unauthorized(exchange, "send the API key as Authorization: Bearer KEY");
        }
    }

    ApiException unauthorized(Exchange exchange, String message) {
        exchange.putHeader("WWW-Authenticate", "Bearer");
        return new ApiException(401, "invalid_api_key", message);
    }

    boolean hasKey(Exchange exchange) {
        return !asksForKey() || key(exchange) >= 0;
    }

    /** Returns which of the keys a request shows; -1 if none. */
    private int key(Exchange exchange) {
        List<String> shown = exchange.request().headers().getAll("Authorization");
        Matcher bearer = BEARER.matcher(shown.size() == 1 ? shown.get(0) : "");
        int found = -1;
        if (bearer.matches()) {
            byte[] key = bearer.group(1).getBytes(StandardCharsets.UTF_8);
            for (int i = 0; i < keys.size(); i++) {
                found = MessageDigest.isEqual(keys.get(i), key) ? i : found;
            }
        }
        return found;
    }

    /** Returns whose turn a request is: that of its key where there are several, else that of its address. */
    String client(Exchange exchange) {
        return keys.size() > 1
                ? "key " + key(exchange)
                : network(exchange.view().address());
    }

    /** Returns an address; of IPv6, the network that belongs to one customer. */
    static String network(String address) {
        byte[] bytes = AddressRanges.bytes(address);
        return bytes != null && bytes.length == 2 * NETWORK_BYTES
                ? HexFormat.of().formatHex(Arrays.copyOf(bytes, NETWORK_BYTES))
                : address;
    }
}
