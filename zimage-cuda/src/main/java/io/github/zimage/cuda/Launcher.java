package io.github.zimage.cuda;

import java.util.function.Consumer;

/** Launches kernels. */
interface Launcher {
    /** For cards that have no kernels. */
    Launcher NONE = new Launcher() {
        @Override
        public boolean has(String kernel) {
            return false;
        }

        @Override
        public void launch(String kernel, long gridX, long gridY, Consumer<KernelArguments> fill) {
            throw new IllegalStateException("there is no kernel " + kernel);
        }
    };

    /** Returns whether there is a kernel for the card. */
    boolean has(String kernel);

    /**
     * Launches a kernel.
     *
     * @param fill passes its arguments in order
     */
    void launch(String kernel, long gridX, long gridY, Consumer<KernelArguments> fill);
}
