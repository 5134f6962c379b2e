package io.github.zimage.internal.torchfile;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.torchfile.Pickled.Dictionary;
import io.github.zimage.internal.torchfile.Pickled.Sequence;
import io.github.zimage.internal.torchfile.Pickled.Storage;
import io.github.zimage.internal.torchfile.Pickled.TensorPart;
import io.github.zimage.internal.torchfile.Pickled.Text;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The tensors of a file that {@code torch.save} wrote: a dictionary of them, or of such dictionaries. The zip files of PyTorch since 1.6 are read, and those
 * before, in which pickles and numbers follow each other. Nothing in them is executed.
 */
public final class TorchFile {
    private static final int MOST_PICKLE = 16 << 20;
    private static final int ZIP_START = 0x04034b50;
    private static final byte PICKLE_START = (byte) 0x80;
    private static final int OLD_PICKLES = 3;

    private final Path file;
    private final Map<String, Map<String, TensorEntry>> groups = new LinkedHashMap<>();

    /** Finds the bytes of a storage, or refuses. */
    private interface Places {
        /**
         * Returns where the first byte lies.
         *
         * @param bytes how many there must be
         */
        long of(Storage storage, long bytes);
    }

    private TorchFile(Path file) {
        this.file = file;
    }

    /**
     * Reads where the tensors of a file lie.
     *
     * @return the tensors by the names of the dictionaries that they are in, the outermost having none
     * @throws ModelLoadException if the file is missing, damaged, or holds more than tensors in dictionaries
     */
    public static Map<String, Map<String, TensorEntry>> read(Path file) {
        ModelFile.size(file);
        TorchFile read = new TorchFile(file);
        try (SeekableByteChannel channel = Files.newByteChannel(file)) {
            read.readFrom(channel);
        } catch (IOException e) {
            throw ModelFile.unreadable(file, e);
        }
        return Collections.unmodifiableMap(read.groups);
    }

    private void readFrom(SeekableByteChannel channel) throws IOException {
        if (channel.size() < Integer.BYTES) {
            throw refused("it is empty");
        }
        ByteBuffer start = ZipDirectory.read(channel, 0, Integer.BYTES);
        if (start.getInt(0) == ZIP_START) {
            readZip(channel);
        } else if (start.get(0) == PICKLE_START) {
            readOld(channel);
        } else {
            throw refused("it begins as none");
        }
    }

    private void readZip(SeekableByteChannel channel) throws IOException {
        Map<String, ZipDirectory.Entry> entries = ZipDirectory.read(file, channel);
        List<String> pickles = entries.keySet().stream()
                .filter(each -> each.endsWith("/data.pkl"))
                .toList();
        ZipDirectory.Entry pickle = pickles.size() == 1 ? entries.get(pickles.get(0)) : null;
        if (pickle == null) {
            throw refused("it must have one data.pkl, but has " + pickles.size());
        }
        String folder = pickles.get(0).substring(0, pickles.get(0).length() - "data.pkl".length());
        ZipDirectory.Entry order = entries.get(folder + "byteorder");
        if (order != null && order.size() == 3) { // "big"
            throw refused("its numbers must be little endian, but are big endian");
        }
        if (pickle.size() > MOST_PICKLE) {
            throw refused("its pickle may have %d bytes, but has %d".formatted(MOST_PICKLE, pickle.size()));
        }
        ByteBuffer bytes = ZipDirectory.read(channel, pickle.offset(), (int) pickle.size());
        collect(TensorPickle.read(ModelFile.name(file), bytes), (storage, needed) -> {
            ZipDirectory.Entry data = entries.get(folder + "data/" + storage.key());
            if (data == null || data.size() < needed) {
                throw refused("the numbers of storage %s are missing".formatted(ModelFile.quote(storage.key())));
            }
            return data.offset();
        });
    }

