package io.github.zimage.internal.natives;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.zimage.NativeLibraryException;
import io.github.zimage.internal.io.FolderTrust;
import io.github.zimage.internal.system.Mounts;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

@DisabledOnOs(OS.WINDOWS)
final class BundleFolderTest {
    private static final int BYTES = 100_000;
    private static final int STRANGER = 54321;
    private static final Mounts NO_MOUNTS = new Mounts(List.of());

    @TempDir
    private Path temporary;

    private Path base;
    private List<BundledFile> libraries;

    @BeforeEach
    void makeJar() throws IOException {
        libraries = Libraries.in(Libraries.jar(temporary.resolve("some-1.0.jar"), BYTES));
        base = temporary.toRealPath().resolve("home/.cache/zimage/natives");
    }

    private static FolderCandidate automatic(Path path) {
        return new FolderCandidate(path, false, false);
    }

    private static BundleFolder folder(FolderCandidate... candidates) {
        return new BundleFolder(List.of(candidates), FolderTrust.ofThisUser(), NO_MOUNTS);
    }

    private BundleFolder.Unpacked unpack(FolderCandidate... candidates) {
        return folder(candidates).unpack(Libraries.NAME, libraries, List.of());
    }

    private Path file(String name) {
        return base.resolve(Libraries.NAME).resolve("some-1.0.jar").resolve(Libraries.FOLDER + name);
    }

    private void assertWhole(BundleFolder.Unpacked unpacked) throws IOException {
        UnpackedFolder found = new UnpackedFolder(unpacked.path(), FolderTrust.ofThisUser(), false);
        assertThat(found.missing(libraries)).isEmpty();
        for (BundledFile library : libraries) {
            assertThat(found.hasBytesOf(library)).as(library.path()).isTrue();
        }
    }

    private Map<Path, Object> inodes() throws IOException {
        Map<Path, Object> inodes = new HashMap<>();
        try (Stream<Path> all = Files.walk(base)) {
            for (Path path : all.filter(Files::isRegularFile).toList()) {
                inodes.put(path, Files.getAttribute(path, "unix:ino"));
            }
        }
        return inodes;
    }

    @Test
    void librariesAreFound_andNothingElse() {
        assertThat(libraries)
                .extracting(BundledFile::path)
                .allMatch(path -> path.startsWith("some-1.0.jar/" + Libraries.FOLDER))
                .hasSize(6);
        assertThat(BundledFile.key(libraries)).matches("[0-9a-f]{8}");
    }

    @Test
    void unpackedOnce_isUsedAsItIs() throws IOException {
        BundleFolder.Unpacked unpacked = unpack(automatic(base));
        assertThat(unpacked).isEqualTo(new BundleFolder.Unpacked(base.resolve(Libraries.NAME), true, true));
        assertWhole(unpacked);
        Map<Path, Object> before = inodes();
        assertThat(unpack(automatic(base))).isEqualTo(unpacked);
        assertThat(inodes()).isEqualTo(before);
        assertThat(Files.getLastModifiedTime(file("libfirst.so")).toMillis())
                .as("time that JavaCPP compares")
                .isEqualTo(libraries.get(0).millis());
    }

    @Test
    void sameBytes_takeNoMoreRoom() throws IOException {
        unpack(automatic(base));
        assertThat(Files.getAttribute(file("libtwin.so"), "unix:ino"))
                .isEqualTo(Files.getAttribute(file("libfirst.so"), "unix:ino"));
    }

    @Test
    void whatIsDamaged_isReplaced_andNotWrittenInto() throws IOException {
        unpack(automatic(base));
        Path mapped = temporary.resolve("still-mapped");
        Files.createLink(mapped, file("libfifth.so"));
        Files.write(file("libfifth.so"), new byte[BYTES]);
        Files.write(file("libsecond.so.0"), new byte[3]);
        Files.delete(file("libthird.so.1.2"));
        Files.createDirectories(file("libthird.so.1.2").resolve("not/empty"));
        Path victim = Files.writeString(temporary.resolve("victim"), "mine");
        Files.delete(file("libfourth.dylib"));
        Files.createSymbolicLink(file("libfourth.dylib"), victim);
        assertWhole(unpack(automatic(base)));
        assertThat(victim).hasContent("mine");
        assertThat(mapped).hasBinaryContent(new byte[BYTES]);
    }

