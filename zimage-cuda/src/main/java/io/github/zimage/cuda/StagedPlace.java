package io.github.zimage.cuda;

import io.github.zimage.internal.runtime.TensorPlace;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * A card's memory, which large tensors get to through two pieces of page-locked memory in turn: one is filled while the card reads the
 * other. The driver would do the same with one piece of its own. Used by the card's thread alone.
 *
 * @param <E> what copies call an event
 */
final class StagedPlace<E> extends TensorPlace implements AutoCloseable {
    private static final int PIECES = 2;

    /** Smaller ones are not worth the events. */
    private static final long SMALLEST = 1 << 20;

    private final Supplier<Copies<E>> opener;
    private final long pieceBytes;
    private final List<Piece<E>> pieces = new ArrayList<>();
    private @Nullable Copies<E> copies;
    private boolean refused;
    private int next;

    /** Memory that the card can read, the same as bytes, and the end of the latest copy from it. */
    private static final class Piece<E> {
        final Pointer memory;
        final Tensor bytes;

        @Nullable
        E copied;

        Piece(Pointer memory, long size) {
            this.memory = memory;
            try (PointerScope scope = new PointerScope()) {
                bytes = torch.from_blob(memory, new long[] {size}, new TensorOptions(ScalarType.Byte));
                bytes.retainReference();
            }
        }
    }

    /**
     * Names a place; calls no native code.
     *
     * @param opener opens the copies when the first large tensor comes
     * @param pieceBytes how much is copied at a time
     */
    StagedPlace(DeviceType type, int index, Supplier<Copies<E>> opener, long pieceBytes) {
        super(type, index);
        this.opener = opener;
        this.pieceBytes = pieceBytes;
    }

    @Override
    public Tensor take(Tensor tensor) {
        if (!isLarge(tensor)) {
            return super.take(tensor);
        }
        Tensor taken = empty(tensor.scalar_type(), tensor.sizes().vec().get());
        put(tensor, taken);
        return taken;
    }

    private static boolean isLarge(Tensor tensor) {
        return tensor.is_cpu() && tensor.is_contiguous() && tensor.nbytes() >= SMALLEST;
    }

    @Override
    public void put(Tensor from, Tensor to) {
        if (!isLarge(from)
                || !to.is_contiguous()
                || from.scalar_type().intern() != to.scalar_type().intern()
                || from.numel() != to.numel()) {
            super.put(from, to);
            return;
        }
        Copies<E> ordered = opened();
        if (ordered == null) {
            super.put(from, to);
            return;
        }
        try (PointerScope scope = new PointerScope()) {
            Tensor bytes = from.view(-1).view(ScalarType.Byte);
            BytePointer target = new BytePointer(to.data_ptr());
            // Whoever had this memory before may still be computing with it.
            E after = ordered.computed();
            long size = bytes.numel();
            for (long done = 0; done < size; done += pieceBytes) {
                long count = Math.min(pieceBytes, size - done);
                Piece<E> piece = pieces.get(next);
                next = (next + 1) % PIECES;
                if (piece.copied != null) {
                    ordered.await(piece.copied);
                    piece.copied = null;
                }
                piece.bytes.narrow(0, 0, count).copy_(bytes.narrow(0, done, count));
                after = ordered.copy(piece.memory, target.getPointer(done), count, after);
                piece.copied = ordered.again(after);
            }
            ordered.computeAfter(after);
        }
    }

    /** Returns the copies, or null if there is no memory to go through. */
    private @Nullable Copies<E> opened() {
        if (copies == null && !refused) {
            Copies<E> opening = opener.get();
            for (int i = 0; i < PIECES; i++) {
                Pointer memory = opening.allocate(pieceBytes);
                if (memory == null) {
                    refused = true;
                } else {
                    pieces.add(new Piece<>(memory, pieceBytes));
                }
            }
            copies = opening;
            if (refused) {
                close();
            }
        }
        return copies;
    }

    @Override
    public void close() {
        if (copies != null) {
            copies.drain();
            for (Piece<E> piece : pieces) {
                piece.bytes.close();
                copies.free(piece.memory);
            }
            pieces.clear();
            copies.close();
            copies = null;
        }
    }
}
