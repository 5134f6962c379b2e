package io.github.zimage.internal.runtime;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.jspecify.annotations.Nullable;

/**
 * The environment that native code sees. Java has none of it: {@link System#getenv} keeps what the process was started with. This is
 * the same list of {@code NAME=value} that {@code getenv} of the C library walks through; it is replaced by another one as a whole,
 * and neither the old one nor any of its texts is ever freed, so that whoever reads it meanwhile finds one or the other.
 */
final class ProcessEnvironment {
    private static final String LIST = "environ";

    private ProcessEnvironment() {}

    /**
     * Changes variables, for libraries that are loaded afterwards. JavaCPP's own library must be there.
     *
     * @param changes values by name; null takes a variable away
     * @return whether the system lets us
     */
    static boolean change(Map<String, @Nullable String> changes) {
        Pointer address = Loader.addressof(LIST);
        if (address == null || address.isNull()) {
            return false;
        }
        PointerPointer<Pointer> variable = new PointerPointer<>(address);
        Pointer before = variable.get(0);
        List<Pointer> entries = new ArrayList<>();
        if (before != null && !before.isNull()) {
            PointerPointer<Pointer> list = new PointerPointer<>(before);
            for (long i = 0; list.get(i) != null; i++) {
                Pointer entry = list.get(i);
                if (!changes.containsKey(name(list.getString(i)))) {
                    entries.add(entry);
                }
            }
        }
        changes.forEach((name, value) -> {
            if (value != null) {
                entries.add(text(name + "=" + value));
            }
        });
        variable.put(0, list(entries));
        return true;
    }

    private static String name(String entry) {
        int end = entry.indexOf('=');
        return end < 0 ? entry : entry.substring(0, end);
    }

    /** Returns a text that is never freed. */
    private static Pointer text(String text) {
        byte[] bytes = (text + "\0").getBytes(StandardCharsets.UTF_8);
        Pointer memory = Pointer.malloc(bytes.length);
        memory.capacity(bytes.length).asByteBuffer().put(bytes);
        return memory;
    }

    /** Returns a list with a null at its end that is never freed. */
    private static PointerPointer<Pointer> list(List<Pointer> entries) {
        int size = Loader.sizeof(Pointer.class);
        PointerPointer<Pointer> list = new PointerPointer<>(Pointer.calloc(entries.size() + 1L, size));
        for (int i = 0; i < entries.size(); i++) {
            list.put(i, entries.get(i));
        }
        return list;
    }
}
