package io.github.zimage.internal.natives;

import java.io.IOException;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import java.util.Random;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** A jar with files that could be libraries. */
final class Libraries {
    static final String FOLDER = "native/some-platform/";
    static final String NAME = "some-1.0";
    private static final List<String> NAMES =
            List.of("libfirst.so", "libsecond.so.0", "libthird.so.1.2", "libfourth.dylib", "libfifth.so");

    private Libraries() {}

    static Path jar(Path file, int bytesEach) throws IOException {
        Random random = new Random(1);
        try (OutputStream out = Files.newOutputStream(file);
                ZipOutputStream zip = new ZipOutputStream(out)) {
            for (String name : NAMES) {
                byte[] bytes = new byte[bytesEach];
                random.nextBytes(bytes);
                add(zip, FOLDER + name, bytes);
            }
            add(zip, FOLDER + "header.h", new byte[1]);
            add(zip, FOLDER + "below/libdeep.so", new byte[1]);
        }
        return file;
    }

    private static void add(ZipOutputStream zip, String name, byte[] bytes) throws IOException {
        ZipEntry entry = new ZipEntry(name);
        entry.setLastModifiedTime(FileTime.from(Instant.parse("2026-02-20T00:31:42Z")));
        zip.putNextEntry(entry);
        zip.write(bytes);
        zip.closeEntry();
    }

    static List<BundledFile> in(Path jar) throws IOException {
        URL[] urls = {jar.toUri().toURL()};
        try (URLClassLoader loader = new URLClassLoader(urls, null)) {
            List<BundledFile> found = BundledFile.in(loader, FOLDER, "libfirst.so", name -> !name.contains("/"));
            BundledFile first = found.stream()
                    .filter(library -> library.fileName().equals("libfirst.so"))
                    .findFirst()
                    .orElseThrow();
            return java.util.stream.Stream.concat(found.stream(), java.util.stream.Stream.of(first.as("libtwin.so")))
                    .toList();
        }
    }
}
