import org.jspecify.annotations.NullMarked;

/** Dictionaries for the lint rules that read Chinese, found by the linter of the core. */
@NullMarked
@SuppressWarnings("requires-automatic")
module io.github.zimage.prompt.zh {
    requires io.github.zimage.core;
    requires hanlp.portable;
    requires static org.jspecify;

    provides io.github.zimage.prompt.ChineseAnalyzer with
            io.github.zimage.prompt.zh.HanLpAnalyzer;
}
