package io.github.zimage.internal.io;

import io.github.zimage.internal.system.Mounts;
import io.github.zimage.internal.system.SystemFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/** What kind of file system a file lies on. */
public final class FileSystemType {
    /** As Linux and macOS call those that are on another machine, or served by a program. */
    private static final Set<String> REMOTE = Set.of(
            "9p",
            "afpfs",
            "afs",
            "beegfs",
            "ceph",
            "cifs",
            "coda",
            "davfs",
            "drvfs",
            "gfs",
            "gfs2",
            "glusterfs",
            "gpfs",
            "lustre",
            "macfuse",
            "ncpfs",
            "ocfs2",
            "orangefs",
            "osxfuse",
            "prl_fs",
            "smb",
            "smb2",
            "smb3",
            "smbfs",
            "vboxsf",
            "virtiofs",
            "vmhgfs",
            "webdav",
            "wekafs");

    /** Some have a version or what they are served by in their names: {@code nfs4}, {@code fuse.sshfs}. */
    private static final Pattern REMOTE_NAMES = Pattern.compile("nfs\\d*|fuse(blk|ctl)?(\\..*)?|.*fuse");

    /** Fails as the layers below it do, which may be overlays again. */
    private static final String OVERLAY = "overlay";

    private static final int MOST_LAYERS = 3;
    private static final String NETWORK_PATH = "\\\\";

    private FileSystemType() {}

    /**
     * Returns whether reading a file may fail for other reasons than a broken disk: it lies on another machine, or a program serves it, or
     * a layer of the overlay that it lies on.
     */
    public static boolean isRemote(Path file) {
        if (file.toAbsolutePath().toString().startsWith(NETWORK_PATH)) {
            return true;
        }
        try {
            return isRemote(file.toRealPath(), MOST_LAYERS);
        } catch (IOException e) {
            return false;
        }
    }

    private static boolean isRemote(Path real, int deepest) throws IOException {
        String type = Files.getFileStore(real).type();
        if (!type.equals(OVERLAY)) {
            return isRemote(type);
        }
        for (Path layer : deepest == 0
                ? List.<Path>of()
                : Mounts.of(SystemFiles.ofThisMachine()).layers(real)) {
            if (Files.exists(layer) && isRemote(layer.toRealPath(), deepest - 1)) {
                return true;
            }
        }
        return false;
    }

    /** Returns whether a kind of file system, as the system calls it, is remote. */
    static boolean isRemote(String type) {
        String name = type.toLowerCase(Locale.ROOT);
        return REMOTE.contains(name) || REMOTE_NAMES.matcher(name).matches();
    }
}
