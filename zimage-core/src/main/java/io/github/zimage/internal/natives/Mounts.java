package io.github.zimage.internal.natives;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** What Linux says of the file systems that it has mounted. */
final class Mounts {
    private final List<String> lines;

    Mounts(List<String> lines) {
        this.lines = lines;
    }

    /** Returns those of this process; none on other systems. */
    static Mounts ofThisProcess() {
        try {
            return new Mounts(Files.readAllLines(Path.of("/proc/self/mountinfo"), StandardCharsets.ISO_8859_1));
        } catch (IOException e) {
            return new Mounts(List.of());
        }
    }

    /**
     * Returns whether a folder lies on a file system from which nothing may be executed, so that no library can be loaded.
     *
     * @param folder absolute, without links
     */
    boolean noexec(Path folder) {
        int deepest = -1;
        boolean noexec = false;
        for (String line : lines) {
            // 36 35 98:0 /root /mount/point rw,noexec,relatime shared:1 - ext4 /dev/sda1 rw
            String[] fields = line.split(" ", -1);
            if (fields.length < 6) {
                continue;
            }
            Path point = Path.of(unescaped(fields[4]));
            // Of several at one place, the last hides the others.
            if (folder.startsWith(point) && point.getNameCount() >= deepest) {
                deepest = point.getNameCount();
                noexec = Arrays.asList(fields[5].split(",", -1)).contains("noexec");
            }
        }
        return noexec;
    }

    /** Returns a path whose blanks, tabs, line feeds and backslashes are written as three octal digits. */
    private static String unescaped(String path) {
        byte[] bytes = path.getBytes(StandardCharsets.ISO_8859_1);
        byte[] plain = new byte[bytes.length];
        int length = 0;
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] == '\\' && i + 3 < bytes.length) {
                plain[length++] = (byte) Integer.parseInt(path.substring(i + 1, i + 4), 8);
                i += 3;
            } else {
                plain[length++] = bytes[i];
            }
        }
        return new String(plain, 0, length, StandardCharsets.UTF_8);
    }
}
