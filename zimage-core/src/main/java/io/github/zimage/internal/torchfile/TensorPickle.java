package io.github.zimage.internal.torchfile;

import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.torchfile.Pickled.Dictionary;
import io.github.zimage.internal.torchfile.Pickled.Known;
import io.github.zimage.internal.torchfile.Pickled.Other;
import io.github.zimage.internal.torchfile.Pickled.Sequence;
import io.github.zimage.internal.torchfile.Pickled.Storage;
import io.github.zimage.internal.torchfile.Pickled.StorageClass;
import io.github.zimage.internal.torchfile.Pickled.TensorPart;
import io.github.zimage.internal.torchfile.Pickled.Text;
import io.github.zimage.internal.torchfile.Pickled.Whole;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Reads what {@code torch.save} writes of dictionaries of tensors, in Python's pickle format, protocol 2. It builds dictionaries, lists, texts, whole
 * numbers and descriptions of tensors, and never calls anything: whatever else a pickle asks for is refused by its name.
 */
final class TensorPickle {
    private static final int MOST_VALUES = 1_000_000;

    private static final Map<String, Pickled> GLOBALS = new HashMap<>();

    static {
        GLOBALS.put("collections OrderedDict", Known.ORDERED_DICT);
        GLOBALS.put("torch._utils _rebuild_tensor_v2", Known.REBUILD_TENSOR);
        GLOBALS.put("torch._utils _rebuild_parameter", Known.REBUILD_PARAMETER);
        GLOBALS.put("torch FloatStorage", new StorageClass(StorageType.F32));
        GLOBALS.put("torch HalfStorage", new StorageClass(StorageType.F16));
        GLOBALS.put("torch BFloat16Storage", new StorageClass(StorageType.BF16));
        GLOBALS.put("torch DoubleStorage", new StorageClass(StorageType.F64));
        GLOBALS.put("torch LongStorage", new StorageClass(StorageType.I64));
        GLOBALS.put("torch IntStorage", new StorageClass(StorageType.I32));
        GLOBALS.put("torch ShortStorage", new StorageClass(StorageType.I16));
        GLOBALS.put("torch CharStorage", new StorageClass(StorageType.I8));
        GLOBALS.put("torch ByteStorage", new StorageClass(StorageType.U8));
        GLOBALS.put("torch BoolStorage", new StorageClass(StorageType.BOOL));
    }

    private final String file;
    private final ByteBuffer bytes;
    private final List<Pickled> stack = new ArrayList<>();
    private final Deque<Integer> marks = new ArrayDeque<>();
    private final Map<Integer, Pickled> memo = new HashMap<>();
    private int values;

    private TensorPickle(String file, ByteBuffer bytes) {
        this.file = file;
        this.bytes = bytes;
    }

    /**
     * Reads one pickle and leaves the buffer behind it.
     *
     * @param file what messages call the file
     * @param bytes little endian
     * @throws ModelLoadException if it is damaged or holds more than tensors
     */
    static Pickled read(String file, ByteBuffer bytes) {
        TensorPickle pickle = new TensorPickle(file, bytes);
        try {
            return pickle.run();
        } catch (BufferUnderflowException e) {
            throw pickle.refused("its pickle is cut short");
        }
    }

    private Pickled run() {
        while (true) {
            int at = bytes.position();
            char code = (char) (bytes.get() & 0xff);
            if (code == '.') {
                return pop();
            }
            if (!takesValue(code) && !takesContainer(code)) {
                throw refused(
                        "its pickle needs operation 0x%02x at byte %d, which is more than tensors: load it in Python, and save its state_dict as safetensors"
                                .formatted((int) code, at));
            }
        }
    }