    @Test
    void linkInPlaceOfAFolder_isReplaced() throws IOException {
        unpack(automatic(base));
        Path own = base.resolve(Libraries.NAME);
        Path elsewhere = Files.move(own, temporary.resolve("elsewhere"));
        Files.createSymbolicLink(own, elsewhere);
        assertWhole(unpack(automatic(base)));
        assertThat(Files.isDirectory(own, LinkOption.NOFOLLOW_LINKS)).isTrue();
    }

    @Test
    void damageThatKeptTheTime_isFoundWhenAllBytesAreCompared() throws IOException {
        BundleFolder.Unpacked unpacked = unpack(automatic(base));
        FileTime time = Files.getLastModifiedTime(file("libfifth.so"));
        Files.write(file("libfifth.so"), new byte[BYTES]);
        Files.setLastModifiedTime(file("libfifth.so"), time);
        assertThat(folder(automatic(base)).repair(unpacked, libraries)).containsExactly("libfifth.so");
        assertWhole(unpacked);
        assertThat(folder(automatic(base)).repair(unpacked, libraries)).isEmpty();
    }

    // What is small, and what everything else depends on, is compared at every start.
    @Test
    void data_whoseBytesDiffer_isReplaced_evenIfSizeAndTimeAreThose() throws IOException {
        BundleFolder places = folder(automatic(base));
        Path own = places.unpack("key/data", libraries);
        assertThat(own).isEqualTo(base.resolve("key/data"));
        Path damaged = own.resolve(libraries.get(2).path());
        Path sound = own.resolve(libraries.get(0).path());
        byte[] bytes = Files.readAllBytes(damaged);
        FileTime time = Files.getLastModifiedTime(damaged);
        Object before = Files.getAttribute(sound, "unix:ino");
        bytes[BYTES / 2] ^= 1;
        Files.write(damaged, bytes);
        Files.setLastModifiedTime(damaged, time);

        assertThat(places.unpack("key/data", libraries)).isEqualTo(own);
        bytes[BYTES / 2] ^= 1;
        assertThat(damaged).hasBinaryContent(bytes);
        assertThat(Files.getAttribute(sound, "unix:ino")).isEqualTo(before);
    }

    @Test
    void data_mayBeWhereNothingIsExecuted_butNotWhereOthersMayWrite() throws IOException {
        Path open = Files.createDirectory(temporary.toRealPath().resolve("open"));
        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
        Path key = Files.createDirectories(base.resolve("key"));
        Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rwxrwxrwx"));
        for (Path refused : new Path[] {open.resolve("data"), base}) {
            assertThatThrownBy(() -> folder(automatic(refused)).unpack("key/data", libraries))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("others may write to ")
                    .hasMessageEndingWith("by XDG_CACHE_HOME=FOLDER or -Djava.io.tmpdir=FOLDER");
        }
        assertThat(folder(automatic(open.resolve("data")), automatic(base.resolve("sound")))
                        .unpack("key/data", libraries))
                .startsWith(base.resolve("sound"));
    }

    // Opening a pipe waits for whoever opens its other end.
    @Test
    @Timeout(20)
    void pipesInPlaceOfFiles_areReplaced() throws Exception {
        BundleFolder.Unpacked unpacked = unpack(automatic(base));
        for (Path each :
                List.of(file("libfifth.so"), base.resolve(Libraries.NAME).resolve(".lock"))) {
            Files.delete(each);
            assertThat(new ProcessBuilder("mkfifo", each.toString()).start().waitFor())
                    .isZero();
        }
        assertThat(folder(automatic(base)).repair(unpacked, libraries)).containsExactly("libfifth.so");
        assertWhole(unpack(automatic(base)));
    }

