package io.github.zimage.internal.engine;

import io.github.zimage.internal.schedule.Evaluation;
import io.github.zimage.internal.transformer.BlockHook;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import java.util.List;

/** Something that a request attaches to the transformer, such as a ControlNet with its picture or a step cache. */
public interface Attachment {
    /**
     * Does what has to be done before denoising, such as encoding a picture, in phases of its own.
     *
     * @return what to go on with
     */
    default Attachment prepare(Session session) {
        return this;
    }

    /**
     * Returns a hook for a schedule, which is closed when its last evaluation is done, in the phase in which the transformer runs.
     *
     * @param evaluations all that will be asked for, in order
     */
    BlockHook open(Session session, ZImageTransformer2DModel transformer, List<Evaluation> evaluations);
}
