package io.github.zimage.cuda;

import io.github.zimage.internal.runtime.NativeErrors;
import io.github.zimage.internal.runtime.Operator;
import io.github.zimage.internal.runtime.Tensors;
import io.github.zimage.spi.Attention;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Argument;
import org.bytedeco.pytorch.Dispatcher;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueOptional;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * FlashAttention 3, from the shared library of its own Python package: it registers its operators when it is loaded, and needs no
 * Python for that. The release must be one for CUDA 13 and the stable interface of LibTorch.
 */
final class FlashAttention3 implements Attention {
    static final String NAME = "_flash_3";

    /** The library's path. */
    static final String PATH_PROPERTY = "zimage.flash3.path";

    private static final String OPERATOR = "flash_attn_3::fwd";

    private static @Nullable FlashAttention3 instance;

    private final Operator operator;
    private final List<String> names = new ArrayList<>();
    private final List<@Nullable IValue> defaults = new ArrayList<>();

    private FlashAttention3() {
        operator = Operator.find(OPERATOR, "");
        try (PointerScope scope = new PointerScope()) {
            Argument arguments = Dispatcher.singleton()
                    .findSchemaOrThrow(OPERATOR, "")
                    .schema()
                    .arguments();
            for (long i = 0; i < arguments.limit(); i++) {
                Argument argument = arguments.getPointer(i);
                names.add(argument.name().getString());
                IValueOptional value = argument.default_value();
                defaults.add(value.has_value() ? Tensors.keep(new IValue(value.get())) : null);
            }
        }
    }

    /** Returns whether the property names a library. */
    static boolean isGiven() {
        return System.getProperty(PATH_PROPERTY) != null;
    }

    /**
     * Loads the library that the property names, or returns what was loaded.
     *
     * @throws IllegalArgumentException if the property is missing or wrong
     */
    static synchronized FlashAttention3 load() {
        FlashAttention3 loaded = instance;
        if (loaded == null) {
            loaded = load(System.getProperty(PATH_PROPERTY));
            instance = loaded;
        }
        return loaded;
    }

    /**
     * Loads a library.
     *
     * @param path what the property says, or null if it is missing
     */
    static FlashAttention3 load(@Nullable String path) {
        if (path == null) {
            throw new IllegalArgumentException(
                    "attention %s needs the shared library of FlashAttention 3 (flash_attn_3/_C.abi3.so): pass -D%s=FILE"
                            .formatted(NAME, PATH_PROPERTY));
        }
        Path file = Path.of(path).toAbsolutePath();
        if (!Files.isRegularFile(file)) {
            throw new IllegalArgumentException("%s is not a file: %s".formatted(PATH_PROPERTY, file));
        }
        try {
            System.load(file.toString());
            return new FlashAttention3();
        } catch (UnsatisfiedLinkError | RuntimeException e) {
            throw new IllegalArgumentException(
                    "%s could not be loaded as FlashAttention 3 for LibTorch 2.10 and CUDA 13: %s"
                            .formatted(file, NativeErrors.firstLine(e)),
                    e);
        }
    }

    @Override
    public String name() {
        return NAME;
    }

    /** Its operands are [1, S, H, D]. */
    @Override
    public Tensor attend(Tensor query, Tensor key, Tensor value, boolean causal) {
        Map<String, IValue> given = Map.of(
                "q", operand(query),
                "k", operand(key),
                "v", operand(value),
                "softmax_scale", new IValue(1.0),
                "is_causal", new IValue(causal));
        IValue[] all = new IValue[names.size()];
        for (int i = 0; i < all.length; i++) {
            IValue argument = given.get(names.get(i));
            IValue byDefault = defaults.get(i);
            all[i] = argument != null ? argument : byDefault != null ? byDefault : new IValue();
        }
        return operator.call(all).squeeze(0).transpose(0, 1); // [1, S, H, D] -> [H, S, D]
    }

    private static IValue operand(Tensor heads) {
        return new IValue(heads.transpose(0, 1).unsqueeze(0));
    }
}
