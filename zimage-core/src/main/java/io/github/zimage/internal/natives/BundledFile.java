package io.github.zimage.internal.natives;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.JarURLConnection;
import java.net.URL;
import java.net.URLConnection;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * A native library, or another file, in a jar.
 *
 * @param path where it belongs below the folder: JAR/ENTRY, as JavaCPP lays out its cache
 * @param size in bytes
 * @param crc CRC-32 of its bytes
 * @param millis its time in the jar, which the unpacked file gets
 * @param source opens it
 * @param twin path of a file of the same bytes, which need not be stored again; or null
 */
public record BundledFile(
        String path,
        long size,
        long crc,
        long millis,
        Source source,
        @Nullable String twin) {
    /** Opens the bytes of a library. */
    public interface Source {
        InputStream open() throws IOException;
    }

    /**
     * Returns the libraries of a folder of a jar, sorted by their paths.
     *
     * @param folder such as {@code org/bytedeco/pytorch/linux-x86_64/}
     * @param known file that lies in the folder if it is there
     * @param wanted chooses by the name of the file
     * @return none if the folder is missing or not in a jar, where nothing has to be unpacked
     */
    public static List<BundledFile> in(ClassLoader loader, String folder, String known, Predicate<String> wanted) {
        URL resource = loader.getResource(folder + known);
        if (resource == null) {
            return List.of();
        }
        try {
            URLConnection connection = resource.openConnection();
            if (!(connection instanceof JarURLConnection inJar)) {
                return List.of();
            }
            return in(inJar.getJarFile(), folder, wanted);
        } catch (IOException e) {
            throw new UncheckedIOException("%s cannot be read".formatted(resource), e);
        }
    }

    private static List<BundledFile> in(JarFile jar, String folder, Predicate<String> wanted) {
        List<BundledFile> found = new ArrayList<>();
        // A jar inside a jar is named OUTER!/FOLDER/INNER.
        String jarName = lastPart(jar.getName().replace('\\', '/'));
        jar.stream().forEach(entry -> {
            String name = entry.getName();
            if (name.startsWith(folder) && isLibrary(name) && wanted.test(name.substring(folder.length()))) {
                found.add(of(jar, jarName, entry));
            }
        });
        found.sort(Comparator.comparing(BundledFile::path));
        return found;
    }

    private static BundledFile of(JarFile jar, String jarName, JarEntry entry) {
        return new BundledFile(
                jarName + "/" + entry.getName(),
                entry.getSize(),
                entry.getCrc(),
                entry.getTime(),
                () -> jar.getInputStream(entry),
                null);
    }

    private static boolean isLibrary(String name) {
        return name.matches(".*\\.(so|dylib|jnilib|dll)(\\.[0-9.]+)?");
    }

    private static String lastPart(String path) {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    /**
     * Returns any file among the resources of a class; one that is in no jar is read for its sum.
     *
     * @param path where it belongs below the folder
     * @throws IOException if it is missing or cannot be read
     */
    public static BundledFile of(Class<?> owner, String resource, String path) throws IOException {
        URL found = owner.getResource(resource);
        if (found == null) {
            throw new FileNotFoundException(path + " is missing from its jar");
        }
        URLConnection connection = found.openConnection();
        if (connection instanceof JarURLConnection inJar) {
            JarFile jar = inJar.getJarFile();
            JarEntry entry = inJar.getJarEntry();
            return new BundledFile(
                    path, entry.getSize(), entry.getCrc(), entry.getTime(), () -> jar.getInputStream(entry), null);
        }
        CRC32 sum = new CRC32();
        byte[] all;
        try (InputStream in = connection.getInputStream()) {
            all = in.readAllBytes();
        }
        sum.update(all);
        return new BundledFile(path, all.length, sum.getValue(), connection.getLastModified(), found::openStream, null);
    }

    /** Returns the name of the file. */
    public String fileName() {
        return lastPart(path);
    }

    /** Returns the same library under another file name in the same folder. */
    public BundledFile as(String fileName) {
        String other = path.substring(0, path.length() - fileName().length()) + fileName;
        return new BundledFile(other, size, crc, millis, source, path);
    }

    /** Returns what tells these libraries from those of other versions: eight hexadecimal digits. */
    public static String key(List<BundledFile> libraries) {
        CRC32 sum = new CRC32();
        for (BundledFile library : libraries) {
            String line = "%s %d %x %d\n".formatted(library.path, library.size, library.crc, library.millis);
            sum.update(line.getBytes(StandardCharsets.UTF_8));
        }
        return "%08x".formatted(sum.getValue());
    }

    /** Returns the bytes that some libraries take. */
    static long bytes(List<BundledFile> libraries) {
        return libraries.stream()
                .filter(library -> library.twin == null)
                .mapToLong(BundledFile::size)
                .sum();
    }
}
