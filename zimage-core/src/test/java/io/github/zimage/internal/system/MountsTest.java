package io.github.zimage.internal.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;

@DisabledOnOs(OS.WINDOWS)
final class MountsTest {
    private static final Mounts MOUNTS = new Mounts(List.of(
            "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
            "30 22 0:26 / /tmp rw,nosuid,nodev,noexec shared:2 - tmpfs tmpfs rw",
            "31 30 0:27 / /tmp/work rw,nosuid - tmpfs tmpfs rw,noexec",
            "32 22 0:28 / /with\\040blank rw,noexec - tmpfs tmpfs rw",
            "33 22 0:29 / /twice rw,noexec - tmpfs tmpfs rw",
            "34 33 0:30 / /twice rw - tmpfs tmpfs rw",
            "35 22 0:31 / /not\\8octal rw,noexec - tmpfs tmpfs rw",
            "nonsense"));

    @Test
    void deepestMountDecides() {
        assertThat(MOUNTS.noexec(Path.of("/home/a"))).isFalse();
        assertThat(MOUNTS.noexec(Path.of("/tmp"))).isTrue();
        assertThat(MOUNTS.noexec(Path.of("/tmp/zimage-natives-0"))).isTrue();
        assertThat(MOUNTS.noexec(Path.of("/tmpx"))).isFalse();
        assertThat(MOUNTS.noexec(Path.of("/tmp/work/a"))).isFalse();
        assertThat(MOUNTS.noexec(Path.of("/with blank/a"))).isTrue();
        assertThat(MOUNTS.noexec(Path.of("/not\\8octal/a"))).isTrue();
    }

    @Test
    void lastMountAtAPlaceDecides() {
        assertThat(MOUNTS.noexec(Path.of("/twice/a"))).isFalse();
    }

    @Test
    void systemWithoutThem_hasNone() {
        assertThat(new Mounts(List.of()).noexec(Path.of("/tmp"))).isFalse();
    }
}