    /** Operations that put a value of their own onto the stack, or keep it. */
    private boolean takesValue(char code) {
        switch (code) {
            case 0x80 -> requireProtocol(bytes.get());
            case 'N', 'G' -> push(other(code));
            case 0x88 -> push(new Whole(1));
            case 0x89 -> push(new Whole(0));
            case 'K' -> push(new Whole(bytes.get() & 0xff));
            case 'M' -> push(new Whole(Short.toUnsignedInt(bytes.getShort())));
            case 'J' -> push(new Whole(bytes.getInt()));
            case 0x8a -> push(new Whole(whole(bytes.get() & 0xff)));
            case 'X' -> push(new Text(text(bytes.getInt(), StandardCharsets.UTF_8)));
            case 'U' -> push(new Text(text(bytes.get() & 0xff, StandardCharsets.ISO_8859_1)));
            case 'T' -> push(new Text(text(bytes.getInt(), StandardCharsets.ISO_8859_1)));
            case 'c' -> push(global(line() + " " + line()));
            case 'q' -> keep(bytes.get() & 0xff);
            case 'r' -> keep(bytes.getInt());
            case 'h' -> push(kept(bytes.get() & 0xff));
            case 'j' -> push(kept(bytes.getInt()));
            default -> {
                return false;
            }
        }
        return true;
    }

    /** Operations that put values together. */
    private boolean takesContainer(char code) {
        switch (code) {
            case '(' -> mark();
            case '}' -> push(new Dictionary());
            case ']', ')' -> push(new Sequence());
            case 't' -> push(new Sequence(popToMark()));
            case 0x85 -> push(new Sequence(popLast(1)));
            case 0x86 -> push(new Sequence(popLast(2)));
            case 0x87 -> push(new Sequence(popLast(3)));
            case 'a' -> append(popLast(1));
            case 'e' -> append(popToMark());
            case 's' -> put(popLast(2));
            case 'u' -> put(popToMark());
            case 'Q' -> push(storage(pop()));
            case 'R' -> reduce();
            case 'b' -> pop(); // attributes of a dictionary
            default -> {
                return false;
            }
        }
        return true;
    }

    private void requireProtocol(byte protocol) {
        if (protocol != 2) {
            throw refused("its pickle must be of protocol 2, but is of " + protocol);
        }
    }

    private Pickled other(char code) {
        if (code == 'G') {
            bytes.getDouble();
        }
        return new Other();
    }

    private long whole(int count) {
        if (count > Long.BYTES) {
            // Old files begin with a number of 80 bits.
            text(count, StandardCharsets.ISO_8859_1);
            return Long.MIN_VALUE;
        }
        long value = 0;
        for (int i = 0; i < count; i++) {
            value |= (bytes.get() & 0xffL) << (Byte.SIZE * i);
        }
        int unused = Long.SIZE - Byte.SIZE * count;
        return count == 0 ? 0 : value << unused >> unused;
    }

    private String text(int count, Charset charset) {
        if (count < 0 || count > bytes.remaining()) {
            throw new BufferUnderflowException();
        }
        byte[] text = new byte[count];
        bytes.get(text);
        return new String(text, charset);
    }

    private String line() {
        StringBuilder line = new StringBuilder();
        for (char next = (char) (bytes.get() & 0xff); next != '\n'; next = (char) (bytes.get() & 0xff)) {
            line.append(next);
        }
        return line.toString();
    }

    private Pickled global(String name) {
        return Optional.ofNullable(GLOBALS.get(name))
                .orElseThrow(() -> refused(
                        "its pickle needs %s, which is more than tensors: load it in Python, if you trust it, and save its state_dict as safetensors"
                                .formatted(ModelFile.quote(name.replace(' ', '.')))));
    }

    private void push(Pickled value) {
        if (++values > MOST_VALUES) {
            throw refused("its pickle has more than %d values".formatted(MOST_VALUES));
        }
        stack.add(value);
    }

    private void mark() {
        values++;
        marks.push(stack.size());
    }

    private Pickled pop() {
        return popLast(1).get(0);
    }

    private List<Pickled> popLast(int count) {
        int bottom = marks.isEmpty() ? 0 : marks.peek();
        if (stack.size() - count < bottom) {
            throw refused("its pickle takes a value that is not there");
        }
        return cut(stack.size() - count);
    }

