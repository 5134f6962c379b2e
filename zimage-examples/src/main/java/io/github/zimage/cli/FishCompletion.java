package io.github.zimage.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** What {@code fish} completes: commands, their options with the first sentence of their description, choices and files. */
final class FishCompletion {
    private static final int LONGEST_DESCRIPTION = 80;

    private final String program;
    private final List<String> lines = new ArrayList<>();

    private FishCompletion(String program) {
        this.program = program;
    }

    /** Returns a script of one line for each command and each option. */
    static String of(CommandLine root) {
        FishCompletion completion = new FishCompletion(root.getCommandName());
        completion.add(root.getCommandSpec(), List.of());
        return String.join("\n", completion.lines) + "\n";
    }

    /**
     * Adds a command and those below it.
     *
     * @param path the names that lead to it, without the program's
     */
    private void add(CommandSpec command, List<String> path) {
        List<String> below = new ArrayList<>(command.subcommands().keySet());
        String here = condition(path, below);
        command.subcommands().forEach((name, each) -> {
            CommandSpec spec = each.getCommandSpec();
            if (!spec.usageMessage().hidden()) {
                line(here, "-f -a " + name, spec.usageMessage().description());
            }
        });
        for (OptionSpec option : command.options()) {
            if (!option.hidden()) {
                line(here, names(option) + value(option), option.description());
            }
        }
        command.subcommands().forEach((name, each) -> {
            List<String> deeper = new ArrayList<>(path);
            deeper.add(name);
            add(each.getCommandSpec(), deeper);
        });
    }

    /** Returns when a command is the one that is typed: all names of its path were, and none of those below it. */
    private static String condition(List<String> path, List<String> below) {
        List<String> parts = new ArrayList<>();
        path.forEach(name -> parts.add("__fish_seen_subcommand_from " + name));
        if (!below.isEmpty()) {
            parts.add("not __fish_seen_subcommand_from " + String.join(" ", below));
        }
        return String.join("; and ", parts);
    }

    private void line(String condition, String what, String[] description) {
        String when = condition.isEmpty() ? "" : " -n " + quoted(condition);
        lines.add("complete -c %s%s %s -d %s".formatted(program, when, what, quoted(summary(description))));
    }

    private static String names(OptionSpec option) {
        List<String> names = Arrays.stream(option.names())
                .map(name -> name.startsWith("--") ? "-l " + name.substring(2) : "-s " + name.substring(1))
                .toList();
        return String.join(" ", names);
    }

    /** Returns what follows the option's name: nothing, a file, one of some words, or anything. */
    private static String value(OptionSpec option) {
        if (option.arity().max() == 0) {
            return "";
        }
        Class<?> type = option.auxiliaryTypes()[0];
        if (type.isEnum()) {
            List<String> words = Arrays.stream(type.getEnumConstants())
                    .map(constant -> constant.toString().toLowerCase(Locale.ROOT))
                    .toList();
            return " -x -a " + quoted(String.join(" ", words));
        }
        return type == Path.class ? " -r -F" : " -x";
    }

    private static String summary(String[] description) {
        String text = description.length == 0 ? "" : description[0];
        int end = text.indexOf(". ");
        String first = (end < 0 ? text : text.substring(0, end)).replaceFirst("\\.$", "");
        return first.length() <= LONGEST_DESCRIPTION ? first : first.substring(0, LONGEST_DESCRIPTION - 3) + "...";
    }

    private static String quoted(String text) {
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'";
    }
}