    // Builders of images set all times to the same.
    @Test
    void timesThatWereLost_areNoDamage() throws IOException {
        unpack(automatic(base));
        for (BundledFile library : libraries) {
            Files.setLastModifiedTime(base.resolve(Libraries.NAME).resolve(library.path()), FileTime.fromMillis(1000));
        }
        Map<Path, Object> before = inodes();
        assertThat(unpack(automatic(base)).sameTimes()).isFalse();
        assertThat(inodes()).isEqualTo(before);
    }

    @Test
    void folderThatOthersCouldWriteTo_isFilledAnew() throws IOException {
        unpack(automatic(base));
        Map<Path, Object> before = inodes();
        Path own = base.resolve(Libraries.NAME);
        Files.setPosixFilePermissions(own, PosixFilePermissions.fromString("rwxrwxrwx"));
        assertWhole(unpack(automatic(base)));
        assertThat(inodes()).doesNotContainEntry(file("libfifth.so"), before.get(file("libfifth.so")));
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(own)))
                .isEqualTo("rwx------");
    }

    @Test
    void fileThatOthersCouldWriteTo_isReplaced() throws IOException {
        unpack(automatic(base));
        Object before = Files.getAttribute(file("libfifth.so"), "unix:ino");
        Files.setPosixFilePermissions(file("libfifth.so"), PosixFilePermissions.fromString("rw-rw-rw-"));
        assertWhole(unpack(automatic(base)));
        assertThat(Files.getAttribute(file("libfifth.so"), "unix:ino")).isNotEqualTo(before);
    }

    @Test
    void folderBelowOneThatOthersMayWriteTo_isNotUsed_unlessItIsNamed() throws IOException {
        Path open = Files.createDirectory(temporary.toRealPath().resolve("open"));
        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
        Path below = open.resolve("natives");
        assertThatThrownBy(() -> unpack(automatic(below)))
                .isInstanceOf(NativeLibraryException.class)
                .hasMessageContaining("others may write to " + open + " (mode 777)")
                .hasMessageContaining("-Dzimage.natives=FOLDER");
        assertThat(below).doesNotExist();
        assertThat(unpack(automatic(below), automatic(base)).path()).startsWith(base);
        assertWhole(unpack(new FolderCandidate(below, true, false)));
    }

    @Test
    void stickyFolder_isTrusted() throws IOException {
        Path sticky = Files.createDirectory(temporary.toRealPath().resolve("sticky"));
        Files.setAttribute(sticky, "unix:mode", 01777);
        assertThat(unpack(automatic(sticky.resolve("natives"))).path()).startsWith(sticky);
    }

    @Test
    void folderOfSomebodyElse_isNeverUsed() throws IOException {
        assumeTrue(FolderTrust.userNumber() == 0, "only root can give files away");
        unpack(automatic(base));
        Files.setAttribute(base.resolve(Libraries.NAME), "unix:uid", STRANGER);
        for (boolean named : new boolean[] {false, true}) {
            assertThatThrownBy(() -> unpack(new FolderCandidate(base, named, false)))
                    .isInstanceOf(NativeLibraryException.class)
                    .hasMessageContaining(base.resolve(Libraries.NAME) + " belongs to " + STRANGER);
        }
        Files.setAttribute(base.resolve(Libraries.NAME), "unix:uid", 0);
        Files.setAttribute(base, "unix:uid", STRANGER);
        assertThatThrownBy(() -> unpack(automatic(base))).hasMessageContaining(base + " belongs to " + STRANGER);
        Files.setAttribute(base, "unix:uid", 0);
        Files.setAttribute(file("libfifth.so"), "unix:uid", STRANGER);
        assertWhole(unpack(automatic(base)));
        assertThat(Files.getAttribute(file("libfifth.so"), "unix:uid")).isEqualTo(0);
    }

    @Test
    void noexec_isRefusedBeforeAnythingIsWritten() throws IOException {
        Path real = temporary.toRealPath();
        Mounts mounts = new Mounts(List.of("30 22 0:26 / %s rw,noexec - tmpfs tmpfs rw".formatted(real)));
        BundleFolder refused = new BundleFolder(List.of(automatic(base)), FolderTrust.ofThisUser(), mounts);
        assertThatThrownBy(() -> refused.unpack(Libraries.NAME, libraries, List.of()))
                .isInstanceOf(NativeLibraryException.class)
                .hasMessage(
                        "no folder for the native libraries (1 MB): %s: nothing may be executed there, because it is mounted noexec. Name one that belongs to this user, has that room and allows execution, by -Dzimage.natives=FOLDER or ZIMAGE_NATIVES=FOLDER",
                        base);
        assertThat(base).doesNotExist();
    }

    @Test
    void folderWithoutRoom_isLeftForTheNext() throws IOException {
        BundledFile huge = new BundledFile("huge.jar/libhuge.so", 1L << 60, 0, 0, InputStream::nullInputStream, null);
        assertThatThrownBy(() -> folder(automatic(base)).unpack(Libraries.NAME, libraries, List.of(huge)))
                .hasMessageMatching(".*natives: [0-9]+ MB are free, 1152921504608 MB are needed\\. Name one.*");
        assertThat(file("libfirst.so")).doesNotExist();
    }

    @Test
    void diskThatFillsMeanwhile_isLeftAsItWas() throws IOException {
        List<BundledFile> failing = new ArrayList<>(libraries);
        BundledFile last = failing.get(4);
        failing.set(4, new BundledFile(last.path(), last.size(), last.crc(), last.millis(), () -> full(last), null));
        Path next = base.resolveSibling("next");
        BundleFolder folder = folder(automatic(base));
        assertThatThrownBy(() -> folder.unpack(Libraries.NAME, failing, List.of()))
                .hasMessageContaining(base + ": No space left on device. Name one");
        try (Stream<Path> all = Files.walk(base)) {
            assertThat(all.filter(path -> path.toString().contains("lib"))).isEmpty();
        }
        assertThat(unpack(automatic(next)).path()).startsWith(next);
    }

    private static InputStream full(BundledFile library) throws IOException {
        return new FilterInputStream(library.source().open()) {
            private int reads;

            @Override
            public int read(byte[] bytes, int from, int length) throws IOException {
                if (reads++ > 0) {
                    throw new IOException("No space left on device");
                }
                return super.read(bytes, from, length);
            }
        };
    }

    @Test
    void jarThatIsDamaged_isSaid() {
        BundledFile first = libraries.get(0);
        List<BundledFile> wrong = List.of(
                new BundledFile(first.path(), first.size(), first.crc() ^ 1, first.millis(), first.source(), null));
        assertThatThrownBy(() -> folder(automatic(base)).unpack(Libraries.NAME, wrong, List.of()))
                .hasMessageContaining("%s is damaged in its jar", first.path());
        assertThat(file(first.fileName())).doesNotExist();
    }

    @Test
    void fileWhereAFolderShouldBe_isSaid() throws IOException {
        Files.createDirectories(base.getParent());
        Files.writeString(base, "a file");
        assertThatThrownBy(() -> unpack(automatic(base))).hasMessageContaining(base + " is no folder");
    }

    @Test
    void temporaryFolderThatIsMissing_isNotMade() {
        Path missing = temporary.resolve("missing");
        assertThatThrownBy(() -> unpack(new FolderCandidate(missing.resolve("zimage-natives-0"), false, true)))
                .hasMessageContaining(missing + " does not exist");
        assertThat(missing).doesNotExist();
    }

    @Test
    void folderThatCannotBeWritten_isUsedIfItIsComplete() throws IOException {
        unpack(automatic(base));
        Path own = base.resolve(Libraries.NAME);
        try (Stream<Path> all = Files.walk(own)) {
            for (Path folder : all.filter(Files::isDirectory).toList()) {
                Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("r-xr-xr-x"));
            }
        }
        BundleFolder.Unpacked unpacked = unpack(automatic(base));
        assertWhole(unpacked);
        assertThat(unpacked.writable()).isEqualTo(Files.isWritable(own)); // root may write all the same
        try (Stream<Path> all = Files.walk(own)) {
            for (Path folder : all.filter(Files::isDirectory).toList()) {
                Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx------"));
            }
        }
    }
}
