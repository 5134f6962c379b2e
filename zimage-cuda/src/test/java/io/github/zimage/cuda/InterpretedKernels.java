package io.github.zimage.cuda;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;

/** Does on the processor what the kernels' descriptions say, with the arguments that a launch would pass. */
final class InterpretedKernels implements Launcher {
    final List<String> launched = new ArrayList<>();
    private final KernelManifest manifest = new KernelManifest();

    @Override
    public boolean has(String kernel) {
        return manifest.kernels().containsKey(kernel)
                && (kernel.endsWith("norm_scale_quantise_int8")
                        || (!kernel.contains("quantise") && !kernel.startsWith("rescale")));
    }

    @Override
    public void launch(String name, long gridX, long gridY, Consumer<KernelArguments> fill) {
        launched.add(name);
        Kernel kernel = manifest.kernels().get(name);
        KernelArguments filled = new KernelArguments(kernel);
        fill.accept(filled);
        Arguments a = new Arguments(filled.complete());
        switch (name) {
            case "norm_scale" -> {
                int dim = a.integer(3);
                for (long row = 0; row < gridX; row++) {
                    for (int i = 0; i < dim; i++) {
                        a.bf16(2, row * dim + i, a.rms(0, row, dim, i, a.real(4)) * a.fp32(1, i));
                    }
                }
            }
            case "norm_scale_quantise_int8" -> {
                for (long row = 0; row < gridX; row++) {
                    a.int8(2, 3, row, a.integer(4), normed(a, row, a.integer(4), a.real(5), 1));
                }
            }
            case "add_norm_scale", "add_norm_scale_norm_scale", "add_norm_scale_norm_scale_quantise_int8" -> {
                boolean next = name.contains("norm_scale_norm_scale");
                boolean int8 = name.endsWith("int8");
                int dim = a.integer(int8 ? 6 : next ? 5 : 3);
                double eps = a.real(int8 ? 7 : next ? 6 : 4);
                for (long row = 0; row < gridX; row++) {
                    double squares = 0;
                    for (int i = 0; i < dim; i++) {
                        squares += Math.pow(a.bf16(1, row * dim + i), 2);
                    }
                    double factor = 1 / Math.sqrt(squares / dim + eps);
                    for (int i = 0; i < dim; i++) {
                        a.fp32(
                                0,
                                row * dim + i,
                                a.fp32(0, row * dim + i) + a.bf16(1, row * dim + i) * factor * a.fp32(2, i));
                    }
                    double[] normed = next ? normed(a, row, dim, eps, 3) : new double[0];
                    if (int8) {
                        a.int8(4, 5, row, dim, normed);
                    }
                    for (int i = 0; next && !int8 && i < dim; i++) {
                        a.bf16(4, row * dim + i, normed[i]);
                    }
                }
            }
            case "qk_norm_rope_added_32", "qk_norm_rope_added_64" -> {
                int dim = a.integer(7);
                for (long row = 0; row < a.integer(6); row++) {
                    for (long head = 0; head < gridY; head++) {
                        double[] y = new double[dim];
                        double squares = 0;
                        for (int i = 0; i < dim; i++) {
                            long column = head * dim + i;
                            y[i] = a.bf16(0, row * a.integer(8) + column)
                                    + a.product(1, row * a.integer(9), 2, column, a.integer(10));
                            squares += y[i] * y[i];
                        }
                        double factor = 1 / Math.sqrt(squares / dim + a.real(13));
                        long to = row * a.integer(11) + head * a.integer(12);
                        for (int i = 0; i < dim; i += 2) {
                            double even = y[i] * factor * a.fp32(3, i);
                            double odd = y[i + 1] * factor * a.fp32(3, i + 1);
                            double cosine = a.fp32(4, row * dim + i);
                            double sine = a.fp32(4, row * dim + i + 1);
                            a.bf16(5, to + i, even * cosine - odd * sine);
                            a.bf16(5, to + i + 1, even * sine + odd * cosine);
                        }
                    }
                }
                if (gridX != (a.integer(6) + 63) / 64) {
                    throw new AssertionError("grid " + gridX);
                }
            }
            case "swiglu_added_32", "swiglu_added_64" -> {
                int dim = a.integer(10);
                for (long row = 0; row < a.integer(9) && row < gridX * 64; row++) {
                    for (int i = 0; i < dim && i < gridY * 64; i++) {
                        long at = row * a.integer(11) + i;
                        long inner = row * a.integer(12);
                        double gate = a.bf16(0, at) + a.product(2, inner, 3, i, a.integer(4));
                        double up = a.bf16(1, at) + a.product(5, inner, 6, i, a.integer(7));
                        a.bf16(8, row * dim + i, gate / (1 + Math.exp(-gate)) * up);
                    }
                }
            }
            case "qk_norm_rope" -> {
                int heads = a.integer(5);
                int dim = a.integer(6);
                for (int head = 0; head < a.integer(4); head++) {
                    long row = head / heads;
                    long from = row * a.integer(7) + (long) (head % heads) * dim;
                    long to = row * a.integer(8) + (long) (head % heads) * a.integer(9);
                    double squares = 0;
                    for (int i = 0; i < dim; i++) {
                        squares += Math.pow(a.bf16(0, from + i), 2);
                    }
                    double factor = 1 / Math.sqrt(squares / dim + a.real(10));
                    for (int i = 0; i < dim; i += 2) {
                        double even = a.bf16(0, from + i) * factor * a.fp32(1, i);
                        double odd = a.bf16(0, from + i + 1) * factor * a.fp32(1, i + 1);
                        double cosine = a.fp32(2, row * dim + i);
                        double sine = a.fp32(2, row * dim + i + 1);
                        a.bf16(3, to + i, even * cosine - odd * sine);
                        a.bf16(3, to + i + 1, even * sine + odd * cosine);
                    }
                }
                if (gridX != (a.integer(4) + 31) / 32) {
                    throw new AssertionError("grid " + gridX);
                }
            }
            case "swiglu" -> {
                int dim = a.integer(3);
                for (long row = 0; row < gridX; row++) {
                    for (int i = 0; i < dim && i < gridY * 2048; i++) {
                        double gate = a.bf16(0, row * a.integer(4) + i);
                        a.bf16(2, row * dim + i, gate / (1 + Math.exp(-gate)) * a.bf16(1, row * a.integer(4) + i));
                    }
                }
            }
            default -> groups(name, a, gridX);
        }
    }

