package io.github.zimage.internal.natives;

import io.github.zimage.internal.io.FolderTrust;
import io.github.zimage.internal.system.Mounts;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** A process that unpacks libraries and then uses them: {@code FOLDER JAR}. */
final class UnpackOnce {
    private UnpackOnce() {}

    public static void main(String[] arguments) throws IOException {
        List<BundledFile> libraries = Libraries.in(Path.of(arguments[1]));
        List<FolderCandidate> candidates = List.of(new FolderCandidate(Path.of(arguments[0]), false, false));
        BundleFolder.Unpacked unpacked = new BundleFolder(candidates, FolderTrust.ofThisUser(), new Mounts(List.of()))
                .unpack(Libraries.NAME, libraries, List.of());
        UnpackedFolder folder = new UnpackedFolder(unpacked.path(), FolderTrust.ofThisUser(), false);
        for (BundledFile library : libraries) {
            if (!folder.hasBytesOf(library)) {
                throw new IllegalStateException(library.path());
            }
        }
        System.out.println("whole");
    }
}
