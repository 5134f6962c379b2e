package io.github.zimage.internal.hub;

import io.github.zimage.hub.HubName.Hub;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.internal.request.PictureText;
import java.io.IOException;
import java.io.InputStream;
import java.net.Authenticator;
import java.net.PasswordAuthentication;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Asks a hub. Redirects are followed here and not by Java's client: the token goes to the hub's own scheme, host and port and to no other,
 * and nowhere in the clear but to this machine. Thread-safe.
 */
final class HubClient {
    private static final int MOST_REDIRECTS = 5;
    private static final Duration CONNECT = Duration.ofSeconds(10);
    private static final int PROXY_AUTHENTICATION = 407;

    private final HttpClient http;
    private final URI hub;
    private final String token;
    private final boolean cookie;
    private final Duration patience;

    HubClient(HubSettings settings, Hub kind) {
        hub = settings.address(kind);
        String asked = settings.tokenFor(kind);
        boolean safe = hub.getScheme().equals("https") || Loopback.is(hub.getHost());
        token = safe ? asked : "";
        cookie = kind == Hub.MODELSCOPE;
        patience = settings.patience();
        HttpClient.Builder builder = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1) // a connection for each file
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(CONNECT)
                .proxy(EnvironmentProxies.orJavas(settings.variables()));
        authenticator(settings).ifPresent(builder::authenticator);
        http = builder.build();
    }

    /** Who asks a proxy, if its variable says that. */
    private static Optional<Authenticator> authenticator(HubSettings settings) {
        return EnvironmentProxies.user(settings.variables()).map(user -> new Authenticator() {
            @Override
            protected @Nullable PasswordAuthentication getPasswordAuthentication() {
                return getRequestorType() == RequestorType.PROXY ? user : null;
            }
        });
    }

    /** Returns whether questions carry a token. */
    boolean hasToken() {
        return !token.isEmpty();
    }

    /** Returns the hub's address. */
    URI hub() {
        return hub;
    }

    /**
     * What a server gave.
     *
     * @param status 200, or 206 for a part
     * @param headers those of the answer
     * @param hubHeaders those of the hub's own answer, which may have sent us to another server
     * @param body to be closed
     */
    record Answer(int status, HttpHeaders headers, HttpHeaders hubHeaders, InputStream body) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            body.close();
        }
    }

    /**
     * Asks for something, from where it is.
     *
     * @param extra further headers
     * @throws HubRefusal if a server answers with anything but 200 or 206
     * @throws IOException if no answer comes
     */
    Answer get(URI address, Map<String, String> extra) throws IOException, InterruptedException {
        URI at = address;
        HttpHeaders first = null;
        for (int hop = 0; hop <= MOST_REDIRECTS; hop++) {
            HttpResponse<InputStream> response = http.send(request(at, extra), BodyHandlers.ofInputStream());
            first = first == null ? response.headers() : first;
            int status = response.statusCode();
            if (status == 200 || status == 206) {
                return new Answer(status, response.headers(), first, response.body());
            }
            response.body().close();
            String location = response.headers().firstValue("Location").orElse("");
            if (status < 300 || status >= 400 || location.isEmpty()) {
                throw refusal(status, response.headers(), at);
            }
            at = next(at, location);
        }
        throw new IOException(ShownText.cut(address.getHost()) + " sends on more than " + MOST_REDIRECTS + " times");
    }

    private IOException refusal(int status, HttpHeaders headers, URI at) {
        return status == PROXY_AUTHENTICATION
                ? new WrongContent(
                        "the proxy wants a name and a password: write them into https_proxy, as in"
                                + " http://NAME:PASSWORD@HOST:PORT, and start Java with -Djdk.http.auth.tunneling.disabledSchemes=")
                : new HubRefusal(status, headers, at.getHost(), isHub(at));
    }

    private HttpRequest request(URI address, Map<String, String> extra) {
        HttpRequest.Builder builder = HttpRequest.newBuilder(address)
                .timeout(patience)
                .header("User-Agent", PictureText.PROGRAM.replace(' ', '/'))
                .header("Accept-Encoding", "identity");
        extra.forEach(builder::header);
        if (hasToken() && isHub(address)) {
            builder.header("Authorization", "Bearer " + token);
            if (cookie) {
                builder.header("Cookie", "m_session_id=" + token);
            }
        }
        return builder.build();
    }

    private static URI next(URI at, String location) throws IOException {
        try {
            URI next = at.resolve(location);
            boolean clear = "http".equals(next.getScheme());
            boolean known = clear || "https".equals(next.getScheme());
            if (known
                    && next.getHost() != null
                    && !(clear && at.getScheme().equals("https") && !Loopback.is(next.getHost()))) {
                return next;
            }
        } catch (IllegalArgumentException e) {
            // as any other that is wrong
        }
        throw new IOException(ShownText.cut(at.getHost()) + " sends on to an address that is not safe to follow");
    }

    private boolean isHub(URI address) {
        return address.getScheme().equals(hub.getScheme())
                && address.getHost().equalsIgnoreCase(hub.getHost())
                && port(address) == port(hub);
    }

    private static int port(URI address) {
        int usual = address.getScheme().equals("https") ? 443 : 80;
        return address.getPort() < 0 ? usual : address.getPort();
    }
}