    private static double[] normed(Arguments a, long row, int dim, double eps, int scale) {
        double[] normed = new double[dim];
        for (int i = 0; i < dim; i++) {
            normed[i] = a.rms(0, row, dim, i, eps) * a.fp32(scale, i);
        }
        return normed;
    }

    private static void groups(String name, Arguments a, long gridX) {
        if (name.equals("group_merge")) {
            int blocks = a.integer(4);
            for (int group = 0; group < 32; group++) {
                double total = 0;
                double mean = 0;
                double squares = 0;
                for (int block = 0; block < blocks; block++) {
                    double count = (double) Math.min(a.integer(2) - block * a.integer(5), a.integer(5)) * a.integer(6);
                    double step = a.fp32(0, block * 64L + group) - mean;
                    squares += a.fp32(0, block * 64L + 32 + group) + step * step * total * count / (total + count);
                    mean += step * count / (total + count);
                    total += count;
                }
                a.fp32(1, group, mean);
                a.fp32(1, 32 + group, 1 / Math.sqrt(squares / total + a.real(3)));
            }
            return;
        }
        int channels = Integer.parseInt(name.substring(name.lastIndexOf('_') + 1));
        int block = 8192 / channels;
        int width = channels / 32;
        int pixels = a.integer(name.startsWith("group_statistics") ? 2 : 5);
        for (int first = 0, b = 0; b < gridX; first += block, b++) {
            int end = Math.min(pixels, first + block);
            for (int channel = 0; channel < channels; channel++) {
                int group = channel / width;
                if (name.startsWith("group_statistics")) {
                    double sum = 0;
                    double squares = 0;
                    for (int p = first; p < end; p++) {
                        for (int c = group * width; c < (group + 1) * width; c++) {
                            sum += a.bf16(0, (long) p * channels + c);
                            squares += Math.pow(a.bf16(0, (long) p * channels + c), 2);
                        }
                    }
                    int count = (end - first) * width;
                    a.fp32(1, b * 64L + group, sum / count);
                    a.fp32(1, b * 64L + 32 + group, squares - sum * sum / count);
                    continue;
                }
                for (int p = first; p < end; p++) {
                    double y = (a.bf16(0, (long) p * channels + channel) - a.fp32(1, group))
                                    * a.fp32(1, 32 + group)
                                    * a.fp32(2, channel)
                            + a.fp32(3, channel);
                    double result = name.contains("silu") ? y / (1 + Math.exp(-y)) : y;
                    if (name.contains("fp32")) {
                        a.fp32(4, (long) p * channels + channel, result);
                    } else {
                        a.bf16(4, (long) p * channels + channel, result);
                    }
                }
            }
        }
    }

    /** The arguments of a launch, and what they point to. */
    private record Arguments(ByteBuffer values) {
        int integer(int argument) {
            return values.getInt(argument * KernelArguments.STRIDE);
        }

        double real(int argument) {
            return values.getFloat(argument * KernelArguments.STRIDE);
        }

        private Pointer memory(int argument) {
            return new Pointer() {
                {
                    address = values.getLong(argument * KernelArguments.STRIDE);
                }
            };
        }

        double fp32(int argument, long element) {
            return new FloatPointer(memory(argument)).get(element);
        }

        void fp32(int argument, long element, double value) {
            new FloatPointer(memory(argument)).put(element, (float) value);
        }

        double bf16(int argument, long element) {
            return Float.intBitsToFloat(new ShortPointer(memory(argument)).get(element) << 16);
        }

        void bf16(int argument, long element, double value) {
            int bits = Float.floatToRawIntBits((float) value);
            new ShortPointer(memory(argument)).put(element, (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16));
        }

        /** Rounds a row of numbers to integers, the largest of which is 127. */
        void int8(int argument, int units, long row, int dim, double[] numbers) {
            double unit = Arrays.stream(numbers).map(Math::abs).max().orElseThrow() / 127;
            for (int i = 0; i < dim; i++) {
                new BytePointer(memory(argument)).put(row * dim + i, (byte) Math.rint(numbers[i] / unit));
            }
            fp32(units, row, unit);
        }

        /** Returns a number of a product of two narrow matrices. */
        double product(int inner, long from, int up, long column, int ranks) {
            double sum = 0;
            for (int rank = 0; rank < ranks; rank++) {
                sum += bf16(inner, from + rank) * bf16(up, column * ranks + rank);
            }
            return sum;
        }

        double rms(int argument, long row, int dim, int i, double eps) {
            double squares = 0;
            for (int j = 0; j < dim; j++) {
                squares += Math.pow(fp32(argument, row * dim + j), 2);
            }
            return fp32(argument, row * dim + i) / Math.sqrt(squares / dim + eps);
        }
    }
}
