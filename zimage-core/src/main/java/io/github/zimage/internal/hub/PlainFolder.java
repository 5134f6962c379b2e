package io.github.zimage.internal.hub;

import io.github.zimage.internal.io.AtomicFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Objects;

/**
 * A folder with the files themselves. Beside them, in {@code .cache}, there is for each a note of the commit, the digest and the time, as
 * Hugging Face's library writes it, by which a file is known again without reading it.
 */
final class PlainFolder implements Store {
    /** Times of files may be a little off. */
    private static final double TOLERANCE_SECONDS = 1;

    private static final int MOST_NOTE_BYTES = 1000;

    private final Path folder;
    private final Path notes;
    private final String commit;

    /** @param owner whose notes these are, such as {@code huggingface} */
    PlainFolder(Path folder, String owner, String commit) {
        this.folder = folder;
        notes = folder.resolve(".cache").resolve(owner).resolve("download");
        this.commit = commit;
    }

    @Override
    public Path folder() {
        return folder;
    }

    private Path place(HubFile file) {
        return RepositoryPath.below(folder, file.path());
    }

    private Path note(HubFile file, String suffix) {
        return RepositoryPath.below(notes, file.path() + suffix);
    }

    private boolean hasLength(HubFile file) {
        Path place = place(file);
        return Files.isRegularFile(place) && place.toFile().length() == file.bytes();
    }

    @Override
    public boolean has(HubFile file) {
        Path note = note(file, ".metadata");
        if (!hasLength(file) || !Files.isRegularFile(note) || note.toFile().length() > MOST_NOTE_BYTES) {
            return false;
        }
        try {
            List<String> lines = Files.readAllLines(note, StandardCharsets.UTF_8);
            return lines.size() >= 3
                    && lines.get(1).strip().equals(digest(file))
                    && place(file).toFile().lastModified() / 1e3 - TOLERANCE_SECONDS
                            <= Double.parseDouble(lines.get(2).strip());
        } catch (IOException | NumberFormatException e) {
            return false;
        }
    }

    private static String digest(HubFile file) {
        return Objects.requireNonNull(file.digest()).hex();
    }

    @Override
    public boolean adopt(HubFile file) throws IOException {
        if (!hasLength(file) || !FileContent.matches(place(file), file)) {
            return false;
        }
        write(file);
        return true;
    }

    @Override
    public Path partial(HubFile file) {
        return note(file, "." + digest(file).substring(0, 16) + ".zimage.incomplete");
    }

    @Override
    public Path lock(HubFile file) {
        return note(file, ".lock");
    }

    @Override
    public void keep(HubFile file) throws IOException {
        Path place = place(file);
        Files.createDirectories(Objects.requireNonNull(place.getParent()));
        Files.move(partial(file), place, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        write(file);
    }

    private void write(HubFile file) throws IOException {
        Path note = note(file, ".metadata");
        Files.createDirectories(Objects.requireNonNull(note.getParent()));
        Instant now = Instant.now();
        String time = String.format(Locale.ROOT, "%d.%06d", now.getEpochSecond(), now.getNano() / 1000);
        AtomicFile.write(note, (commit + "\n" + digest(file) + "\n" + time + "\n").getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public void publish(List<HubFile> files) {
        // They are where they belong.
    }
}
