package io.github.zimage.serve;

import io.vertx.core.http.HttpHeaders;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads a request's body as JSON. */
final class JsonBody {
    static final String TYPE = "application/json";

    /** Without pictures. */
    static final int MAX_BYTES = 64 * 1024;

    private static final Pattern MEDIA_TYPE =
            Pattern.compile("(?i)\\s*([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)\\s*((?:;.*)?)", Pattern.DOTALL);
    private static final Pattern CHARSET = Pattern.compile("(?i);\\s*charset\\s*=\\s*\"?([^\";\\s]*)\"?");

    private JsonBody() {}

    /**
     * Begins to read; the handler is called once all is there.
     *
     * @throws ApiException if the headers say that it will not do
     */
    static void read(Exchange exchange, Consumer<JsonFields> handler) {
        BodyReader.read(
                exchange, () -> requireType(exchange), MAX_BYTES, bytes -> handler.accept(JsonFields.parse(bytes)));
    }

    /** A page of another site can send anything else without being asked for permission first. */
    static void requireType(Exchange exchange) {
        List<String> types = exchange.request().headers().getAll(HttpHeaders.CONTENT_TYPE).stream()
                .distinct()
                .toList();
        Matcher type = MEDIA_TYPE.matcher(types.size() == 1 ? types.get(0) : "");
        if (!type.matches() || !type.group(1).equalsIgnoreCase(TYPE)) {
            exchange.putHeader("Accept", TYPE);
            throw new ApiException(415, "unsupported_media_type", "Content-Type must be application/json");
        }
        Matcher charset = CHARSET.matcher(type.group(2));
        while (charset.find()) {
            String name = charset.group(1).toLowerCase(Locale.ROOT);
            if (!name.equals("utf-8") && !name.equals("utf8") && !name.equals("us-ascii")) {
                exchange.putHeader("Accept", TYPE);
                throw new ApiException(
                        415,
                        "unsupported_media_type",
                        "JSON must be UTF-8, but Content-Type says " + JsonFields.shown(name, 40));
            }
        }
    }
}
