package io.github.zimage.serve;

import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.SourceImage;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** A request on its way. Its queue changes it, and holds its own lock meanwhile; anybody may read it. */
final class Job {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final int ID_BYTES = 18;

    enum State {
        QUEUED,
        RUNNING,
        SUCCEEDED,
        FAILED,
        CANCELLED;

        boolean isFinal() {
            return this != QUEUED && this != RUNNING;
        }
    }

    /** What has happened. What it is about is in the job. */
    enum Event {
        /** It waits, or has come forward. */
        PLACE,
        /** It is being drawn, perhaps again. */
        STARTED,
        /** A step is done. */
        STEP,
        /** There is a new preview. */
        PREVIEW,
        /** Its state is final. */
        END
    }

    private final String id;
    private final String client;
    private volatile GenerationRequest request;
    private final IntPredicate previewsAt;
    private final double cost;
    private final long queuedAt;

    private volatile State state = State.QUEUED;
    private volatile int place;
    private volatile int step;
    private volatile byte @Nullable [] preview;
    private volatile int previewStep;
    private volatile List<EncodedImage> pictures = List.of();
    private volatile @Nullable ApiException failure;
    private volatile long startedAt;
    private volatile long endedAt;
    private volatile long seenAt;
    private volatile int attempts;
    private @Nullable Attempt attempt;

    private final List<Consumer<Event>> watchers = new CopyOnWriteArrayList<>();

    /**
     * Makes a job that waits.
     *
     * @param client whose it is
     * @param previewsAt whether there shall be a preview of a step
     */
    Job(String client, GenerationRequest request, IntPredicate previewsAt, long now) {
        byte[] random = new byte[ID_BYTES];
        RANDOM.nextBytes(random);
        this.id = Base64.getUrlEncoder().withoutPadding().encodeToString(random);
        this.client = client;
        this.request = request;
        this.previewsAt = previewsAt;
        this.cost = RequestCost.of(request);
        this.queuedAt = now;
        this.seenAt = now;
    }

    /** Returns the name, which cannot be guessed. */
    String id() {
        return id;
    }

    /** Returns whose it is. */
    String client() {
        return client;
    }

    /** Returns what is drawn. Once it has ended, pictures to start from are digests alone: they would stay in memory for nothing. */
    GenerationRequest request() {
        return request;
    }

    /** Returns how much work it is, compared with others. */
    double cost() {
        return cost;
    }

    State state() {
        return state;
    }

    /** Returns the place in the queue, from 1; 0 if it does not wait. */
    int place() {
        return state == State.QUEUED ? place : 0;
    }

    /** Returns how many steps are done. */
    int step() {
        return step;
    }

    /** Returns the latest preview, a PNG file, or null if there is none yet. */
    byte @Nullable [] preview() {
        return preview;
    }

    /** Returns the step that the preview shows. */
    int previewStep() {
        return previewStep;
    }

    boolean wantsPreview(int atStep) {
        return previewsAt.test(atStep);
    }

    /** Returns the pictures; none unless it has succeeded. */
    List<EncodedImage> pictures() {
        return pictures;
    }

    /** Returns why there are no pictures; null unless it has failed or was cancelled. */
    @Nullable
    ApiException failure() {
        return failure;
    }

    /** Returns how often it was begun. */
    int attempts() {
        return attempts;
    }

    /** Returns how long it waited for a device to begin with it, in nanoseconds; up to now, if it still does. */
    long waitedNanos(long now) {
        return (startedAt == 0 ? endedAt == 0 ? now : endedAt : startedAt) - queuedAt;
    }

    /** Returns how long it was drawn, in nanoseconds. */
    long drawnNanos(long now) {
        return startedAt == 0 ? 0 : (endedAt == 0 ? now : endedAt) - startedAt;
    }

    long seenAt() {
        return seenAt;
    }

    long endedAt() {
        return endedAt;
    }

    // What follows is the queue's.

    void touch(long now) {
        seenAt = now;
    }

    void watch(Consumer<Event> watcher) {
        watchers.add(watcher);
    }

    void unwatch(Consumer<Event> watcher) {
        watchers.remove(watcher);
    }

    /** Returns how many watch it. */
    int watchers() {
        return watchers.size();
    }

    void setPlace(int newPlace) {
        if (place != newPlace) {
            place = newPlace;
            tell(Event.PLACE);
        }
    }

    /** Returns the attempt that is under way, or null. */
    @Nullable
    Attempt attempt() {
        return attempt;
    }

    /** Is handed over to a backend. */
    void dispatch(Attempt next) {
        attempt = next;
        int begun = attempts + 1; // only the queue writes
        attempts = begun;
        state = State.RUNNING;
        step = 0;
        tell(Event.STARTED);
    }

    /** A device begins with it. */
    void markStarted(long now) {
        startedAt = startedAt == 0 ? now : startedAt;
    }

    /** Goes back to the queue; what is being generated is given up. */
    void requeue() {
        state = State.QUEUED;
        place = 0;
        release();
    }

    void recordStep(int newStep) {
        step = newStep;
        tell(Event.STEP);
    }

    void recordPreview(int atStep, byte[] png) {
        preview = png;
        previewStep = atStep;
        tell(Event.PREVIEW);
    }

    void succeed(List<EncodedImage> drawn, long now) {
        pictures = drawn;
        end(State.SUCCEEDED, now);
    }

    void fail(State end, ApiException why, long now) {
        failure = why;
        end(end, now);
    }

    private void end(State end, long now) {
        endedAt = now;
        request = withoutPictures(request);
        state = end;
        preview = null;
        release();
        tell(Event.END);
        watchers.clear();
    }

    private static GenerationRequest withoutPictures(GenerationRequest request) {
        return request.imageToImage() == null
                ? request
                : request.toBuilder()
                        .imageToImage(Job::withoutPictures)
                        .size(request.width(), request.height()) // which may have been the picture's
                        .build();
    }

    private static ImageToImage withoutPictures(ImageToImage from) {
        SourceImage image = from.image();
        SourceImage mask = from.mask();
        ImageToImage named = image == null ? from : from.image(SourceImage.ofDigest(image.sha256()));
        return mask == null ? named : named.mask(SourceImage.ofDigest(mask.sha256()));
    }

    private void release() {
        Attempt last = attempt;
        attempt = null;
        if (last != null) {
            last.release();
        }
    }

    private void tell(Event event) {
        watchers.forEach(watcher -> watcher.accept(event));
    }
}
