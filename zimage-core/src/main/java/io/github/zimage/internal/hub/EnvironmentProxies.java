package io.github.zimage.internal.hub;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.PasswordAuthentication;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The proxies that {@code https_proxy}, {@code http_proxy} and {@code all_proxy} name, but for the hosts of {@code no_proxy}. This machine
 * is never asked through one.
 */
final class EnvironmentProxies extends ProxySelector {
    private static final List<Proxy> NONE = List.of(Proxy.NO_PROXY);

    private final UnaryOperator<String> variables;

    private EnvironmentProxies(UnaryOperator<String> variables) {
        this.variables = variables;
    }

    /** Returns what Java was told of proxies by its own properties, or else these. */
    static ProxySelector orJavas(UnaryOperator<String> variables) {
        boolean told = Stream.of("http.proxyHost", "https.proxyHost", "socksProxyHost")
                        .anyMatch(property -> System.getProperty(property) != null)
                || Boolean.getBoolean("java.net.useSystemProxies");
        ProxySelector javas = ProxySelector.getDefault();
        return told && javas != null ? javas : new EnvironmentProxies(variables);
    }

    @Override
    public List<Proxy> select(URI uri) {
        String host = String.valueOf(uri.getHost()).toLowerCase(Locale.ROOT);
        if (Loopback.is(host) || isLeftOut(host)) {
            return NONE;
        }
        URI proxy = proxy(uri.getScheme());
        if (proxy == null) {
            return NONE;
        }
        int port = proxy.getPort() < 0 ? 80 : proxy.getPort();
        return List.of(new Proxy(Proxy.Type.HTTP, InetSocketAddress.createUnresolved(proxy.getHost(), port)));
    }

    /** Returns the proxy for addresses of a scheme, with its user if it has one, or null. */
    @Nullable
    URI proxy(String scheme) {
        return Stream.of(scheme + "_proxy", "all_proxy")
                .flatMap(name -> Stream.of(name, name.toUpperCase(Locale.ROOT)))
                .map(variables)
                .filter(value -> !value.isEmpty())
                .map(EnvironmentProxies::parsed)
                .filter(Objects::nonNull)
                .findFirst()
                .orElse(null);
    }

    /** Returns who asks the proxy for HTTPS, if the variable has a name and a password in it. */
    static Optional<PasswordAuthentication> user(UnaryOperator<String> variables) {
        URI proxy = new EnvironmentProxies(variables).proxy("https");
        String user = proxy == null ? null : proxy.getUserInfo();
        int colon = user == null ? -1 : user.indexOf(':');
        return user == null || colon < 0
                ? Optional.empty()
                : Optional.of(new PasswordAuthentication(
                        user.substring(0, colon), user.substring(colon + 1).toCharArray()));
    }

    private static @Nullable URI parsed(String value) {
        try {
            URI uri = URI.create(value.contains("://") ? value : "http://" + value);
            return uri.getHost() == null ? null : uri;
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    private boolean isLeftOut(String host) {
        String lower = variables.apply("no_proxy");
        for (String each : (lower.isEmpty() ? variables.apply("NO_PROXY") : lower).split(",", -1)) {
            String name = each.strip().toLowerCase(Locale.ROOT).replaceFirst("^\\*?\\.", "");
            if (name.equals("*") || (!name.isEmpty() && (host.equals(name) || host.endsWith("." + name)))) {
                return true;
            }
        }
        return false;
    }

    @Override
    public void connectFailed(URI uri, SocketAddress address, IOException failure) {
        // Whoever asked hears of it.
    }
}
