package io.github.zimage.cli;

import io.github.zimage.internal.io.ShownText;
import io.github.zimage.serve.ServerOptions;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Where a server listens, who may call, and how they reach it. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class HttpOptions {
    static final String KEY_VARIABLE = "ZIMAGE_API_KEY";

    @Option(
            names = "--host",
            paramLabel = "ADDRESS",
            defaultValue = "127.0.0.1",
            description = "Address to listen on; 0.0.0.0 for all, for which there must be an API key"
                    + " (default: ${DEFAULT-VALUE}).")
    private String host;

    @Option(
            names = "--port",
            paramLabel = "N",
            defaultValue = "7860",
            description = "Port; 0 for any that is free (default: ${DEFAULT-VALUE}).")
    private int port;

    @Option(
            names = "--no-key",
            description = "Let everybody draw who reaches this server, though it listens to others than this machine.")
    private boolean noKey;

    @Option(
            names = "--public-url",
            paramLabel = "URL",
            converter = UrlConverter.class,
            description = "Address under which clients reach this server, if that is a proxy's, such as"
                    + " https://pictures.example/zimage. Links begin with it.")
    private @Nullable URI publicUrl;

    @Option(
            names = "--trust-proxy",
            paramLabel = "ADDRESS,...",
            hideParamSyntax = true,
            split = ",",
            description =
                    "Proxies whose word counts on where clients are and how they asked (Forwarded, X-Forwarded-*):"
                            + " addresses, networks such as 10.0.0.0/8, or localhost.")
    private List<String> trustedProxies = List.of();

    @Option(
            names = "--cors-origin",
            paramLabel = "ORIGIN,...",
            hideParamSyntax = true,
            split = ",",
            description = "Sites whose pages may call from a browser, such as https://app.example.")
    private List<String> corsOrigins = List.of();

    /**
     * Begins the options of a server.
     *
     * @param keys the API keys, separated by spaces; null or blank for none
     * @throws IllegalArgumentException if others than this machine reach it, and nobody said that they need no key
     */
    ServerOptions.Builder options(@Nullable String keys) {
        List<String> given = keys == null
                ? List.of()
                : Stream.of(keys.strip().split("\\s+"))
                        .filter(key -> !key.isEmpty())
                        .toList();
        boolean isLocal = host.matches("(?i)localhost|127(\\.[0-9]{1,3}){3}|::1|\\[::1\\]");
        if (given.isEmpty() && !isLocal && !noKey) {
            throw new IllegalArgumentException(
                    "everybody who reaches %s could draw: set %s to ask for a key, or say --no-key"
                            .formatted(ShownText.joined(host), KEY_VARIABLE));
        }
        return ServerOptions.builder()
                .host(host)
                .port(port)
                .apiKeys(noKey ? List.of() : given)
                .publicUrl(publicUrl)
                .trustedProxies(trustedProxies)
                .corsOrigins(corsOrigins);
    }

    /** Reads an address, with or without a slash at its end. */
    static final class UrlConverter implements ITypeConverter<URI> {
        @Override
        public URI convert(String text) {
            try {
                return new URI(text.replaceFirst("/+$", ""));
            } catch (URISyntaxException e) {
                throw new TypeConversionException(
                        "must be an address such as https://pictures.example/zimage, but was '" + text + "'");
            }
        }
    }
}
