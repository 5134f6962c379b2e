package io.github.zimage.cli;

import io.github.zimage.ModelLoadException;
import io.github.zimage.hub.HubName;
import io.github.zimage.hub.KnownModel;
import io.github.zimage.hub.PullPlan;
import io.github.zimage.hub.PullRequest;
import io.github.zimage.hub.ZImageHub;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/** What becomes of a model that is named and not here: it is looked for in the hubs' caches, and downloaded if somebody agrees. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class DownloadOptions {
    @Option(
            names = "--yes",
            description =
                    "Download a model that --model names, such as Tongyi-MAI/Z-Image-Turbo, and that is not on this"
                            + " machine, without asking.")
    private boolean yes;

    /**
     * Returns where a model is: the path, if it leads anywhere or is no name on a hub, or where a hub's cache has it.
     *
     * @param command whose model it is
     */
    Path located(Path given, CommandSpec command) {
        String name = given.toString().replace('\\', '/');
        if (Files.exists(given, LinkOption.NOFOLLOW_LINKS) || !isName(name)) {
            return given;
        }
        PullRequest request = PullRequest.of(name);
        ZImageHub hub = ZImageHub.create();
        Optional<Path> here = hub.find(request);
        if (here.isPresent()) {
            return here.get();
        }
        if (hub.isOffline()) {
            throw missing(name, "and may not be downloaded, since HF_HUB_OFFLINE is set");
        }
        if (!yes && !Terminal.isConversation()) {
            throw missing(name, "download it with: zimage pull " + name + " (or pass --yes)");
        }
        if (!yes && !agreed(hub, request, command.commandLine().getErr())) {
            throw missing(name, "download it with: zimage pull " + name);
        }
        return pull(request, (Main) command.root().userObject());
    }

    private static boolean isName(String name) {
        return HubName.isName(name)
                || KnownModel.find(name).filter(known -> known.file().isEmpty()).isPresent();
    }

    private static ModelLoadException missing(String name, String advice) {
        return new ModelLoadException(
                "%s is no folder here, and not whole in the cache of a hub: %s".formatted(name, advice));
    }

    private static boolean agreed(ZImageHub hub, PullRequest request, PrintWriter err) {
        PullPlan plan = hub.plan(request);
        err.println("zimage: " + plan.summary());
        err.print("zimage: download it now? [y/N] ");
        err.flush();
        return Terminal.saysYes();
    }

    private static Path pull(PullRequest request, Main main) {
        try (DownloadProgress progress = main.downloadProgress()) {
            return ZImageHub.builder().listener(progress).build().pull(request);
        }
    }
}
