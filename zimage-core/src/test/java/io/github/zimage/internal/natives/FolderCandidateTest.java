package io.github.zimage.internal.natives;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.NativeLibraryException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;

@DisabledOnOs(OS.WINDOWS)
final class FolderCandidateTest {
    private static Properties properties(String... pairs) {
        Properties properties = new Properties();
        properties.setProperty("os.name", "Linux");
        properties.setProperty("user.home", "/home/a");
        properties.setProperty("java.io.tmpdir", "/tmp");
        for (int i = 0; i < pairs.length; i += 2) {
            properties.setProperty(pairs[i], pairs[i + 1]);
        }
        return properties;
    }

    private static List<String> paths(Map<String, String> environment, Properties properties) {
        return FolderCandidate.of(environment, properties, 1000).stream()
                .map(candidate -> candidate.path().toString())
                .toList();
    }

    @Test
    void order() {
        assertThat(paths(Map.of("XDG_CACHE_HOME", "/x", "HOME", "/home/b"), properties()))
                .containsExactly(
                        "/x/zimage/natives",
                        "/home/a/.cache/zimage/natives",
                        "/home/b/.cache/zimage/natives",
                        "/tmp/zimage-natives-1000",
                        "/var/tmp/zimage-natives-1000");
    }

    // Java says "?" of a user number that the system does not know, as in a container that is run with --user 54321.
    @Test
    void homeThatIsNone_isNotUsed() {
        assertThat(paths(Map.of("HOME", "/data"), properties("user.home", "?")))
                .containsExactly(
                        "/data/.cache/zimage/natives", "/tmp/zimage-natives-1000", "/var/tmp/zimage-natives-1000");
        assertThat(paths(Map.of("HOME", "relative", "XDG_CACHE_HOME", "too"), properties("user.home", "?")))
                .containsExactly("/tmp/zimage-natives-1000", "/var/tmp/zimage-natives-1000");
        assertThat(paths(Map.of(), properties("user.home", "", "java.io.tmpdir", "")))
                .containsExactly("/var/tmp/zimage-natives-1000");
        assertThat(paths(Map.of(), properties("user.home", "/a\0b"))).hasSize(2);
    }

    @Test
    void folderThatIsNamed_isTheOnlyOne() {
        Map<String, String> environment = Map.of("ZIMAGE_NATIVES", "/variable", "XDG_CACHE_HOME", "/x");
        Properties all = properties("zimage.natives", "/property", "org.bytedeco.javacpp.cachedir", "/javacpp");
        assertThat(paths(environment, all)).containsExactly("/property");
        assertThat(paths(environment, properties("org.bytedeco.javacpp.cachedir", "/javacpp")))
                .containsExactly("/variable");
        assertThat(paths(Map.of(), properties("org.bytedeco.javacpp.cachedir", "/javacpp")))
                .containsExactly("/javacpp");
        assertThat(paths(Map.of("ZIMAGE_NATIVES", " "), properties("org.bytedeco.javacpp.cacheDir", "/j/../k")))
                .containsExactly("/k");
        assertThat(FolderCandidate.of(environment, properties(), 1).get(0).named())
                .isTrue();
        assertThat(FolderCandidate.of(Map.of(), properties(), 1)).noneMatch(FolderCandidate::named);
    }

    @Test
    void relativeFolder_isBelowTheWorkingFolder() {
        assertThat(paths(Map.of("ZIMAGE_NATIVES", "natives"), properties()))
                .containsExactly(Path.of("natives").toAbsolutePath().toString());
    }

    // The folder for libraries may be one that is made with an image, and cannot be written.
    @Test
    void data_liesWithTheUsersOtherCaches_whereverLibrariesAre() {
        assertThat(FolderCandidate.ofData(
                        Map.of("ZIMAGE_NATIVES", "/n", "XDG_CACHE_HOME", "/x", "HOME", "/h"),
                        properties("user.home", "?"),
                        1000))
                .extracting(candidate -> candidate.path().toString())
                .containsExactly("/x/zimage", "/h/.cache/zimage", "/tmp/zimage-1000", "/var/tmp/zimage-1000");
        // In places that are no names of files where there is no locale, Java shows question marks or U+FFFD.
        assertThat(FolderCandidate.ofData(Map.of("XDG_CACHE_HOME", "/a\0b"), properties("user.home", "relative"), 1000))
                .allMatch(FolderCandidate::temporary);
    }

    @Test
    void nameThatIsNoFolder_isSaid() {
        assertThatThrownBy(() -> paths(Map.of("ZIMAGE_NATIVES", "a\0b"), properties()))
                .isInstanceOf(NativeLibraryException.class)
                .hasMessageContaining("ZIMAGE_NATIVES: 'a\ufffdb' cannot be a file name here");
    }

    @Test
    void otherSystems() {
        assertThat(paths(Map.of("XDG_CACHE_HOME", "/x"), properties("os.name", "Mac OS X", "user.home", "/Users/a")))
                .containsExactly("/Users/a/Library/Caches/zimage/natives", "/tmp/zimage-natives-1000");
        assertThat(FolderCandidate.of(
                        Map.of("LOCALAPPDATA", "/L"), properties("os.name", "Windows 11", "user.name", "Ä B"), -1))
                .extracting(candidate -> candidate.path().toString())
                .containsExactly("/L/zimage/natives", "/tmp/zimage-natives-__B");
    }
}
