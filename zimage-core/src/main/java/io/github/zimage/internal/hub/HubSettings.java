package io.github.zimage.internal.hub;

import io.github.zimage.hub.HubException;
import io.github.zimage.hub.HubName.Hub;
import io.github.zimage.internal.io.FileNames;
import io.github.zimage.internal.io.ShownText;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How hubs are reached and where their caches are: what a caller set, or else what the hubs' own tools read from the environment.
 * Immutable.
 *
 * @param variables the environment; an empty text for a variable that is not set
 * @param home the user's folder
 * @param endpoint the hub's address, or null for that of the environment
 * @param token who asks, or null for that of the environment; empty for nobody
 * @param cache the cache's folder, or null for that of the environment
 * @param offline whether no connection is opened, or null for what the environment says
 * @param parallel how many files come at a time
 * @param pause how threads wait before they try again
 * @param patience how long a server may keep silent
 */
public record HubSettings(
        UnaryOperator<String> variables,
        Path home,
        @Nullable URI endpoint,
        @Nullable String token,
        @Nullable Path cache,
        @Nullable Boolean offline,
        int parallel,
        Pause pause,
        Duration patience) {
    private static final List<String> TRUE = List.of("1", "ON", "YES", "TRUE");
    private static final Pattern TOKEN = Pattern.compile("[\\x21-\\x7e]{1,4096}");
    private static final int MOST_TOKEN_BYTES = 10_000;

    /** Returns what the environment of this process says. */
    public static HubSettings ofThisProcess() {
        return new HubSettings(
                name -> System.getenv().getOrDefault(name, ""),
                Path.of(System.getProperty("user.home", "")),
                null,
                null,
                null,
                null,
                4,
                time -> Thread.sleep(time.toMillis()),
                Duration.ofSeconds(60));
    }

    /** Returns the same with another endpoint. */
    public HubSettings withEndpoint(URI endpoint) {
        return new HubSettings(variables, home, endpoint, token, cache, offline, parallel, pause, patience);
    }

    /** Returns the same with another token. */
    public HubSettings withToken(String token) {
        return new HubSettings(variables, home, endpoint, token, cache, offline, parallel, pause, patience);
    }

    /** Returns the same with another cache. */
    public HubSettings withCache(Path cache) {
        return new HubSettings(variables, home, endpoint, token, cache, offline, parallel, pause, patience);
    }

    /** Returns the same with another rule for connections. */
    public HubSettings withOffline(boolean offline) {
        return new HubSettings(variables, home, endpoint, token, cache, offline, parallel, pause, patience);
    }

    /** Returns the same with another parallel. */
    public HubSettings withParallel(int parallel) {
        return new HubSettings(variables, home, endpoint, token, cache, offline, parallel, pause, patience);
    }

    /** Returns the address of a hub, without a slash at its end. */
    URI address(Hub hub) {
        if (endpoint != null) {
            return checked("endpoint", endpoint.toString());
        }
        if (hub == Hub.HUGGING_FACE) {
            String named = variables.apply("HF_ENDPOINT");
            return checked("HF_ENDPOINT", named.isEmpty() ? "https://huggingface.co" : named);
        }
        String named = first("MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN");
        String address = named.isEmpty() ? "https://www.modelscope.cn" : named;
        return checked("MODELSCOPE_ENDPOINT", address.contains("://") ? address : "https://" + address);
    }

    private static URI checked(String origin, String address) {
        try {
            URI uri = new URI(address.replaceAll("/+$", ""));
            if (uri.getHost() != null && List.of("http", "https").contains(uri.getScheme()) && uri.getQuery() == null) {
                return uri;
            }
        } catch (URISyntaxException e) {
            // as any other that is wrong
        }
        throw new HubException("%s must be an address such as https://huggingface.co, but was %s"
                .formatted(origin, ShownText.quoted(address)));
    }

    /** Returns whether no connection may be opened. */
    public boolean isOffline() {
        if (offline != null) {
            return offline;
        }
        return isTrue("HF_HUB_OFFLINE") || isTrue("TRANSFORMERS_OFFLINE");
    }

    private boolean isTrue(String variable) {
        return TRUE.contains(variables.apply(variable).toUpperCase(Locale.ROOT));
    }

    /** Returns whether snapshots shall hold files instead of links. */
    boolean avoidsLinks() {
        return isTrue("HF_HUB_DISABLE_SYMLINKS");
    }

    /** Returns the folder with the models of a hub. */
    Path cacheFolder(Hub hub) {
        if (cache != null) {
            return cache.toAbsolutePath();
        }
        if (hub == Hub.MODELSCOPE) {
            String named = variables.apply("MODELSCOPE_CACHE");
            return named.isEmpty() ? home.resolve(".cache/modelscope") : folder("MODELSCOPE_CACHE", named);
        }
        for (String variable : List.of("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")) {
            if (!variables.apply(variable).isEmpty()) {
                return folder(variable, variables.apply(variable));
            }
        }
        return huggingFaceHome().resolve("hub");
    }

    private Path huggingFaceHome() {
        String named = variables.apply("HF_HOME");
        if (!named.isEmpty()) {
            return folder("HF_HOME", named);
        }
        String caches = variables.apply("XDG_CACHE_HOME");
        return (caches.isEmpty() ? home.resolve(".cache") : folder("XDG_CACHE_HOME", caches)).resolve("huggingface");
    }

    private Path folder(String variable, String named) {
        boolean below = named.equals("~") || named.startsWith("~/");
        Path path =
                below ? home.resolve(named.substring(Math.min(named.length(), 2))) : FileNames.parse(variable, named);
        return path.toAbsolutePath();
    }

    /** Returns who asks a hub, or an empty text. */
    String tokenFor(Hub hub) {
        if (token != null) {
            return checkedToken("token", token);
        }
        if (hub == Hub.MODELSCOPE) {
            return checkedToken("MODELSCOPE_API_TOKEN", variables.apply("MODELSCOPE_API_TOKEN"));
        }
        if (isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
            return "";
        }
        String named = first("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN");
        return named.isBlank() ? savedToken() : checkedToken("HF_TOKEN", named);
    }

    /** The file that Hugging Face's login command writes. */
    private String savedToken() {
        String named = variables.apply("HF_TOKEN_PATH");
        Path file = named.isEmpty() ? huggingFaceHome().resolve("token") : folder("HF_TOKEN_PATH", named);
        try {
            if (!Files.isRegularFile(file) || Files.size(file) > MOST_TOKEN_BYTES) {
                return "";
            }
            return checkedToken(file.toString(), Files.readString(file, StandardCharsets.UTF_8));
        } catch (IOException e) {
            return "";
        }
    }

    /** A line end in it would begin a header of its own; and the message of whoever refuses that would show it. */
    private static String checkedToken(String origin, String text) {
        String stripped = text.strip();
        if (!stripped.isEmpty() && !TOKEN.matcher(stripped).matches()) {
            throw new HubException(ShownText.cut(origin) + " must be one word of ASCII characters, but is not");
        }
        return stripped;
    }

    private String first(String one, String other) {
        String value = variables.apply(one);
        return value.isEmpty() ? variables.apply(other) : value;
    }
}
