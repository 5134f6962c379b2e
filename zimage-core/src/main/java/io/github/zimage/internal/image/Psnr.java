package io.github.zimage.internal.image;

/** Peak signal-to-noise ratio of pictures with 8 bits a channel: {@code 10 log10(255² / MSE)} decibels. */
public final class Psnr {
    private static final double PEAK = 255;

    private Psnr() {}

    /**
     * Returns the mean of the squared differences of all channels.
     *
     * @param one RGB bytes
     * @param other as many
     */
    public static double meanSquaredError(byte[] one, byte[] other) {
        if (one.length != other.length) {
            throw new IllegalArgumentException(
                    "pictures must have one size, but had %d and %d bytes".formatted(one.length, other.length));
        }
        double sum = 0;
        for (int i = 0; i < one.length; i++) {
            double difference = (one[i] & 0xff) - (other[i] & 0xff);
            sum += difference * difference;
        }
        return sum / one.length;
    }

    /** Returns the ratio of two pictures in decibels, infinite if they are the same. */
    public static double decibels(byte[] one, byte[] other) {
        return decibels(meanSquaredError(one, other));
    }

    /** Returns the ratio for a mean squared error in decibels, infinite for none. */
    public static double decibels(double meanSquaredError) {
        return 10 * Math.log10(PEAK * PEAK / meanSquaredError);
    }
}
