package io.github.zimage.internal.runtime;

import io.github.zimage.internal.system.AllowedProcessors;
import io.github.zimage.internal.system.SystemFiles;
import java.util.Locale;
import java.util.Map;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The threads that LibTorch computes with. Its runtime reads the environment once, while it is loaded; so what shall be otherwise is
 * changed before. That is done on Linux, whose builds use GNU's runtime; others keep what they do by themselves.
 */
final class OpenMp {
    private static final Logger LOG = LoggerFactory.getLogger(OpenMp.class);

    private static final Map<String, String> ENVIRONMENT = System.getenv();

    /** More than so many threads are not parked. */
    private static final int MOST_PARKED = 512;

    private OpenMp() {}

    /** Changes the environment by {@link OpenMpSettings}. Must come before LibTorch and OpenBLAS are loaded; JavaCPP's library can be. */
    static void prepare() {
        if (!isLinux()) {
            return;
        }
        OpenMpSettings settings = OpenMpSettings.of(ENVIRONMENT, allowed());
        if (settings.changes().isEmpty()) {
            return;
        }
        try {
            Loader.load(org.bytedeco.javacpp.presets.javacpp.class);
            if (!ProcessEnvironment.change(settings.changes())) {
                LOG.debug("The environment has no list of variables");
            }
        } catch (LinkageError | RuntimeException e) {
            LOG.debug("The environment was not changed", e);
        }
    }

    /**
     * Returns what looks after the threads that compute, or null where nothing can be won: if there is one, if the user set how they
     * wait, or if it is not GNU's runtime.
     *
     * @param threads how many compute
     */
    static @Nullable SpinGovernor governor(int threads) {
        int processors = new AllowedProcessors(SystemFiles.ofThisMachine()).byAffinity();
        boolean ours = isLinux() && OpenMpSettings.of(ENVIRONMENT, allowed()).spinsBriefly();
        return !ours || threads == 1 || processors >= MOST_PARKED
                ? null
                : new SpinGovernor(new ParkedTeam(processors + 1), threads);
    }

    private static boolean isLinux() {
        return System.getProperty("os.name", "").toLowerCase(Locale.ROOT).contains("linux");
    }

    /** Returns how many of those that a pipeline wants may compute. */
    static int threads(int wanted) {
        int most = OpenMpSettings.most(allowed());
        return Math.min(wanted, Math.min(most, OpenMpSettings.limit(ENVIRONMENT, most)));
    }

    private static int allowed() {
        return new AllowedProcessors(SystemFiles.ofThisMachine()).count();
    }

    /**
     * Returns how many threads compute unless a pipeline sets another number, and warns of what the user set in vain: what the
     * environment says, or as many as there are cores, but no more than this process may use. LibTorch must be loaded.
     */
    static int threads() {
        int allowed = allowed();
        int found = torch.get_num_threads();
        int wanted = OpenMpSettings.choosesThreads(ENVIRONMENT, allowed) ? found : Math.min(found, allowed);
        int threads = threads(wanted);
        OpenMpSettings.of(ENVIRONMENT, allowed).warnings(threads, allowed).forEach(LOG::warn);
        return threads;
    }
}
