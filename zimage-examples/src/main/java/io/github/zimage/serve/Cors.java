package io.github.zimage.serve;

import io.vertx.core.http.HttpMethod;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** Lets pages of named sites call from a browser (the Fetch standard's CORS protocol). Without names it says nothing. */
final class Cors {
    private static final String EXPOSED =
            "Location, Retry-After, X-Draw-Ms, X-Ignored-Parameters, X-Queue-Ms, X-Request-Id";
    private static final String MAX_AGE_SECONDS = "600";
    private static final int MOST_HEADERS = 50;

    private final Set<String> origins;

    Cors(Collection<String> origins) {
        this.origins = Set.copyOf(origins);
    }

    /** Adds to an answer what its reader's browser wants to know. */
    void allow(Exchange exchange) {
        if (origins.isEmpty()) {
            return;
        }
        exchange.putHeader("Vary", "Origin");
        if (isAllowed(exchange)) {
            exchange.putHeader("Access-Control-Allow-Origin", String.valueOf(exchange.header("Origin")));
            exchange.putHeader("Access-Control-Expose-Headers", EXPOSED);
        }
    }

    private boolean isAllowed(Exchange exchange) {
        String origin = exchange.header("Origin");
        return origin != null && origins.contains(origin);
    }

    /**
     * Looks at what browsers let pages of other sites send without asking: a form. JSON they ask about first.
     *
     * @throws ApiException if it comes from such a page
     */
    void requireOwnForms(Exchange exchange) {
        String origin = exchange.header("Origin");
        String type = exchange.header("Content-Type");
        boolean isForm = type != null && type.strip().toLowerCase(Locale.ROOT).startsWith("multipart/");
        if (isForm
                && origin != null
                && !isAllowed(exchange)
                && !authority(origin).equals(authority(exchange.view().base()))) {
            exchange.closeAfterwards();
            throw new ApiException(
                    403,
                    "other_site",
                    "a page of %s may not send forms here: start the server with --cors-origin if it shall"
                            .formatted(JsonFields.shown(origin, 100)));
        }
    }

    private static String authority(String url) {
        return url.replaceFirst("^[a-z]+://", "").replaceFirst("/.*", "").toLowerCase(Locale.ROOT);
    }

    /** Adds what a browser asks before it sends a request. It shows no key yet. */
    void allowPreflight(Exchange exchange, Collection<HttpMethod> methods) {
        if (!isAllowed(exchange) || exchange.header("Access-Control-Request-Method") == null) {
            return;
        }
        Set<String> headers = new TreeSet<>(List.of("authorization", "content-type"));
        exchange.headerTokens("Access-Control-Request-Headers").stream()
                .filter(name -> name.matches("[a-z0-9-]{1,64}"))
                .limit(MOST_HEADERS)
                .forEach(headers::add);
        exchange.putHeader(
                "Access-Control-Allow-Methods",
                methods.stream().map(HttpMethod::name).collect(Collectors.joining(", ")));
        exchange.putHeader("Access-Control-Allow-Headers", String.join(", ", headers));
        exchange.putHeader("Access-Control-Max-Age", MAX_AGE_SECONDS);
        if ("true".equals(exchange.header("Access-Control-Request-Private-Network"))) {
            exchange.putHeader("Access-Control-Allow-Private-Network", "true");
        }
    }
}
