package io.github.zimage.hub;

import io.github.zimage.internal.io.Given;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What to fetch from a hub. Immutable.
 *
 * <pre>{@code
 * PullRequest.of("Tongyi-MAI/Z-Image-Turbo").only("vae").to(Path.of("vae-only"))
 * }</pre>
 */
public final class PullRequest {
    private final HubName name;
    private final List<String> only;
    private final @Nullable Path folder;

    private PullRequest(HubName name, List<String> only, @Nullable Path folder) {
        this.name = name;
        this.only = only;
        this.folder = folder;
    }

    /**
     * Returns a request for all that zimage needs of a model: configurations, tokenizer and safetensors, and nothing twice.
     *
     * @param name as {@link HubName#parse} reads it, or a name of {@link KnownModel}
     * @throws IllegalArgumentException if it is neither
     */
    public static PullRequest of(String name) {
        return KnownModel.find(Given.value(name, "name")).map(PullRequest::of).orElseGet(() -> of(HubName.parse(name)));
    }

    /** As the other one, for a name that was read before. */
    public static PullRequest of(HubName name) {
        return new PullRequest(Given.value(name, "name"), List.of(), null);
    }

    private static PullRequest of(KnownModel known) {
        PullRequest all = of(HubName.parse(known.repository()));
        return known.file().isEmpty() ? all : all.only(known.file());
    }

    /**
     * Returns a request for parts only, in place of those chosen before.
     *
     * @param parts each a folder of a checkpoint ({@code transformer}, {@code text_encoder}, {@code vae}, {@code tokenizer},
     *     {@code scheduler}), of which the files that are needed are fetched; or a file's path in the repository; or a pattern of such, in
     *     which {@code *} stands for anything but a slash, {@code **} for anything. None for all that is needed
     */
    public PullRequest only(String... parts) {
        return new PullRequest(name, Given.list(List.of(parts), "only"), folder);
    }

    /** Returns a request for files in a folder of their own, instead of the hub's cache. It is made if it is not there. */
    public PullRequest to(Path folder) {
        return new PullRequest(name, only, Given.value(folder, "folder"));
    }

    /** Returns the model. */
    public HubName name() {
        return name;
    }

    /** Returns the parts; none means all that is needed. */
    public List<String> only() {
        return only;
    }

    /** Returns the folder, if it shall not be the hub's cache. */
    public Optional<Path> folder() {
        return Optional.ofNullable(folder);
    }

    /** Returns the arguments of {@code zimage pull} that ask for the same. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder(name.toString());
        only.forEach(part -> text.append(" --only ").append(part));
        if (folder != null) {
            text.append(" --to ").append(folder);
        }
        return text.toString();
    }
}
