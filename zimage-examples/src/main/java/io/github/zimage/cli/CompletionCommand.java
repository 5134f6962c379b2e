package io.github.zimage.cli;

import java.io.PrintWriter;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Prints what makes a shell complete the command's options. */
@Command(
        name = "completion",
        description = "Prints a script that makes a shell complete commands and options.",
        footer = {
            "",
            "bash, in ~/.bashrc:   source <(zimage completion bash)",
            "zsh, in ~/.zshrc:     source <(zimage completion zsh)",
            "fish, once:           zimage completion fish > ~/.config/fish/completions/zimage.fish"
        })
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class CompletionCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "bash|zsh|fish", description = "Which shell.")
    private Shell shell;

    private enum Shell {
        BASH,
        ZSH,
        FISH
    }

    @Override
    public void run() {
        CommandLine root = spec.root().commandLine();
        PrintWriter out = spec.commandLine().getOut();
        out.print(shell == Shell.FISH ? FishCompletion.of(root) : AutoComplete.bash(root.getCommandName(), root));
        out.flush();
    }
}
