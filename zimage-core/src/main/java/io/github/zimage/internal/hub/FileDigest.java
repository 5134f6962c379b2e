package io.github.zimage.internal.hub;

import io.github.zimage.internal.io.Sha256;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What a hub says that a file's digest is: SHA-256 for large files, and what git calls a blob's name for small ones.
 *
 * @param hex in lower case: 64 digits are SHA-256, 40 git's SHA-1
 */
record FileDigest(String hex) {
    private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");
    private static final Pattern GIT = Pattern.compile("[0-9a-f]{40}");

    /** Returns a digest, or null if a text is none. */
    static @Nullable FileDigest of(String hex) {
        return SHA256.matcher(hex).matches() || GIT.matcher(hex).matches() ? new FileDigest(hex) : null;
    }

    /** Returns whether a text names a commit: it has the form of git's digests. */
    static boolean isCommit(String text) {
        return GIT.matcher(text).matches();
    }

    /** Returns a digest to which a file's bytes are to be added. */
    MessageDigest begin(long bytes) {
        if (SHA256.matcher(hex).matches()) {
            return Sha256.digest();
        }
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-1");
            digest.update(("blob " + bytes + '\0').getBytes(StandardCharsets.US_ASCII));
            return digest;
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java runtime has SHA-1", e);
        }
    }

    /** Returns whether that digest has become this one. It is empty then. */
    boolean matches(MessageDigest digest) {
        return hex.equals(HexFormat.of().formatHex(digest.digest()));
    }
}
