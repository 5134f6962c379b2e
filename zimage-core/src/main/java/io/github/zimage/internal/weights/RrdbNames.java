package io.github.zimage.internal.weights;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The names of an RRDBNet's weights: those of BasicSR, those of ESRGAN of 2019, such as {@code RRDB_trunk.0.RDB1.conv1.weight}, and those before, such as
 * {@code model.1.sub.0.RDB1.conv1.0.weight}, where layers are counted.
 */
final class RrdbNames {
    private static final Pattern COUNTED = Pattern.compile("model\\.(\\d{1,3})\\.(weight|bias)");
    private static final Pattern COUNTED_TRUNK = Pattern.compile("model\\.1\\.sub\\.\\d{1,3}\\.(weight|bias)");
    private static final Pattern COUNTED_DENSE =
            Pattern.compile("model\\.1\\.sub\\.(\\d{1,3})\\.RDB([1-3])\\.conv([1-5])\\.0\\.(weight|bias)");
    private static final Pattern DENSE_2019 =
            Pattern.compile("RRDB_trunk\\.(\\d{1,3})\\.RDB([1-3])\\.conv([1-5])\\.(weight|bias)");
    private static final Pattern OTHER_2019 = Pattern.compile("(trunk_conv|upconv(\\d)|HRconv)\\.(weight|bias)");

    /** Layers behind the first convolution and the trunk, by their numbers: a convolution every third, one every second. */
    private static final int DOUBLING_LAYERS = 3;

    private RrdbNames() {}

    /** Returns BasicSR's name for each name that is known, and each other name for itself. */
    static Map<String, String> modern(Collection<String> names) {
        int last = names.stream()
                .map(COUNTED::matcher)
                .filter(Matcher::matches)
                .mapToInt(each -> Integer.parseInt(each.group(1)))
                .max()
                .orElse(0);
        Map<String, String> modern = new HashMap<>();
        names.forEach(name -> modern.put(name, modern(name, last)));
        return modern;
    }

    private static String modern(String name, int last) {
        Matcher dense = DENSE_2019.matcher(name);
        if (dense.matches()) {
            return dense(dense);
        }
        Matcher counted = COUNTED_DENSE.matcher(name);
        if (counted.matches()) {
            return dense(counted);
        }
        Matcher other = OTHER_2019.matcher(name);
        if (other.matches()) {
            String layer = other.group(2) != null
                    ? "conv_up" + other.group(2)
                    : other.group(1).equals("HRconv") ? "conv_hr" : "conv_body";
            return layer + "." + other.group(3);
        }
        Matcher trunk = COUNTED_TRUNK.matcher(name);
        if (trunk.matches()) {
            return "conv_body." + trunk.group(1);
        }
        Matcher layer = COUNTED.matcher(name);
        return layer.matches() ? counted(Integer.parseInt(layer.group(1)), last) + "." + layer.group(2) : name;
    }

    private static String dense(Matcher name) {
        return "body.%s.rdb%s.conv%s.%s"
                .formatted(Integer.parseInt(name.group(1)), name.group(2), name.group(3), name.group(4));
    }

    private static String counted(int layer, int last) {
        if (layer == 0) {
            return "conv_first";
        }
        if (layer == last) {
            return "conv_last";
        }
        return layer == last - 2
                ? "conv_hr"
                : layer % DOUBLING_LAYERS == 0 ? "conv_up" + layer / DOUBLING_LAYERS : "layer" + layer;
    }
}
