package io.github.zimage.internal.system;

import io.github.zimage.internal.system.Mounts.Mount;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The control groups that this process is in, of both versions, and all above them: the limits of each hold. Inside a container only a
 * part of them can be seen, and what the process's own group is called outside may not be where the mount has it.
 */
final class ControlGroups {
    private static final String MOUNTED_AT = "sys/fs/cgroup";
    private static final String ROOT = "/";

    private final SystemFiles files;
    private final Mounts mounts;

    ControlGroups(SystemFiles files) {
        this.files = files;
        mounts = Mounts.of(files);
    }

    /**
     * A group.
     *
     * @param name its path in the hierarchy, such as {@code /system.slice/zimage.service}
     * @param folder where its files are, below the root of the file system
     * @param unified whether it is of version 2
     */
    record Group(String name, String folder, boolean unified) {
        /** Returns the path of one of its files. */
        String file(String fileName) {
            return folder + "/" + fileName;
        }
    }

    /**
     * Returns the groups that a controller has the process in, its own before those above, version 2 before version 1.
     *
     * @param controller such as {@code memory}
     */
    List<Group> of(String controller) {
        List<Group> groups = new ArrayList<>();
        groups.addAll(seen(unifiedMounts(), own(""), true));
        groups.addAll(seen(mountsOf(controller), own(controller), false));
        return groups;
    }

    /** Returns the process's group in the hierarchy of a controller of version 1, or of version 2 if that has no name. */
    private String own(String controller) {
        for (String line : files.lines("proc/self/cgroup")) {
            // 4:cpu,cpuacct:/path, and 0::/path for version 2
            String[] fields = line.split(":", 3);
            boolean asked = fields.length == 3
                    && (controller.isEmpty()
                            ? fields[0].equals("0") && fields[1].isEmpty()
                            : Arrays.asList(fields[1].split(",", -1)).contains(controller));
            if (asked && fields[2].startsWith(ROOT)) {
                return fields[2];
            }
        }
        return ROOT;
    }

    private List<Mount> unifiedMounts() {
        return mounts.isEmpty() ? List.of(usual(MOUNTED_AT), usual(MOUNTED_AT + "/unified")) : mounts.ofType("cgroup2");
    }

    private List<Mount> mountsOf(String controller) {
        return mounts.isEmpty()
                ? List.of(usual(MOUNTED_AT + "/" + controller))
                : mounts.ofType("cgroup").stream()
                        .filter(mount -> mount.superOptions().contains(controller))
                        .toList();
    }

    private static Mount usual(String point) {
        return new Mount(ROOT, ROOT + point, List.of(), "", List.of());
    }

    /** Returns the own group and those above it from the mount that shows it; if none does, what is mounted is taken for it. */
    private List<Group> seen(List<Mount> shown, String own, boolean unified) {
        for (Mount mount : shown) {
            List<Group> groups = groups(mount, own, unified);
            if (!groups.isEmpty()) {
                return groups;
            }
        }
        return shown.stream()
                .map(mount -> new Group(own, relative(mount.point()), unified))
                .filter(group -> files.hasFolder(group.folder()))
                .toList();
    }

    /** Returns the own group and those above it, as far as a mount shows them; none if it does not show the own one. */
    private List<Group> groups(Mount mount, String own, boolean unified) {
        List<String> names = names(own);
        String top = mount.root().equals(ROOT) ? "" : mount.root();
        if (!(own + "/").startsWith(top + "/") || names.contains("..")) {
            return List.of();
        }
        List<Group> groups = new ArrayList<>();
        int above = names(top).size();
        for (int depth = names.size(); depth >= above; depth--) {
            String below = String.join("/", names.subList(above, depth));
            String name = ROOT + String.join("/", names.subList(0, depth));
            String folder = relative(mount.point() + (below.isEmpty() ? "" : "/" + below));
            if (files.hasFolder(folder)) {
                groups.add(new Group(name, folder, unified));
            } else if (depth == names.size()) {
                return List.of();
            }
        }
        return groups;
    }

    private static List<String> names(String path) {
        return Arrays.stream(path.split("/", -1))
                .filter(name -> !name.isEmpty())
                .toList();
    }

    private static String relative(String path) {
        return path.substring(path.startsWith(ROOT) ? 1 : 0);
    }
}
