package io.github.zimage.cli;

import io.github.zimage.hub.KnownModel;
import io.github.zimage.hub.PullListener;
import io.github.zimage.hub.PullPlan;
import io.github.zimage.hub.PullRequest;
import io.github.zimage.hub.ZImageHub;
import io.github.zimage.internal.io.ShownText;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** Downloads a model from a hub. */
@Command(
        name = "pull",
        description =
                "Downloads what zimage needs of a model into the cache of its hub's own tools, checks it, and prints"
                        + " where it is. A download that was ended goes on where it ended.",
        customSynopsis = "zimage pull [OPTIONS] NAME[@REVISION]",
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  zimage pull Tongyi-MAI/Z-Image-Turbo",
            "  zimage pull modelscope:Tongyi-MAI/Z-Image-Turbo --to Z-Image-Turbo",
            "  zimage pull Tongyi-MAI/Z-Image-Turbo --only vae --dry-run",
            "",
            "The environment counts as for the hub's own tools: HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN,",
            "HF_HUB_OFFLINE, MODELSCOPE_CACHE, MODELSCOPE_ENDPOINT, MODELSCOPE_API_TOKEN, https_proxy, no_proxy."
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class PullCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Parameters(
            arity = "0..1",
            paramLabel = "NAME[@REVISION]",
            description =
                    "OWNER/NAME on Hugging Face, modelscope:OWNER/NAME, the address of its page, or a name that --list"
                            + " shows; @REVISION is a branch, a tag or a commit.")
    private @Nullable String name;

    @Option(
            names = "--to",
            paramLabel = "DIR",
            description = "Folder for the files themselves (default: a snapshot in the hub's cache).")
    private @Nullable Path folder;

    @Option(
            names = "--only",
            paramLabel = "PART",
            description =
                    "Only this: transformer, text_encoder, vae, tokenizer, scheduler, a file's path, or a pattern of"
                            + " such. May be given several times.")
    private @Nullable List<String> only;

    @Option(names = "--dry-run", description = "Print what would be downloaded, and how much of it is here, and stop.")
    private boolean dryRun;

    @Option(names = "--list", description = "Print the models that have short names, with their licences, and stop.")
    private boolean list;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        if (list) {
            out.print(KnownModel.table());
            out.flush();
            return 0;
        }
        if (name == null) {
            throw new IllegalArgumentException(
                    "nothing to download: give a name, such as Tongyi-MAI/Z-Image-Turbo, or --list");
        }
        PullRequest request = PullRequest.of(name);
        request = only == null ? request : request.only(only.toArray(String[]::new));
        request = folder == null ? request : request.to(folder);
        if (dryRun) {
            out.println(ShownText.lines(ZImageHub.create().plan(request).toString()));
        } else {
            out.println(pull(request));
        }
        return 0;
    }

    private Path pull(PullRequest request) {
        PrintWriter err = spec.commandLine().getErr();
        KnownModel.find(String.valueOf(name))
                .ifPresent(known -> err.printf("zimage: %s, licence: %s%n", known.purpose(), known.licence()));
        long start = System.nanoTime();
        try (DownloadProgress progress = main.downloadProgress()) {
            Announcer announcer = new Announcer(progress, err);
            Path path = ZImageHub.builder().listener(announcer).build().pull(request);
            progress.close();
            if (announcer.fetched > 0) {
                err.printf(
                        "zimage: downloaded and checked %s in %s%n",
                        PullPlan.size(announcer.fetched), Times.seconds(Duration.ofNanos(System.nanoTime() - start)));
            }
            return path;
        }
    }

    /** Says before the bar what will come. */
    private static final class Announcer implements PullListener {
        private final DownloadProgress progress;
        private final PrintWriter err;
        private long fetched;

        Announcer(DownloadProgress progress, PrintWriter err) {
            this.progress = progress;
            this.err = err;
        }

        @Override
        public void onPlan(PullPlan plan) {
            fetched = plan.missingBytes();
            err.println("zimage: " + plan.summary());
            progress.onPlan(plan);
        }

        @Override
        public void onBytes(long bytesDone, long bytesTotal) {
            progress.onBytes(bytesDone, bytesTotal);
        }

        @Override
        public void onFile(String path) {
            progress.onFile(path);
        }

        @Override
        public void onRetry(String path, String reason, Duration pause) {
            progress.onRetry(path, reason, pause);
            if (!Terminal.isInteractive()) {
                err.printf(
                        "zimage: %s is asked for again in %d s: %s%n",
                        ShownText.line(path), pause.toSeconds(), ShownText.line(reason));
            }
        }
    }
}
