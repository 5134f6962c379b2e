package io.github.zimage.cli;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Prints what {@code --help} prints. */
@Command(name = "help", description = "Prints the help of a command.")
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class HelpCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Parameters(arity = "0..1", paramLabel = "COMMAND", description = "Which command (default: zimage itself).")
    private @Nullable String name;

    @Override
    public void run() {
        CommandLine parent = spec.parent().commandLine();
        Map<String, CommandLine> commands = parent.getSubcommands();
        CommandLine command = name == null ? parent : commands.get(name);
        if (command == null) {
            throw new ParameterException(
                    spec.commandLine(),
                    "there is no command '%s', only %s".formatted(name, String.join(", ", commands.keySet())));
        }
        command.usage(spec.commandLine().getOut());
    }
}
