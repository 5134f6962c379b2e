package io.github.zimage.internal.hub;

import io.github.zimage.hub.HubException;
import io.github.zimage.hub.PullPlan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** How much room there is where files are to be. */
final class DiskSpace {
    private DiskSpace() {}

    /** Returns the bytes that may still be written to a folder that need not exist yet. */
    static long free(Path folder) {
        Path existing = folder.toAbsolutePath();
        while (existing.getParent() != null && !Files.exists(existing)) {
            existing = existing.getParent();
        }
        try {
            return Files.getFileStore(existing).getUsableSpace();
        } catch (IOException e) {
            return Long.MAX_VALUE; // the writing will tell
        }
    }

    /**
     * Checks that there is room for what has still to be fetched.
     *
     * @throws HubException if there is not
     */
    static void check(PullPlan plan) {
        if (plan.missingBytes() > plan.freeBytes()) {
            throw new HubException(
                    "%s needs %s more in %s, but there are only %s free: make room, or name another disk with --to or HF_HOME"
                            .formatted(
                                    plan.name(),
                                    PullPlan.size(plan.missingBytes()),
                                    plan.folder(),
                                    PullPlan.size(plan.freeBytes())));
        }
    }
}
