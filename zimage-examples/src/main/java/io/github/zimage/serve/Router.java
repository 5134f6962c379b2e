package io.github.zimage.serve;

import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import java.net.URI;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Finds out who answers a request, and whether it may be answered. */
final class Router {
    private static final Pattern MODEL = Pattern.compile("/v1/models/(.{1,200})");
    private static final Pattern JOB = Pattern.compile("/api/jobs/([A-Za-z0-9_-]{24})");
    private static final Pattern JOB_EVENTS = Pattern.compile(JOB.pattern() + "/events");
    private static final Pattern JOB_PICTURE = Pattern.compile(JOB.pattern() + "/images/([0-9]+)\\.png");

    /** Addresses with names in them, as OpenAPI writes them. */
    static final Map<String, Pattern> NAMED = Map.of(
            "/v1/models/{model}", MODEL,
            "/api/jobs/{id}", JOB,
            "/api/jobs/{id}/events", JOB_EVENTS,
            "/api/jobs/{id}/images/{number}.png", JOB_PICTURE);

    private final ServerOptions options;
    private final Exchange.Http http;
    private final Access access;
    private final Cors cors;
    private final PictureLinks links;
    private final List<String> prefix;
    private final Map<String, Map<HttpMethod, Consumer<Exchange>>> open;
    private final Map<String, Map<HttpMethod, Consumer<Exchange>>> guarded;
    private final OpenAiApi openAi;
    private final JobsApi jobs;

    Router(
            ServerOptions options,
            Exchange.Http http,
            Access access,
            PictureLinks links,
            Page page,
            StatusApi status,
            OpenAiApi openAi,
            JobsApi jobs,
            PromptApi prompts) {
        this.options = options;
        this.http = http;
        this.access = access;
        this.cors = new Cors(options.corsOrigins());
        this.links = links;
        this.openAi = openAi;
        this.jobs = jobs;
        URI publicUrl = options.publicUrl();
        prefix = publicUrl == null
                ? List.of()
                : RequestTarget.parse(publicUrl.getRawPath() + "/").segments();
        open = Map.of(
                "/", get(page::show),
                "/favicon.ico", get(page::icon),
                "/openapi.json", get(new ApiDocument()::show),
                "/health/live", get(status::live),
                "/health/ready", get(status::ready));
        guarded = Map.of(
                "/v1/images/generations",
                Map.of(HttpMethod.POST, openAi::generations),
                "/v1/images/edits",
                Map.of(HttpMethod.POST, openAi::edits),
                "/v1/images/variations",
                Map.of(HttpMethod.POST, openAi::variations),
                "/v1/models",
                get(openAi::models),
                JobsApi.PATH,
                Map.of(HttpMethod.POST, jobs::create),
                "/api/prompt/lint",
                Map.of(HttpMethod.POST, prompts::lint),
                "/api/prompt/templates",
                get(prompts::templates),
                "/api/info",
                get(status::info),
                "/metrics",
                get(status::metrics));
    }

    /** Returns the addresses that have no names in them. */
    Set<String> plainPaths() {
        return Stream.concat(open.keySet().stream(), guarded.keySet().stream()).collect(Collectors.toSet());
    }

    private static Map<HttpMethod, Consumer<Exchange>> get(Consumer<Exchange> handler) {
        return Map.of(HttpMethod.GET, handler);
    }

    /** Answers a request. */
    void handle(HttpServerRequest request) {
        if (request.decoderResult().isFailure() || request.version() == null) {
            refuse(request);
            return;
        }
        Exchange exchange = new Exchange(http, request);
        exchange.runGuarded(() -> route(exchange));
    }

    /** Answers what is not HTTP as it should be. */
    void refuse(HttpServerRequest request) {
        Throwable cause = request.decoderResult().cause();
        Exchange exchange = new Exchange(http, request);
        exchange.closeAfterwards();
        if (cause instanceof TooLongHttpLineException) {
            exchange.fail(new ApiException(414, "uri_too_long", "the address is too long"));
        } else if (cause instanceof TooLongHttpHeaderException) {
            exchange.fail(new ApiException(431, "headers_too_large", "the headers are too long"));
        } else {
            exchange.fail(new ApiException(400, "bad_request", "this is not HTTP as the server understands it"));
        }
    }

