package io.github.zimage.serve;

import java.util.List;
import java.util.Random;

/** Requests that no client should send: broken as HTTP, as JSON, or as a request for a picture. */
final class MalformedRequests {
    private static final List<String> PATHS = List.of(
            "/v1/images/generations",
            "/api/jobs",
            "/api/prompt/lint",
            "/api/jobs/../../etc/passwd",
            "/api/jobs/%2e%2e/events",
            "/v1/models/%00",
            "/%zz",
            "//",
            "/api/jobs/AAAAAAAAAAAAAAAAAAAAAAAA/images/99999999999.png");
    private static final List<String> BODIES = List.of(
            "",
            "{",
            "}",
            "null",
            "[[[[[[[[[[[[[[[[[[[[[[[[[[",
            "{\"prompt\":",
            "{\"prompt\": \"fox\"",
            "{\"prompt\": \"fox\"} {}",
            "{\"prompt\": \"fox\", \"n\": -1}",
            "{\"prompt\": \"fox\", \"n\": 1.5}",
            "{\"prompt\": \"fox\", \"size\": \"0x0\"}",
            "{\"prompt\": \"fox\", \"size\": \"99999x99999\"}",
            "{\"prompt\": \"fox\", \"size\": \"../../x\"}",
            "{\"prompt\": \"fox\", \"seed\": 99999999999999999999999999}",
            "{\"prompt\": \"fox\", \"guidance\": NaN}",
            "{\"prompt\": {\"a\": {\"a\": {\"a\": {\"a\": {\"a\": {\"a\": {\"a\": {\"a\": {\"a\": 1}}}}}}}}}}",
            "{\"prompt\": \"\\u0000\\ud800\"}",
            "{\"prompt\": \"fox\", \"stream\": \"yes\"}",
            "{\"prompt\": \"\u00ff\u00fe\"}",
            "{\"__proto__\": {}, \"prompt\": \"fox\"}");

    private final Random random;

    MalformedRequests(Random random) {
        this.random = random;
    }

    /** Returns the next one, a character a byte. */
    String next() {
        String body = BODIES.get(random.nextInt(BODIES.size()));
        String path = PATHS.get(random.nextInt(PATHS.size()));
        String head = "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        return switch (random.nextInt(10)) {
            case 0 -> noise(1 + random.nextInt(300)) + "\r\n\r\n";
            case 1 -> "GET " + "/x".repeat(random.nextInt(4000)) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
            case 2 -> head + "X: " + "y".repeat(20_000) + "\r\nContent-Length: 0\r\n\r\n";
            case 3 -> head + "Content-Length: " + (random.nextBoolean() ? "-5" : "12x") + "\r\n\r\n" + body;
            case 4 -> head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body + "\r\n0\r\n\r\n";
            case 5 -> "BREW " + path + " HTTP/9.7\r\nHost: localhost\r\n\r\n";
            case 6 -> upgrade(path);
            case 7 -> head + "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n" + body;
            default -> head + "Connection: close\r\nContent-Length: " + body.length() + "\r\n\r\n" + body;
        };
    }

    private String upgrade(String path) {
        String rest = random.nextBoolean()
                ? "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: "
                        + (random.nextBoolean() ? 13 : 99)
                : "X: y";
        return (random.nextBoolean() ? "GET " : "POST ") + path
                + " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + rest + "\r\n\r\n";
    }

    private String noise(int length) {
        StringBuilder text = new StringBuilder("\u0001");
        for (int i = 0; i < length; i++) {
            text.append((char) random.nextInt(256));
        }
        return text.toString();
    }
}