    /** A number that says what it is, a version, and what the machine was like; then the tensors, the keys of storages, and these. */
    private void readOld(SeekableByteChannel channel) throws IOException {
        ByteBuffer bytes = ZipDirectory.read(channel, 0, (int) Math.min(channel.size(), MOST_PICKLE));
        String name = ModelFile.name(file);
        for (int i = 0; i < OLD_PICKLES; i++) {
            TensorPickle.read(name, bytes);
        }
        Pickled content = TensorPickle.read(name, bytes);
        if (!(TensorPickle.read(name, bytes) instanceof Sequence keys)) {
            throw refused("the list of its storages is missing");
        }
        Map<String, Storage> storages = new HashMap<>();
        parts(content)
                .forEach((group, parts) -> parts.values()
                        .forEach(part -> storages.put(part.storage().key(), part.storage())));
        Map<String, Long> places = new HashMap<>();
        long at = bytes.position();
        for (Pickled each : keys.values()) {
            if (!(each instanceof Text key) || at > channel.size() - Long.BYTES) {
                throw refused("its storages are cut short");
            }
            long elements = ZipDirectory.read(channel, at, Long.BYTES).getLong(0);
            Storage storage = storages.get(key.value());
            if (storage == null || storage.elements() != elements) {
                throw refused("storage %s is not what its tensors say".formatted(ModelFile.quote(key.value())));
            }
            places.put(key.value(), at + Long.BYTES);
            at += Long.BYTES + bytes(storage.type(), List.of(elements));
        }
        long size = channel.size();
        collect(content, (storage, needed) -> {
            Long place = places.get(storage.key());
            if (place == null || place > size - needed) {
                throw refused("the numbers of storage %s are missing".formatted(ModelFile.quote(storage.key())));
            }
            return place;
        });
    }

    private void collect(Pickled content, Places places) {
        parts(content).forEach((group, parts) -> {
            Map<String, TensorEntry> entries = new LinkedHashMap<>();
            parts.forEach((name, part) -> entries.put(name, entry(name, part, places)));
            groups.put(group, Collections.unmodifiableMap(entries));
        });
    }

    private Map<String, Map<String, TensorPart>> parts(Pickled content) {
        if (!(content instanceof Dictionary outermost)) {
            throw refused("it must hold a dictionary of tensors");
        }
        Map<String, Map<String, TensorPart>> parts = new LinkedHashMap<>();
        parts.put("", tensors(outermost));
        outermost.values().forEach((name, value) -> {
            if (value instanceof Dictionary inner) {
                parts.put(name, tensors(inner));
            }
        });
        return parts;
    }

    private static Map<String, TensorPart> tensors(Dictionary dictionary) {
        Map<String, TensorPart> tensors = new LinkedHashMap<>();
        dictionary.values().forEach((name, value) -> {
            if (value instanceof TensorPart part) {
                tensors.put(name, part);
            }
        });
        return tensors;
    }

    private TensorEntry entry(String name, TensorPart part, Places places) {
        StorageType type = part.storage().type();
        requireDense(name, part);
        long size = bytes(type, part.shape());
        long offset = bytes(type, List.of(part.offset()));
        long end = Math.addExact(offset, size);
        if (part.offset() < 0 || end > bytes(type, List.of(part.storage().elements()))) {
            throw refused("tensor %s is larger than its storage".formatted(ModelFile.quote(name)));
        }
        return new TensorEntry(name, type, part.shape(), file, places.of(part.storage(), end) + offset, size);
    }

    /** Only numbers that lie row by row can be taken as they are. */
    private void requireDense(String name, TensorPart part) {
        long dense = 1;
        for (int i = part.shape().size() - 1; i >= 0; i--) {
            if (part.shape().get(i) != 1 && part.strides().get(i) != dense) {
                throw refused("tensor %s must lie row by row, but has strides %s: save it after contiguous()"
                        .formatted(ModelFile.quote(name), ModelFile.shown(part.strides())));
            }
            dense *= Math.max(1, part.shape().get(i));
        }
    }

    private long bytes(StorageType type, List<Long> shape) {
        try {
            return type.bytes(shape);
        } catch (ArithmeticException e) {
            throw refused("a shape of its tensors has too many numbers: " + ModelFile.shown(shape));
        }
    }

    private ModelLoadException refused(String reason) {
        return new ModelLoadException(ModelFile.name(file) + ": is no sound PyTorch file: " + reason);
    }
}
