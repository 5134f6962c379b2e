package io.github.zimage.internal.runtime;

import io.github.zimage.internal.system.AllowedProcessors;
import io.github.zimage.internal.system.SystemFiles;
import java.util.Locale;
import java.util.Map;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The threads that LibTorch computes with. Its runtime reads the environment once, while it is loaded; so what shall be otherwise is
 * changed before. That is done on Linux, whose builds use GNU's runtime; others keep what they do by themselves.
 */
final class OpenMp {
    private static final Logger LOG = LoggerFactory.getLogger(OpenMp.class);

    private static final Map<String, String> ENVIRONMENT = System.getenv();

    private OpenMp() {}

    /** Changes the environment by {@link OpenMpSettings}. Must come before LibTorch and OpenBLAS are loaded; JavaCPP's library can be. */
    static void prepare() {
        if (!System.getProperty("os.name", "").toLowerCase(Locale.ROOT).contains("linux")) {
            return;
        }
        OpenMpSettings settings = OpenMpSettings.of(ENVIRONMENT);
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
     * Returns how many threads compute unless a pipeline sets another number, and warns of what the user set in vain: what the
     * environment says, or as many as there are cores, but no more than this process may use. LibTorch must be loaded.
     */
    static int threads() {
        int allowed = new AllowedProcessors(SystemFiles.ofThisMachine()).count();
        int found = torch.get_num_threads();
        int threads = OpenMpSettings.choosesThreads(ENVIRONMENT) ? found : Math.min(found, allowed);
        OpenMpSettings.of(ENVIRONMENT).warnings(threads, allowed).forEach(LOG::warn);
        return threads;
    }
}
