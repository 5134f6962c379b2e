import org.jspecify.annotations.NullMarked;

/** Z-Image for the JVM: text in, picture out. */
@NullMarked
@SuppressWarnings({"requires-automatic", "module"}) // the modules that see more are built after this one
module io.github.zimage.core {
    requires transitive java.desktop;
    requires transitive org.bytedeco.pytorch;
    requires ai.djl.tokenizers;
    requires com.fasterxml.jackson.databind;
    requires java.net.http;
    requires jdk.jfr;
    requires jdk.unsupported;
    requires org.slf4j;
    requires static transitive org.jspecify;
    requires static transitive com.google.errorprone.annotations;

    exports io.github.zimage;
    exports io.github.zimage.control;
    exports io.github.zimage.hub;
    exports io.github.zimage.placement;
    exports io.github.zimage.prompt;
    exports io.github.zimage.spi;
    exports io.github.zimage.tuning;
    exports io.github.zimage.upscale;
    exports io.github.zimage.internal.config to
            io.github.zimage.demo;
    exports io.github.zimage.internal.device to
            io.github.zimage.cuda;
    exports io.github.zimage.internal.io to
            io.github.zimage.demo;
    exports io.github.zimage.internal.natives to
            io.github.zimage.demo;
    exports io.github.zimage.internal.nn to
            io.github.zimage.cuda;
    exports io.github.zimage.internal.numbers to
            io.github.zimage.cuda,
            io.github.zimage.demo;
    exports io.github.zimage.internal.placement to
            io.github.zimage.cuda;
    exports io.github.zimage.internal.runtime to
            io.github.zimage.cuda;
    exports io.github.zimage.internal.safetensors to
            io.github.zimage.cuda,
            io.github.zimage.demo;
    exports io.github.zimage.internal.weights to
            io.github.zimage.cuda;

    uses io.github.zimage.internal.device.Accelerator;
    uses io.github.zimage.internal.runtime.NativeLibraries;
    uses io.github.zimage.prompt.ChineseAnalyzer;
    uses io.github.zimage.spi.Attention;
}
