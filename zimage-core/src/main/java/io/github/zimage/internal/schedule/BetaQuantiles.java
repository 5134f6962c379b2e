package io.github.zimage.internal.schedule;

/** Quantiles of a symmetric Beta distribution at 1, 1 - 1/n, …, 1/n, scaled to the indices of a table. */
final class BetaQuantiles {
    private static final int BISECTIONS = 60;
    private static final int TERMS = 300;
    private static final double TINY = 1e-300;
    private static final double CONVERGED = 1e-15;

    private final double[] indices;

    /**
     * Computes them. They are rounded to whole indices unless two of them were the same then.
     *
     * @param shape both parameters of the distribution, below 1
     * @param last the highest index
     */
    BetaQuantiles(double shape, int count, int last) {
        double whole = 2 * integral(shape, 0.5);
        double[] exact = new double[count];
        double[] rounded = new double[count];
        boolean distinct = true;
        for (int i = 0; i < count; i++) {
            exact[i] = last * quantile(shape, whole, 1 - (double) i / count);
            rounded[i] = Math.rint(exact[i]);
            distinct &= i == 0 || rounded[i] < rounded[i - 1];
        }
        indices = distinct ? rounded : exact;
    }

    /** Returns that of step i. */
    double index(int i) {
        return indices[i];
    }

    private static double quantile(double shape, double whole, double probability) {
        if (probability == 0.5) {
            return 0.5; // to the bit: half an index is rounded to the even one
        }
        if (probability > 0.5) {
            return 1 - quantile(shape, whole, 1 - probability);
        }
        double low = 0;
        double high = 0.5;
        for (int i = 0; i < BISECTIONS; i++) {
            double middle = (low + high) / 2;
            if (integral(shape, middle) / whole < probability) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return (low + high) / 2;
    }

    /** The incomplete Beta function for x up to 1/2, by its continued fraction (NIST DLMF 8.17.22), evaluated by Lentz's method. */
    private static double integral(double shape, double x) {
        if (x == 0) {
            return 0;
        }
        double c = 1;
        double d = 1 / nonZero(1 - x * 2 * shape / (shape + 1));
        double fraction = d;
        for (int m = 1; m <= TERMS; m++) {
            double even = m * (shape - m) * x / ((shape + 2 * m - 1) * (shape + 2 * m));
            d = 1 / nonZero(1 + even * d);
            c = nonZero(1 + even / c);
            fraction *= d * c;
            double odd = -(shape + m) * (2 * shape + m) * x / ((shape + 2 * m) * (shape + 2 * m + 1));
            d = 1 / nonZero(1 + odd * d);
            c = nonZero(1 + odd / c);
            fraction *= d * c;
            if (Math.abs(d * c - 1) < CONVERGED) {
                break;
            }
        }
        return Math.pow(x, shape) * Math.pow(1 - x, shape) / shape * fraction;
    }

    private static double nonZero(double value) {
        return Math.abs(value) < TINY ? TINY : value;
    }
}
