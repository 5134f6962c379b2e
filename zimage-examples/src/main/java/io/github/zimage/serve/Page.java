package io.github.zimage.serve;

import io.github.zimage.internal.io.Sha256;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;

/**
 * The page for people: one answer, put together from its parts by plain concatenation, and a policy that lets nothing run but what is in
 * it.
 */
final class Page {
    private static final String FOLDER = "page/";
    private static final List<String> STYLES = List.of("page.css", "dialogs.css");
    /** In the order in which they are run, all in one scope. */
    private static final List<String> SCRIPTS = List.of(
            "words.js",
            "base.js",
            "store.js",
            "png.js",
            "prompt.js",
            "form.js",
            "inputs.js",
            "mask.js",
            "jobs.js",
            "gallery.js",
            "view.js",
            "start.js");

    private final byte[] html;
    private final byte[] icon = read("favicon.ico");
    private final String policy;

    Page() {
        String style = joined(STYLES);
        String script = joined(SCRIPTS);
        String text = text("page.html");
        text = inserted(text, "<style>", style);
        text = inserted(text, "<script>", script);
        html = text.getBytes(StandardCharsets.UTF_8);
        policy = ("default-src 'none'; script-src '%s'; style-src '%s'; img-src 'self' blob: data:; connect-src 'self';"
                        + " base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
                .formatted(hash(script), hash(style));
    }

    private static String inserted(String html, String tag, String content) {
        int at = html.indexOf(tag);
        if (at < 0 || html.indexOf(tag, at + 1) >= 0) {
            throw new IllegalStateException("page.html must have one " + tag);
        }
        return html.substring(0, at + tag.length()) + content + html.substring(at + tag.length());
    }

    private static String joined(List<String> names) {
        return names.stream().map(Page::text).collect(Collectors.joining());
    }

    private static String text(String name) {
        return new String(read(name), StandardCharsets.UTF_8);
    }

    private static byte[] read(String name) {
        try (InputStream in = Page.class.getResourceAsStream(FOLDER + name)) {
            return Objects.requireNonNull(in, name).readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(name, e);
        }
    }

    private static String hash(String content) {
        return "sha256-" + Base64.getEncoder().encodeToString(Sha256.of(content));
    }

    void show(Exchange exchange) {
        exchange.putHeader("Content-Security-Policy", policy);
        exchange.bytes(200, "text/html; charset=utf-8", html);
    }

    /** {@code GET /favicon.ico}. */
    void icon(Exchange exchange) {
        exchange.putHeader("Cache-Control", "max-age=86400");
        exchange.bytes(200, "image/x-icon", icon);
    }
}
