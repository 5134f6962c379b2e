package io.github.zimage.cli;

import io.github.zimage.GenerationCancelledException;
import io.github.zimage.ModelLoadException;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.ZImageException;
import io.github.zimage.hub.HubException;
import io.github.zimage.internal.io.FileNames;
import io.github.zimage.internal.io.ShownText;
import io.github.zimage.internal.request.PictureText;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.Charset;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.RunLast;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;
import picocli.CommandLine.UnmatchedArgumentException;

/** The {@code zimage} command. */
@Command(
        name = "zimage",
        description = "Draws pictures from text with Z-Image.",
        versionProvider = Main.Version.class,
        subcommands = {
            GenerateCommand.class,
            BatchCommand.class,
            InfoCommand.class,
            ConvertCommand.class,
            DoctorCommand.class,
            PlanCommand.class,
            PromptCommand.class,
            PullCommand.class,
            SamplersCommand.class,
            ServeCommand.class,
            SynthCommand.class,
            TuneCommand.class,
            UpscaleCommand.class,
            CompletionCommand.class,
            HelpCommand.class
        },
        synopsisSubcommandLabel = "COMMAND",
        footer = {
            "",
            "Exit codes: 0 done, 2 bad request, 3 bad or missing model, 4 out of memory, 75 a server that",
            "must be started again, 130 interrupted, 1 anything else. 'zimage COMMAND --help' says more."
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
public final class Main implements Runnable {
    static final int FAILED = 1;
    static final int BAD_REQUEST = 2;
    static final int BAD_MODEL = 3;
    static final int OUT_OF_MEMORY = 4;
    static final int INTERRUPTED = 130;

    private volatile boolean interrupted;
    private volatile int code = FAILED;

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--verbose",
            scope = ScopeType.INHERIT,
            description = "Log what happens, and print the stack trace of an error.")
    private boolean verbose;

    @Option(
            names = "--quiet",
            scope = ScopeType.INHERIT,
            description =
                    "Print results and errors only: of pictures the names of their files, without progress or remarks.")
    private boolean quiet;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            scope = ScopeType.INHERIT,
            description = "Print this help.")
    @SuppressWarnings("UnusedVariable") // picocli reads the annotation
    private boolean help;

    @Option(
            names = {"-V", "--version"},
            versionHelp = true,
            description = "Print the version.")
    @SuppressWarnings("UnusedVariable") // picocli reads the annotation
    private boolean version;

    /** Runs the command and ends the JVM with its exit code. */
    public static void main(String[] args) {
        Locale.setDefault(Locale.ROOT);
        Charset charset = Terminal.charset();
        // Logging and progress bars write to this one.
        System.setErr(new PrintStream(new FileOutputStream(FileDescriptor.err), true, charset));
        PrintWriter out = new PrintWriter(System.out, true, charset);
        PrintWriter err = new PrintWriter(System.err, true, charset);
        Main main = new Main();
        Thread worker = Thread.currentThread();
        CountDownLatch done = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> main.interrupt(worker, done, err)));
        try {
            main.code = main.run(main.commandLine(out, err), Terminal.decodedArguments(args));
        } finally {
            done.countDown(); // or the hook would wait for ever
        }
        System.exit(main.code);
    }

    /**
     * Stops the command when the JVM is told to end, as by Ctrl-C. It cleans up behind itself; and LibTorch must be idle when
     * the JVM ends, or the exit handlers of OpenBLAS wait for ever for its threads.
     */
    private void interrupt(Thread worker, CountDownLatch done, PrintWriter err) {
        if (done.getCount() == 0) {
            return;
        }
        interrupted = true;
        worker.interrupt();
        try {
            if (!done.await(1, TimeUnit.SECONDS)) {
                err.println("zimage: stopping, once the current operation is done");
                done.await();
            }
            if (code == 0) { // a server that ended in order; the JVM would tell of the signal
                Runtime.getRuntime().halt(0);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Runs the command and returns its exit code. */
    int run(CommandLine commandLine, String... args) {
        try {
            return commandLine.execute(args);
        } catch (Error e) { // picocli catches exceptions only
            return report(commandLine.getErr(), e);
        }
    }

    CommandLine commandLine(PrintWriter out, PrintWriter err) {
        return new CommandLine(this)
                .setOut(out)
                .setErr(err)
                .setExpandAtFiles(false) // a prompt may begin with @
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setUsageHelpWidth(100)
                .setUsageHelpAutoWidth(true)
                .setExecutionStrategy(this::execute)
                .registerConverter(Path.class, Main::path)
                .setParameterExceptionHandler((e, args) -> {
                    err.println("zimage: " + message(typoFirst(e)));
                    return BAD_REQUEST;
                })
                .setExecutionExceptionHandler((e, commandLine, result) -> report(err, e));
    }

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(),
                "which command? One of %s (see zimage --help)"
                        .formatted(String.join(", ", spec.subcommands().keySet())));
    }

    /** Returns whether only results and errors are to be printed. */
    boolean isQuiet() {
        return quiet;
    }

    /** Returns where remarks go: to a writer, or nowhere. */
    PrintWriter notes(PrintWriter err) {
        return quiet ? new PrintWriter(Writer.nullWriter()) : err;
    }

    /** Returns a display that is silent where nobody watches it, or where it would mix with the log. */
    Progress progress() {
        ProgressLine line = progressLine();
        return line == null ? Progress.silent() : Progress.on(line);
    }

    /** As {@link #progress}, for a download. */
    DownloadProgress downloadProgress() {
        return new DownloadProgress(progressLine(), System::nanoTime);
    }

    private @Nullable ProgressLine progressLine() {
        if (!Terminal.isInteractive() || verbose || quiet) {
            return null;
        }
        return Terminal.isDumb()
                ? ProgressLine.following(System.err)
                : ProgressLine.overwriting(System.err, TerminalWidth.watched());
    }

    private int execute(ParseResult result) {
        if (verbose) {
            System.setProperty("zimage.log.level", "DEBUG");
            System.setProperty("zimage.log.trace", "%ex");
        } else {
            setLogLevels(result);
        }
        return new RunLast().execute(result);
    }

    /** Only who runs a server reads how a pipeline was made; the others are told in one line at the end. */
    private void setLogLevels(ParseResult result) {
        ParseResult command = result.hasSubcommand() ? result.subcommand() : result;
        boolean serves = command.commandSpec().userObject() instanceof ServeCommand;
        if (quiet) {
            System.setProperty("zimage.log.level", "WARN");
        }
        if (!serves) {
            System.setProperty("zimage.log.pipeline", "WARN");
        }
    }

    private int report(PrintWriter err, Throwable e) {
        err.println("zimage: " + (interrupted ? "interrupted" : message(e)));
        if (verbose) {
            StringWriter trace = new StringWriter();
            e.printStackTrace(new PrintWriter(trace));
            err.print(ShownText.lines(trace.toString()).indent(2));
            err.flush();
        }
        return exitCode(e);
    }

    /** A misspelt option that is required is missing too, but that would not help. */
    private static ParameterException typoFirst(ParameterException e) {
        List<String> unmatched = e.getCommandLine().getUnmatchedArguments();
        return e instanceof MissingParameterException && !unmatched.isEmpty()
                ? new UnmatchedArgumentException(e.getCommandLine(), unmatched)
                : e;
    }

    private static Path path(String text) {
        if (text.isEmpty()) {
            throw new TypeConversionException("must be the name of a file or a folder, but was empty");
        }
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw new TypeConversionException(FileNames.problem(text));
        }
    }

    private static int exitCode(Throwable e) {
        // Only files that cannot be read or written throw the latter.
        if (e instanceof IllegalArgumentException || e instanceof UncheckedIOException) {
            return BAD_REQUEST;
        }
        if (e instanceof ModelLoadException || (e instanceof HubException refused && !refused.isTemporary())) {
            return BAD_MODEL;
        }
        if (e instanceof OutOfDeviceMemoryException || e instanceof OutOfMemoryError) {
            return OUT_OF_MEMORY;
        }
        return e instanceof GenerationCancelledException ? INTERRUPTED : FAILED;
    }

    private static String message(Throwable e) {
        String message = ShownText.joined(String.valueOf(e.getMessage()));
        if (e instanceof UnmatchedArgumentException unmatched) {
            return ShownText.joined(unmatched(unmatched));
        }
        if (e instanceof ParameterException
                || e instanceof IllegalArgumentException
                || e instanceof ZImageException
                || e instanceof UncheckedIOException) {
            return message;
        }
        if (e instanceof OutOfMemoryError) {
            return "out of memory (%s); give Java more with -Xmx, or ask for a smaller picture".formatted(message);
        }
        return "unexpected %s: %s (--verbose says more)".formatted(e.getClass().getSimpleName(), message);
    }

    /** Returns what was misspelt, and not what only became too much by that. */
    private static String unmatched(UnmatchedArgumentException e) {
        List<String> options = e.getUnmatched().stream()
                .filter(argument -> argument.startsWith("-"))
                .map(option -> "'" + option + "'")
                .toList();
        String message = options.isEmpty()
                ? String.valueOf(e.getMessage())
                : "Unknown option%s: %s".formatted(options.size() == 1 ? "" : "s", String.join(", ", options));
        List<String> suggestions = e.getSuggestions();
        if (!suggestions.isEmpty()) {
            return "%s; did you mean %s?".formatted(message, String.join(" or ", suggestions));
        }
        boolean words = options.isEmpty() && e.getCommandLine().getCommand() instanceof GenerateCommand;
        return words ? message + "; a prompt of several words must be in quotes" : message;
    }

    /** Reads the version that the build wrote into the library. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {PictureText.PROGRAM};
        }
    }
}
