package io.github.zimage.internal.generation;

import io.github.zimage.GenerationRequest;
import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.internal.runtime.NotFinite;
import io.github.zimage.internal.runtime.TensorPlace;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.internal.schedule.Evaluation;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongArrayRefOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Watches pictures on their way through the steps, so that what first was not finite is named. The largest number of each start, each velocity
 * and what each made of the latents is noted where the pictures lie, 4 bytes each; nobody waits for a device until {@link #require}.
 */
final class FiniteWatch {
    private final GenerationRequest request;
    private final Precision precision;
    /** [notes] fp32. The largest of numbers one of which is NaN is NaN. */
    private final Tensor largest;

    private final List<Supplier<ZImageException>> failures = new ArrayList<>();
    private int read;

    /**
     * Watches nothing yet. Can be used until the current scope ends.
     *
     * @param precision what the transformer computes in
     * @param place where the pictures lie
     * @param evaluations how often the transformer is evaluated
     */
    FiniteWatch(GenerationRequest request, Precision precision, TensorPlace place, int evaluations) {
        this.request = request;
        this.precision = precision;
        largest = place.filled(0, (1 + 3L * evaluations) * request.totalCount());
    }

    /** A picture starts here. */
    void onStart(Picture picture) {
        note(
                picture.latents(),
                () -> new ZImageException("picture %d starts from latents that are not finite: start it from others"
                        .formatted(picture.index() + 1)));
    }

    /**
     * The transformer has given velocities.
     *
     * @param pictures those that they are for, as often as there are velocities for them: first with what they shall show, then with what they
     *     shall not
     */
    void onVelocities(Evaluation at, List<Picture> pictures, List<Tensor> velocities) {
        for (int i = 0; i < velocities.size(); i++) {
            int picture = pictures.get(i % pictures.size()).index() + 1;
            String prompt = i < pictures.size() ? "" : ", with its negative prompt";
            note(
                    velocities.get(i),
                    () -> NotFinite.of(
                            "transformer",
                            "in step %d of %d, for picture %d%s"
                                    .formatted(at.step().number(), at.step().count(), picture, prompt),
                            precision));
        }
    }

    /** A picture has moved. */
    void onAdvance(Evaluation at, Picture picture) {
        note(
                picture.latents(),
                () -> new ZImageException(
                        "picture %d has values that are not finite in step %d of %d, though the transformer gave finite ones: %s"
                                .formatted(
                                        picture.index() + 1,
                                        at.step().number(),
                                        at.step().count(),
                                        request.guidance() > 0
                                                ? "guidance must be smaller, but was " + request.guidance()
                                                : "they are too large; compare the transformer's files with their source")));
    }

    private void note(Tensor values, Supplier<ZImageException> failure) {
        try (PointerScope scope = new PointerScope()) {
            Tensor norm = torch.linalg_vector_norm(
                    values,
                    new Scalar(Double.POSITIVE_INFINITY),
                    new LongArrayRefOptional(),
                    false,
                    new ScalarTypeOptional());
            largest.select(0, failures.size()).copy_(norm);
        }
        failures.add(failure);
    }

    /**
     * Waits for all that was noted.
     *
     * @throws ZImageException naming the first that was not finite
     */
    void require() {
        if (read == failures.size()) {
            return;
        }
        try (PointerScope scope = new PointerScope()) {
            int first = NotFinite.first(Tensors.toFloats(largest.narrow(0, read, failures.size() - read)));
            if (first >= 0) {
                throw failures.get(read + first).get();
            }
            read = failures.size();
        }
    }
}
