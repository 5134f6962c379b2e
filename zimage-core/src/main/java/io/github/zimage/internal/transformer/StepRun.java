package io.github.zimage.internal.transformer;

import io.github.zimage.internal.placement.Blocks;
import io.github.zimage.internal.placement.Blocks.Range;
import java.util.List;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/** The way of some pictures through the noise refiner and the main blocks, in one evaluation. */
final class StepRun {
    private final Blocks<ZImageTransformerBlock> blocks;
    private final List<String> names;
    private final int refiners;
    /** How many blocks there are, the refiner's among them. */
    private final int count;

    private final boolean runsAgain;
    private final Runnable betweenBlocks;
    private final List<BlockHook.Pass> hooks;
    private final List<PictureStream> streams;
    private int next;

    /**
     * Runs nothing yet.
     *
     * @param blocks begin with the noise refiner's and go on with the main ones
     * @param names their names
     * @param refiners how many belong to the noise refiner
     * @param runsAgain whether another evaluation is expected to follow
     * @param betweenBlocks called before each block; throws to cancel
     */
    StepRun(
            Blocks<ZImageTransformerBlock> blocks,
            List<String> names,
            int refiners,
            boolean runsAgain,
            Runnable betweenBlocks,
            List<BlockHook.Pass> hooks,
            List<PictureStream> streams) {
        this.blocks = blocks;
        this.refiners = refiners;
        this.names = names;
        this.count = names.size();
        this.runsAgain = runsAgain;
        this.betweenBlocks = betweenBlocks;
        this.hooks = hooks;
        this.streams = streams;
    }

    /** Runs, changing the streams. */
    void run() {
        call(hook -> hook.beforeRefiner(streams));
        if (refiners == 0) {
            joinCaptions();
        }
        Range skipped = skipped();
        while (next < count) {
            int end = next < skipped.from() ? skipped.from() : count;
            try (Blocks<ZImageTransformerBlock>.Pass pass =
                    blocks.pass(new Range(next, end), following(end, skipped))) {
                int wanted = next;
                while (next < end && wanted <= next) {
                    betweenBlocks.run();
                    wanted = runBlock(pass.next());
                }
                next = Math.max(next, wanted);
            }
        }
    }

    private Range following(int end, Range skipped) {
        if (end < count) {
            return skipped.to() < count ? new Range(skipped.to(), count) : following(count, skipped);
        }
        return runsAgain ? new Range(0, count) : Range.NONE;
    }

    /** Returns what the hooks know to be left out, among all blocks; nothing behind the last if they know nothing. */
    private Range skipped() {
        for (BlockHook.Pass hook : hooks) {
            Range range = hook.skips();
            if (range.from() < range.to()) {
                return new Range(refiners + range.from(), Math.min(count, refiners + range.to()));
            }
        }
        return new Range(count, count);
    }

    /** Runs the next block, and returns the first of those behind it that is wanted. */
    private int runBlock(ZImageTransformerBlock block) {
        List<PictureStream> running = running();
        for (PictureStream each : running) {
            TransformerAdditions additions = each.input().caption().additions();
            block.forward(
                    each.hidden(),
                    each.rotary(),
                    each.step().blocks().get(next),
                    additions.block(names.get(next)),
                    next < refiners ? null : each.avoiding());
            if (next < refiners) {
                for (Tensor companion : each.companions()) {
                    block.forward(
                            companion,
                            each.rotary(),
                            each.step().blocks().get(next),
                            additions.block(names.get(next)),
                            null);
                }
            }
        }
        int index = next++;
        if (index < refiners) {
            call(hook -> hook.afterRefiner(index, running));
        } else {
            call(hook -> hook.afterBlock(index - refiners, running));
        }
        if (next == refiners) {
            joinCaptions();
        }
        return firstWanted();
    }

    private List<PictureStream> running() {
        return hooks.isEmpty()
                ? streams
                : streams.stream()
                        .filter(each -> next < refiners || refiners + each.firstBlock() <= next)
                        .toList();
    }

    private int firstWanted() {
        if (hooks.isEmpty() || next < refiners) {
            return next;
        }
        int first = count;
        for (PictureStream each : streams) {
            first = Math.min(first, refiners + each.firstBlock());
        }
        return first;
    }

    private void joinCaptions() {
        for (PictureStream each : streams) {
            each.joinCaptions();
        }
        call(hook -> hook.beforeBlocks(streams));
        next = Math.max(next, firstWanted());
    }

    private void call(Consumer<BlockHook.Pass> action) {
        for (BlockHook.Pass hook : hooks) {
            try (PointerScope scope = new PointerScope()) {
                action.accept(hook);
            }
        }
    }
}
