package io.github.zimage.serve;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Objects;

/** The description of all that the server answers to, as OpenAPI has it. */
final class ApiDocument {
    private final byte[] json;

    ApiDocument() {
        try (InputStream in = ApiDocument.class.getResourceAsStream("openapi.json")) {
            json = Objects.requireNonNull(in, "openapi.json").readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException("openapi.json", e);
        }
    }

    /** {@code GET /openapi.json}. */
    void show(Exchange exchange) {
        exchange.bytes(200, JsonBody.TYPE, json);
    }
}
