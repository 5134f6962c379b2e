package io.github.zimage.internal.hub;

import io.github.zimage.internal.io.ShownText;
import java.io.IOException;
import java.net.http.HttpHeaders;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A server answered that it does not give what was asked for. */
final class HubRefusal extends IOException {
    private static final long serialVersionUID = 1L;
    private static final Set<Integer> TEMPORARY = Set.of(408, 425, 429, 500, 502, 503, 504);

    private final int status;
    private final boolean fromHub;
    private final String code;
    private final @Nullable Duration retryAfter;

    /** @param fromHub whether the hub itself answered, and not a server that it sent us to */
    HubRefusal(int status, HttpHeaders headers, String host, boolean fromHub) {
        super(message(status, headers, host));
        this.status = status;
        this.fromHub = fromHub;
        code = headers.firstValue("X-Error-Code").orElse("");
        retryAfter = headers.firstValue("Retry-After").map(HubRefusal::pause).orElse(null);
    }

    private static String message(int status, HttpHeaders headers, String host) {
        String words = headers.firstValue("X-Error-Message")
                .map(text -> " (" + ShownText.cut(text) + ")")
                .orElse("");
        return "%s answered %d%s".formatted(ShownText.cut(host), status, words);
    }

    private static @Nullable Duration pause(String value) {
        try {
            return Duration.ofSeconds(Math.max(0, Long.parseLong(value.strip())));
        } catch (NumberFormatException e) {
            try {
                Instant date = ZonedDateTime.parse(value.strip(), DateTimeFormatter.RFC_1123_DATE_TIME)
                        .toInstant();
                Duration until = Duration.between(Instant.now(), date);
                return until.isNegative() ? Duration.ZERO : until;
            } catch (DateTimeParseException notADate) {
                return null;
            }
        }
    }

    int status() {
        return status;
    }

    /** Returns the hub's word for what is wrong, or an empty text. */
    String code() {
        return code;
    }

    /** Returns how long to wait at least, or null if the server did not say. */
    @Nullable
    Duration retryAfter() {
        return retryAfter;
    }

    /** Returns whether asking the hub again may help. Addresses that it sends to are good for a while only, so then it is asked anew. */
    boolean isTemporary() {
        return TEMPORARY.contains(status) || !fromHub;
    }
}
