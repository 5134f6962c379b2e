package io.github.zimage.internal.transformer;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** A picture between two blocks. */
public final class PictureStream {
    private final TransformerInput input;
    private final StepModulation step;
    private final @Nullable Avoided avoided;
    private Tensor hidden;
    private RotaryEmbedding rotary;
    /** The first main block that it runs through. */
    private int firstBlock;
    /** What goes through the noise refiner beside it. */
    private final List<Tensor> companions = new ArrayList<>();

    PictureStream(TransformerInput input, StepModulation step, Tensor hidden) {
        this.input = input;
        this.step = step;
        avoided = input.avoidedAt(step);
        this.hidden = hidden;
        rotary = input.imageRotary();
    }

    /** Returns the picture: the same object in all evaluations. */
    public TransformerInput input() {
        return input;
    }

    /**
     * Returns the residual stream, which may be changed in place: [N, dim] fp32 among the noise refiner's blocks, where N is a multiple of 32,
     * and [N + T, dim] among the main ones, with the caption behind the picture. Behind that there may be the caption of what it shall avoid.
     */
    public Tensor hidden() {
        return hidden;
    }

    /** Returns the rotary embedding of the stream's tokens. */
    public RotaryEmbedding rotary() {
        return rotary;
    }

    /**
     * Lets another stream of the picture's tokens go through the blocks of the noise refiner that are left, each right behind this one.
     *
     * @param tokens [N, dim] fp32, which is changed in place; has to live until the main blocks begin
     */
    public void accompany(Tensor tokens) {
        companions.add(tokens);
    }

    /**
     * Leaves out main blocks. The stream has been changed to what it would be like before the block to go on with.
     *
     * @param block the main block to go on with, from 0; their number if none of those that are left shall run
     */
    public void skipTo(int block) {
        firstBlock = block;
    }

    /** Returns what goes through the noise refiner beside it. */
    List<Tensor> companions() {
        return companions;
    }

    /** Returns what the timestep gave. */
    StepModulation step() {
        return step;
    }

    int firstBlock() {
        return firstBlock;
    }

    /** Returns how its tokens see each other, if that is not as usual: all see all. */
    @Nullable
    AvoidingAttention avoiding() {
        return avoided == null
                ? null
                : new AvoidingAttention(
                        input.imageRotary().query().size(0), input.caption().length(), avoided.nag());
    }

    /** Appends the captions, with which the picture goes through the main blocks. */
    void joinCaptions() {
        TensorVector rows = new TensorVector(hidden, input.caption().context());
        RotaryEmbedding rotations =
                RotaryEmbedding.concat(rotary, input.caption().rotary());
        if (avoided != null) {
            rows.push_back(avoided.caption().context());
            rotations = RotaryEmbedding.concat(rotations, avoided.caption().rotary());
        }
        hidden = torch.cat(rows); // [N, dim] -> [N + T, dim]
        rotary = rotations;
    }
}
