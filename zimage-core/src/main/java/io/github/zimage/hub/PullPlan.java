package io.github.zimage.hub;

import io.github.zimage.internal.io.ShownText;
import io.github.zimage.internal.io.TextTable;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * What a download would fetch, and where to.
 *
 * @param name the model
 * @param commit the commit that the revision stands for now; ModelScope names none, so there it is the revision
 * @param folder where the files will be: a snapshot in a cache, or the folder that was asked for
 * @param files in the order of their paths
 * @param freeBytes how much room the disk of that folder has
 */
public record PullPlan(HubName name, String commit, Path folder, List<PlannedFile> files, long freeBytes) {
    private static final double UNIT = 1000;

    /**
     * A file of a plan.
     *
     * @param path in the repository, with slashes
     * @param bytes its length
     * @param presentBytes how much of it is here: all of it, what a download that was ended left, or nothing
     */
    public record PlannedFile(String path, long bytes, long presentBytes) {}

    /** Copies the list. */
    public PullPlan {
        files = List.copyOf(files);
    }

    /** Returns the length of all files. */
    public long bytes() {
        return files.stream().mapToLong(PlannedFile::bytes).sum();
    }

    /** Returns how many bytes have still to be fetched. */
    public long missingBytes() {
        return files.stream()
                .mapToLong(file -> file.bytes() - file.presentBytes())
                .sum();
    }

    /** Returns a line for each file, and one for all. */
    @Override
    public String toString() {
        TextTable table = new TextTable(Set.of(1));
        for (PlannedFile file : files) {
            table.add(ShownText.line(file.path()), size(file.bytes()), state(file));
        }
        return table + summary();
    }

    private static String state(PlannedFile file) {
        if (file.presentBytes() == 0) {
            return "";
        }
        return file.presentBytes() == file.bytes() ? "here" : size(file.presentBytes()) + " here";
    }

    /** Returns in one line how much there is to fetch, and where to. */
    public String summary() {
        String count = files.size() == 1 ? "1 file" : files.size() + " files";
        String missing = missingBytes() == 0 ? "all here" : size(missingBytes()) + " to fetch";
        return "%s at %s: %s, %s, %s, in %s (%s free)"
                .formatted(
                        name,
                        commit.length() > 12 ? commit.substring(0, 12) : commit,
                        count,
                        size(bytes()),
                        missing,
                        ShownText.line(folder.toString()),
                        size(freeBytes));
    }

    /** Returns a number of bytes for people, such as {@code 9.97 GB}, in powers of 1000 as the hubs write them. */
    public static String size(long bytes) {
        if (bytes < UNIT) {
            return bytes + " B";
        }
        double value = bytes / UNIT;
        int unit = 0;
        while (value >= 999.5 && unit < 3) {
            value /= UNIT;
            unit++;
        }
        String format = value < 9.995 ? "%.2f %s" : value < 99.95 ? "%.1f %s" : "%.0f %s";
        return String.format(
                Locale.ROOT, format, value, List.of("kB", "MB", "GB", "TB").get(unit));
    }
}
