package io.github.zimage.internal.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

final class FileNamesTest {
    // NUL is in no name of any system, so that this runs in every locale.
    @Test
    void whatCannotBeAName_isSaidWithItsOrigin() {
        assertThat(FileNames.parse("ZIMAGE_MODEL", "a/b")).isEqualTo(Path.of("a/b"));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> FileNames.parse("ZIMAGE_MODEL", "a\0b"))
                .withMessage("ZIMAGE_MODEL: 'a\ufffdb' cannot be a file name here");
        assertThat(FileNames.problem("/模型")).endsWith("as no locale with UTF-8 is set (try LC_ALL=C.UTF-8)");
        assertThat(FileNames.problem("x".repeat(1000))).hasSizeLessThan(150);
    }

    @Test
    void isAbsolute_ofWhatIsNoName_isFalse() {
        assertThat(FileNames.isAbsolute(Path.of("a").toAbsolutePath().toString()))
                .isTrue();
        assertThat(FileNames.isAbsolute("a")).isFalse();
        assertThat(FileNames.isAbsolute("")).isFalse();
        assertThat(FileNames.isAbsolute("/a\0b")).isFalse();
    }
}
