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

    // Images of containers that are fetched while they are read are such layers, below an overlay.
    @Test
    void layersOfAnOverlay_areThoseBelow() {
        Mounts mounts = new Mounts(List.of(
                "22 1 254:0 / / rw shared:1 - ext4 /dev/vda rw",
                "30 22 0:26 / /one rw - overlay overlay rw,lowerdir=/a\\040b:/c,upperdir=/u,workdir=/w",
                "31 22 0:27 / /two rw master:1 - overlay overlay rw,lowerdir+=/d,lowerdir+=/e\\054f,datadir+=/g"));
        assertThat(mounts.layers(Path.of("/one/model"))).containsExactly(Path.of("/a b"), Path.of("/c"));
        assertThat(mounts.layers(Path.of("/two"))).containsExactly(Path.of("/d"), Path.of("/e,f"));
        assertThat(mounts.layers(Path.of("/other"))).isEmpty();
        assertThat(new Mounts(List.of()).layers(Path.of("/one"))).isEmpty();
    }

    @Test
    void systemWithoutThem_hasNone() {
        assertThat(new Mounts(List.of()).noexec(Path.of("/tmp"))).isFalse();
    }
}
