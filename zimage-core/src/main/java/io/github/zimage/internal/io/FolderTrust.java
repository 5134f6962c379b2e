package io.github.zimage.internal.io;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Who else could change what is loaded from a folder. Trusted are this user, root, and whoever owns the root of the file system, who
 * is root under another number where user namespaces are used. On systems without POSIX's owners and modes, everything is trusted.
 */
public final class FolderTrust {
    private static final int GROUP_WRITES = 0020;
    private static final int OTHERS_WRITE = 0002;
    private static final int STICKY = 01000;
    private static final boolean HAS_MODES =
            FileSystems.getDefault().supportedFileAttributeViews().contains("unix");

    private final Set<Integer> trusted;

    private FolderTrust(Set<Integer> trusted) {
        this.trusted = trusted;
    }

    /** Returns the trust of the user that this process runs as. */
    public static FolderTrust ofThisUser() {
        if (!HAS_MODES) {
            return new FolderTrust(Set.of());
        }
        return ofUser(userNumber());
    }

    /** Returns the trust of a user by number. */
    public static FolderTrust ofUser(int user) {
        try {
            return new FolderTrust(
                    new HashSet<>(List.of(0, user, Owner.of(Path.of("/")).user())));
        } catch (IOException e) {
            return new FolderTrust(new HashSet<>(List.of(0, user)));
        }
    }

    /** Returns the number of the user that this process runs as; -1 where that cannot be told. */
    public static int userNumber() {
        if (!HAS_MODES) {
            return -1;
        }
        try {
            return (int) Files.getAttribute(Path.of("/proc/self"), "unix:uid");
        } catch (IOException e) {
            return ownerOfNewFile();
        }
    }

    private static int ownerOfNewFile() {
        try {
            Path file = Files.createTempFile("zimage", null);
            try {
                return Owner.of(file).user();
            } finally {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            return -1;
        }
    }

    /** Returns whose a file, folder or link is, as the end of a sentence, or null if the owner is trusted. */
    public @Nullable String foreign(Path path) throws IOException {
        if (!HAS_MODES) {
            return null;
        }
        Owner owner = Owner.of(path);
        return trusted.contains(owner.user()) ? null : "%s belongs to %s".formatted(path, owner.name());
    }

    /** Returns whether others than the owner may write to a file or folder. */
    public boolean open(Path path) throws IOException {
        return HAS_MODES && (Owner.of(path).mode() & (GROUP_WRITES | OTHERS_WRITE)) != 0;
    }

    /**
     * Returns why a folder that ours is to be made in cannot be trusted, or null if it and all above it can: others may write only
     * where the sticky bit keeps them from what is not theirs, or through a group that has only the owner or root in it.
     *
     * @param folder without links
     */
    public @Nullable String problemAbove(Path folder) throws IOException {
        if (!HAS_MODES) {
            return null;
        }
        for (Path each = folder; each != null; each = each.getParent()) {
            Owner owner = Owner.of(each);
            String foreign = foreign(each);
            if (foreign != null) {
                return foreign;
            }
            boolean open = (owner.mode() & OTHERS_WRITE) != 0
                    || ((owner.mode() & GROUP_WRITES) != 0 && !owner.hasPrivateGroup());
            if (open && (owner.mode() & STICKY) == 0) {
                return "others may write to %s (mode %o)".formatted(each, owner.mode() & 07777);
            }
        }
        return null;
    }

    /**
     * Who may do what.
     *
     * @param user number of the owner
     * @param group number of the group
     * @param name name of the owner, or the number
     * @param groupName name of the group, or the number
     */
    private record Owner(int user, int group, int mode, String name, String groupName) {
        static Owner of(Path path) throws IOException {
            Map<String, Object> found =
                    Files.readAttributes(path, "unix:uid,gid,mode,owner,group", LinkOption.NOFOLLOW_LINKS);
            return new Owner(
                    number(found, "uid"),
                    number(found, "gid"),
                    number(found, "mode"),
                    String.valueOf(found.get("owner")),
                    String.valueOf(found.get("group")));
        }

        private static int number(Map<String, Object> found, String name) {
            return found.get(name) instanceof Integer number ? number : -1;
        }

        /** Whether the group is root's, or the one that many systems make for each user. */
        boolean hasPrivateGroup() {
            return group == 0 || (groupName.equals(name) && group == user);
        }
    }
}
