package io.github.zimage.internal.transformer;

import io.github.zimage.Nag;
import io.github.zimage.internal.nn.Heads;
import io.github.zimage.internal.nn.Kernels;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Attention over a picture, its caption, and behind them the caption of what it shall not show: the picture sees each caption by itself, and
 * what that gives is combined ({@link Nag}); each caption sees the picture and itself.
 *
 * @param image how many tokens the picture has
 * @param caption how many tokens its caption has; the rest are those of the other one
 * @param nag how the two are combined
 */
record AvoidingAttention(long image, long caption, Nag nag) {

    /** Returns, for all tokens [S, dim], what they attend to. */
    Tensor attend(Kernels kernels, Heads heads) {
        long shown = image + caption;
        long avoided = heads.query().size(0) - shown;
        Tensor positive = kernels.attention(
                heads.query().narrow(0, 0, shown),
                heads.key().narrow(0, 0, shown),
                heads.value().narrow(0, 0, shown),
                false);
        Tensor negative = kernels.attention(
                without(heads.query(), shown), without(heads.key(), shown), without(heads.value(), shown), false);
        kernels.inParts(
                image,
                (row, count) -> kernels.guide(positive.narrow(0, row, count), negative.narrow(0, row, count), nag));
        return torch.cat(new TensorVector(positive, negative.narrow(0, image, avoided))); // [S, dim]
    }

    /** Leaves out the caption: [S, H, D] -> [S - caption, H, D]. */
    private Tensor without(Tensor rows, long shown) {
        return torch.cat(new TensorVector(rows.narrow(0, 0, image), rows.narrow(0, shown, rows.size(0) - shown)));
    }
}