    private List<Pickled> popToMark() {
        Integer from = marks.poll();
        if (from == null) {
            throw refused("its pickle takes values to a mark that is not there");
        }
        return cut(from);
    }

    private List<Pickled> cut(int from) {
        List<Pickled> top = stack.subList(from, stack.size());
        List<Pickled> taken = new ArrayList<>(top);
        top.clear();
        return taken;
    }

    private Pickled top() {
        Pickled top = pop();
        stack.add(top);
        return top;
    }

    private void keep(int index) {
        if (memo.size() >= MOST_VALUES) {
            throw refused("its pickle has more than %d values".formatted(MOST_VALUES));
        }
        memo.put(index, top());
    }

    private Pickled kept(int index) {
        Pickled value = memo.get(index);
        if (value == null) {
            throw refused("its pickle takes value %d, which is not there".formatted(index));
        }
        return value;
    }

    private void append(List<Pickled> more) {
        if (!(top() instanceof Sequence list)) {
            throw refused("its pickle appends to what is no list");
        }
        list.values().addAll(more);
    }

    private void put(List<Pickled> pairs) {
        if (!(top() instanceof Dictionary dictionary) || pairs.size() % 2 != 0) {
            throw refused("its pickle puts pairs into what is no dictionary");
        }
        for (int i = 0; i < pairs.size(); i += 2) {
            dictionary.values().put(key(pairs.get(i)), pairs.get(i + 1));
        }
    }

    private String key(Pickled value) {
        if (value instanceof Text text) {
            return text.value();
        }
        if (value instanceof Whole whole) {
            return Long.toString(whole.value());
        }
        throw refused("keys of its dictionaries must be texts or whole numbers");
    }

    /** {@code ("storage", class, key, device, elements)}, and in old files what it is a view of. */
    private Storage storage(Pickled id) {
        if (id instanceof Sequence parts
                && parts.values().size() >= 5
                && parts.values().get(1) instanceof StorageClass type
                && parts.values().get(2) instanceof Text key
                && parts.values().get(4) instanceof Whole elements
                && elements.value() >= 0
                && (parts.values().size() == 5 || parts.values().get(5) instanceof Other)) {
            return new Storage(key.value(), type.type(), elements.value());
        }
        throw refused("its pickle names a storage that is none");
    }

    private void reduce() {
        List<Pickled> call = popLast(2);
        Pickled made = call.get(1) instanceof Sequence arguments ? made(call.get(0), arguments.values()) : null;
        if (made == null) {
            throw refused("its pickle calls what makes no tensor");
        }
        push(made);
    }

    private @Nullable Pickled made(Pickled function, List<Pickled> arguments) {
        if (function == Known.ORDERED_DICT && arguments.isEmpty()) {
            return new Dictionary();
        }
        if (function == Known.REBUILD_PARAMETER
                && !arguments.isEmpty()
                && arguments.get(0) instanceof TensorPart part) {
            return part;
        }
        if (function == Known.REBUILD_TENSOR
                && arguments.size() >= 4
                && arguments.get(0) instanceof Storage storage
                && arguments.get(1) instanceof Whole offset
                && arguments.get(2) instanceof Sequence shape
                && arguments.get(3) instanceof Sequence strides
                && shape.values().size() == strides.values().size()) {
            return new TensorPart(storage, offset.value(), numbers(shape), numbers(strides));
        }
        return null;
    }

    private List<Long> numbers(Sequence sequence) {
        List<Long> numbers = new ArrayList<>();
        for (Pickled each : sequence.values()) {
            if (!(each instanceof Whole whole) || whole.value() < 0) {
                throw refused("shapes of its tensors must be whole numbers, none of them negative");
            }
            numbers.add(whole.value());
        }
        return numbers;
    }

    private ModelLoadException refused(String reason) {
        return new ModelLoadException(file + ": is no PyTorch file of tensors: " + reason);
    }
}
