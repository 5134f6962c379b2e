package io.github.zimage.serve;

import io.github.zimage.internal.io.Sha256;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The page for people: one file, and a policy that lets nothing run but what is in it. */
final class Page {
    private final byte[] html;
    private final String policy;

    Page() {
        try (InputStream in = Page.class.getResourceAsStream("page.html")) {
            html = Objects.requireNonNull(in, "page.html").readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException("page.html", e);
        }
        String text = new String(html, StandardCharsets.UTF_8);
        policy = ("default-src 'none'; script-src '%s'; style-src '%s'; img-src 'self' blob: data:; connect-src 'self';"
                        + " base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
                .formatted(hash(text, "script"), hash(text, "style"));
    }

    private static String hash(String html, String element) {
        Matcher matcher =
                Pattern.compile("(?s)<%1$s>(.*?)</%1$s>".formatted(element)).matcher(html);
        if (!matcher.find()) {
            throw new IllegalStateException("page.html has no " + element);
        }
        return "sha256-" + Base64.getEncoder().encodeToString(Sha256.of(matcher.group(1)));
    }

    void show(Exchange exchange) {
        exchange.putHeader("Content-Security-Policy", policy);
        exchange.bytes(200, "text/html; charset=utf-8", html);
    }
}
