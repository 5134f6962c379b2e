import org.jspecify.annotations.NullMarked;

/** Z-Image for the JVM: text in, picture out. */
@NullMarked
@SuppressWarnings("requires-automatic")
module io.github.zimage.core {
    requires transitive java.desktop;
    requires transitive org.bytedeco.pytorch;
    requires ai.djl.tokenizers;
    requires com.fasterxml.jackson.databind;
    requires org.slf4j;
    requires static transitive org.jspecify;
    requires static transitive com.google.errorprone.annotations;

    exports io.github.zimage;
    exports io.github.zimage.prompt;
    exports io.github.zimage.spi;

    uses io.github.zimage.prompt.ChineseAnalyzer;
    uses io.github.zimage.spi.Attention;
}