    private void route(Exchange exchange) {
        RequestTarget full = RequestTarget.parse(exchange.request().uri());
        RequestTarget target = full.without(prefix);
        String host = access.requireHost(exchange, target);
        exchange.setView(access.view(exchange, host));
        cors.allow(exchange);
        cors.requireOwnForms(exchange);
        requireExpectation(exchange);
        if (!full.equals(target) && target.segments().isEmpty() && !target.endsWithSlash()) {
            exchange.redirect(options.publicUrl() + "/"); // else the page's relative addresses lead elsewhere
            return;
        }
        Map<HttpMethod, Consumer<Exchange>> handlers = target.isServer() ? ofServer() : handlers(exchange, target);
        HttpMethod method = exchange.method().equals(HttpMethod.HEAD) ? HttpMethod.GET : exchange.method();
        Consumer<Exchange> handler = handlers.get(method);
        if (handler != null) {
            handler.accept(exchange);
            return;
        }
        exchange.putHeader("Allow", allowed(handlers));
        if (!method.equals(HttpMethod.OPTIONS)) {
            throw new ApiException(405, "method_not_allowed", "this address takes " + allowed(handlers));
        }
        cors.allowPreflight(exchange, handlers.keySet());
        exchange.noContent();
    }

    /** The server as a whole takes all methods somewhere, and none itself. */
    private static Map<HttpMethod, Consumer<Exchange>> ofServer() {
        Consumer<Exchange> nothing = exchange -> {
            throw new ApiException(400, "bad_request", "only OPTIONS is for the server as a whole");
        };
        return Map.of(HttpMethod.GET, nothing, HttpMethod.POST, nothing, HttpMethod.DELETE, nothing);
    }

    private static void requireExpectation(Exchange exchange) {
        String expectation = exchange.header("Expect");
        if (expectation != null && !expectation.strip().equalsIgnoreCase("100-continue")) {
            throw new ApiException(417, "expectation_failed", "Expect may be 100-continue only");
        }
    }

    private static String allowed(Map<HttpMethod, Consumer<Exchange>> handlers) {
        Stream<String> more =
                handlers.containsKey(HttpMethod.GET) ? Stream.of("HEAD", "OPTIONS") : Stream.of("OPTIONS");
        return Stream.concat(handlers.keySet().stream().map(HttpMethod::name), more)
                .sorted()
                .collect(Collectors.joining(", "));
    }

    /** Returns what an address does by which method. A question for the methods alone needs no key: browsers show none then. */
    private Map<HttpMethod, Consumer<Exchange>> handlers(Exchange exchange, RequestTarget target) {
        String path = target.path();
        boolean asksForMethods = exchange.method().equals(HttpMethod.OPTIONS);
        if (open.containsKey(path)) {
            return open.get(path);
        }
        Matcher picture = JOB_PICTURE.matcher(path);
        if (picture.matches()) {
            return get(each -> {
                requirePicture(each, path);
                jobs.picture(each, picture.group(1), picture.group(2));
            });
        }
        if (!asksForMethods) {
            access.requireKey(exchange);
        }
        return guarded.containsKey(path) ? guarded.get(path) : byName(path);
    }

    private void requirePicture(Exchange exchange, String path) {
        HttpServerRequest request = exchange.request();
        if (!access.hasKey(exchange)
                && !links.permits(path, request.getParam("expires"), request.getParam("signature"))) {
            throw access.unauthorized(
                    exchange,
                    request.getParam("signature") == null
                            ? "send the API key as Authorization: Bearer KEY"
                            : "this link has expired, or is not whole");
        }
    }

    private Map<HttpMethod, Consumer<Exchange>> byName(String path) {
        Matcher model = MODEL.matcher(path);
        Matcher job = JOB.matcher(path);
        Matcher events = JOB_EVENTS.matcher(path);
        if (model.matches()) {
            return get(exchange -> openAi.model(exchange, model.group(1)));
        }
        if (events.matches()) {
            return get(exchange -> jobs.events(exchange, events.group(1)));
        }
        if (job.matches()) {
            Map<HttpMethod, Consumer<Exchange>> methods = new LinkedHashMap<>();
            methods.put(HttpMethod.GET, exchange -> jobs.show(exchange, job.group(1)));
            methods.put(HttpMethod.DELETE, exchange -> jobs.cancel(exchange, job.group(1)));
            return methods;
        }
        throw new ApiException(404, "not_found", "there is nothing at this address");
    }
}
