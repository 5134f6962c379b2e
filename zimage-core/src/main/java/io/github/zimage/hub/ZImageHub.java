package io.github.zimage.hub;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.github.zimage.GenerationCancelledException;
import io.github.zimage.internal.hub.HubSettings;
import io.github.zimage.internal.hub.LocalModels;
import io.github.zimage.internal.hub.Pull;
import io.github.zimage.internal.io.Given;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Fetches models from Hugging Face and ModelScope into the caches of their own tools: what one downloads, the other finds.
 *
 * <pre>{@code
 * Path turbo = ZImageHub.create().pull("Tongyi-MAI/Z-Image-Turbo");
 * try (ZImagePipeline pipeline = ZImagePipeline.builder().model(turbo).build()) {
 *     pipeline.generate("a red fox in the snow").save(Path.of("fox.png"));
 * }
 * }</pre>
 *
 * <p>Only the files that are needed are fetched, several at a time; of each the digest that the hub names is checked, SHA-256 or, for small
 * files, that of git. What was fetched when a download ended for any reason stays, and the next one goes on there. A folder in the cache
 * appears when all of its files are there. Several processes may fetch the same model at once.
 *
 * <p>Unless set, everything is as the environment says it to the hubs' own tools: {@code HF_HOME}, {@code HF_HUB_CACHE}, {@code
 * HF_ENDPOINT}, {@code HF_TOKEN} (or the file that {@code hf auth login} writes), {@code HF_HUB_OFFLINE}, {@code MODELSCOPE_CACHE}, {@code
 * MODELSCOPE_ENDPOINT}, {@code MODELSCOPE_API_TOKEN}, and {@code https_proxy} with {@code no_proxy} where Java was not told of a proxy. A
 * token goes to the hub's own address only, never to where it redirects to. Immutable and thread-safe.
 */
public final class ZImageHub {
    private static final Logger LOG = LoggerFactory.getLogger(ZImageHub.class);

    private final HubSettings settings;
    private final PullListener listener;

    private ZImageHub(HubSettings settings, PullListener listener) {
        this.settings = settings;
        this.listener = listener;
    }

    /** Returns a hub as the environment says. */
    public static ZImageHub create() {
        return builder().build();
    }

    /** Returns a builder with what the environment says. */
    public static Builder builder() {
        return new Builder(HubSettings.ofThisProcess());
    }

    /** As the other one, for tests. */
    static Builder builder(HubSettings settings) {
        return new Builder(settings);
    }

    /**
     * Fetches what zimage needs of a model, unless it is here, and returns where it is.
     *
     * @param name {@code owner/name}, {@code owner/name@revision}, either behind {@code modelscope:}, the address of a model's page, or a
     *     name of {@link KnownModel}
     * @return a folder for {@link io.github.zimage.PipelineBuilder#model(Path)}; or, if the model is one file, such as a LoRA, that file
     * @throws IllegalArgumentException if the name is none of these
     * @throws HubException if it cannot be fetched, or is not here and no connection may be opened
     * @throws GenerationCancelledException if the calling thread is interrupted; what has come is kept
     */
    public Path pull(String name) {
        return pull(PullRequest.of(name));
    }

    /** As the other one, with a choice of files and a folder for them. Blocks meanwhile: minutes to hours. */
    public Path pull(PullRequest request) {
        Given.value(request, "request");
        if (settings.isOffline()) {
            return find(request).orElseThrow(() -> offline(request));
        }
        try (Pull pull = new Pull(settings, request, listener)) {
            return pull.run();
        } catch (HubException e) {
            Optional<Path> here = e.isTemporary() ? find(request) : Optional.empty();
            here.ifPresent(
                    found -> LOG.warn("{} is taken as it is here, in {}: {}", request.name(), found, e.getMessage()));
            return here.orElseThrow(() -> e);
        }
    }

    /**
     * Asks the hub what a download would fetch. Writes nothing.
     *
     * @throws HubException if the hub does not answer, has not what was asked for, or must not be asked
     * @throws GenerationCancelledException if the calling thread is interrupted
     */
    public PullPlan plan(PullRequest request) {
        Given.value(request, "request");
        if (settings.isOffline()) {
            throw new HubException("what %s has cannot be asked: HF_HUB_OFFLINE is set".formatted(request.name()));
        }
        try (Pull pull = new Pull(settings, request, listener)) {
            return pull.plan();
        }
    }

    /**
     * Returns where a model is, if a hub's cache has all files that are needed. Opens no connection, so that it does not notice a newer
     * revision.
     *
     * @throws IllegalArgumentException if the name is none
     */
    public Optional<Path> find(String name) {
        return find(PullRequest.of(name));
    }

    /** As the other one, with a choice of files; the folder of the request, if it has one, is the only place then. */
    public Optional<Path> find(PullRequest request) {
        return new LocalModels(settings).find(Given.value(request, "request"));
    }

    /** Returns the folders in which {@link #find(PullRequest)} looks, the first one first; they need not exist. */
    public List<Path> places(PullRequest request) {
        return new LocalModels(settings).places(Given.value(request, "request"));
    }

    /** Returns whether no connection may be opened. */
    public boolean isOffline() {
        return settings.isOffline();
    }

    private HubException offline(PullRequest request) {
        return new HubException(
                "%s is not here with all its files, and may not be fetched: HF_HUB_OFFLINE is set; looked in %s"
                        .formatted(request.name(), places(request)));
    }

    /** Collects how hubs are reached. Not thread-safe. */
    public static final class Builder {
        private HubSettings settings;
        private PullListener listener = new PullListener() {};

        private Builder(HubSettings settings) {
            this.settings = settings;
        }

        /** Sets the hub's address, such as a mirror's. */
        @CanIgnoreReturnValue
        public Builder endpoint(URI address) {
            settings = settings.withEndpoint(Given.value(address, "endpoint"));
            return this;
        }

        /** Sets the token of who asks; an empty text asks as nobody. */
        @CanIgnoreReturnValue
        public Builder token(String token) {
            settings = settings.withToken(Given.value(token, "token"));
            return this;
        }

        /** Sets the folder of the cache: of Hugging Face the one with the folders {@code models--…}, of ModelScope the one with {@code models}. */
        @CanIgnoreReturnValue
        public Builder cache(Path folder) {
            settings = settings.withCache(Given.value(folder, "cache"));
            return this;
        }

        /** Sets whether no connection is opened. */
        @CanIgnoreReturnValue
        public Builder offline(boolean offline) {
            settings = settings.withOffline(offline);
            return this;
        }

        /**
         * Sets how many files are fetched at a time, 4 unless set.
         *
         * @throws IllegalArgumentException unless between 1 and 32
         */
        @CanIgnoreReturnValue
        public Builder parallelFiles(int files) {
            if (files < 1 || files > 32) {
                throw new IllegalArgumentException("parallelFiles must be between 1 and 32, but was " + files);
            }
            settings = settings.withParallel(files);
            return this;
        }

        /** Sets who hears how downloads get on. */
        @CanIgnoreReturnValue
        public Builder listener(PullListener listener) {
            this.listener = Given.value(listener, "listener");
            return this;
        }

        /** Returns a hub of these settings. Opens no connection. */
        public ZImageHub build() {
            return new ZImageHub(settings, listener);
        }
    }
}
