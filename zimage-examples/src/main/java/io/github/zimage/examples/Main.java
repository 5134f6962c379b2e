package io.github.zimage.examples;

/** Starts the {@code zimage} command. */
public final class Main {
    private Main() {}

    /** Prints the version. */
    public static void main(String[] args) {
        System.out.println("zimage " + Main.class.getPackage().getImplementationVersion());
    }
}
