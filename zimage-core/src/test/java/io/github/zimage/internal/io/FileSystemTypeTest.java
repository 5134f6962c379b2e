package io.github.zimage.internal.io;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Protects that files are mapped where a disk is at hand, and read where a network or a program may fail. */
final class FileSystemTypeTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "nfs",
                "nfs4",
                "cifs",
                "smb3",
                "smbfs",
                "fuse",
                "fuse.sshfs",
                "fuse.s3fs",
                "fuseblk",
                "9p",
                "ceph",
                "lustre",
                "virtiofs",
                "macfuse",
                "osxfuse",
                "glusterfs",
                "fuse.glusterfs",
                "webdav",
                "NFS"
            })
    void networksAndPrograms_areRemote(String type) {
        assertThat(FileSystemType.isRemote(type)).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs", "hfs", "NTFS", "squashfs", "erofs", ""
            })
    void disks_areNot(String type) {
        assertThat(FileSystemType.isRemote(type)).isFalse();
    }

    @Test
    void fileThatIsMissing_isNot() {
        assertThat(FileSystemType.isRemote(Path.of("no-such-file"))).isFalse();
    }
}
