package io.github.zimage.serve;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Base64;
import java.util.function.LongSupplier;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * Links to pictures. Where clients need a key, a link carries a permission of its own, as a browser's {@code <img>} shows none: until
 * when it holds, signed with a secret that only this process has (HMAC-SHA256). It opens nothing but that picture. Thread-safe.
 */
final class PictureLinks {
    private static final String ALGORITHM = "HmacSHA256";
    private static final int SECRET_BYTES = 32;

    private final boolean signed;
    private final LongSupplier epochSeconds;
    private final SecretKeySpec secret;

    /**
     * Makes links.
     *
     * @param signed whether they carry a permission
     * @param epochSeconds the clock
     */
    PictureLinks(boolean signed, LongSupplier epochSeconds) {
        this.signed = signed;
        this.epochSeconds = epochSeconds;
        byte[] random = new byte[SECRET_BYTES];
        new SecureRandom().nextBytes(random);
        this.secret = new SecretKeySpec(random, ALGORITHM);
    }

    /**
     * Returns the path of a picture.
     *
     * @param left how long it is kept
     */
    String path(Job job, int index, Duration left) {
        String path = "%s/%s/images/%d.png".formatted(JobsApi.PATH, job.id(), index);
        if (!signed) {
            return path;
        }
        String expires = Long.toString(epochSeconds.getAsLong() + left.toSeconds());
        return "%s?expires=%s&signature=%s".formatted(path, expires, signature(path, expires));
    }

    /** Returns whether a link to a path, which has no query, was made here and still holds. */
    boolean permits(String path, @Nullable String expires, @Nullable String signature) {
        return expires != null
                && signature != null
                && MessageDigest.isEqual(
                        signature(path, expires).getBytes(StandardCharsets.US_ASCII),
                        signature.getBytes(StandardCharsets.UTF_8))
                && Long.parseLong(expires) >= epochSeconds.getAsLong(); // it is a number, since it was signed
    }

    private String signature(String path, String expires) {
        try {
            Mac mac = Mac.getInstance(ALGORITHM);
            mac.init(secret);
            byte[] bytes = mac.doFinal((path + '?' + expires).getBytes(StandardCharsets.UTF_8));
            return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java has " + ALGORITHM, e);
        }
    }
}
