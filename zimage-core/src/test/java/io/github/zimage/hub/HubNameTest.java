package io.github.zimage.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.zimage.hub.HubName.Hub;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class HubNameTest {
    @ParameterizedTest
    @CsvSource({
        "Tongyi-MAI/Z-Image-Turbo, HUGGING_FACE, main, Tongyi-MAI/Z-Image-Turbo",
        "Tongyi-MAI/Z-Image-Turbo@v1.0, HUGGING_FACE, v1.0, Tongyi-MAI/Z-Image-Turbo@v1.0",
        "Tongyi-MAI/Z-Image-Turbo@refs/pr/1, HUGGING_FACE, refs/pr/1, Tongyi-MAI/Z-Image-Turbo@refs/pr/1",
        "modelscope:Tongyi-MAI/Z-Image-Turbo, MODELSCOPE, master, modelscope:Tongyi-MAI/Z-Image-Turbo",
        "https://huggingface.co/Tongyi-MAI/Z-Image-Turbo, HUGGING_FACE, main, Tongyi-MAI/Z-Image-Turbo",
        "https://huggingface.co/Tongyi-MAI/Z-Image-Turbo/tree/v2?x=y, HUGGING_FACE, v2, Tongyi-MAI/Z-Image-Turbo@v2",
        "https://www.modelscope.cn/models/Tongyi-MAI/Z-Image-Turbo, MODELSCOPE, master, modelscope:Tongyi-MAI/Z-Image-Turbo",
    })
    void names_areRead_andWrittenAgain(String text, Hub hub, String revision, String written) {
        HubName name = HubName.parse(text);
        assertThat(name).isEqualTo(new HubName(hub, "Tongyi-MAI", "Z-Image-Turbo", revision));
        assertThat(name).hasToString(written);
        assertThat(HubName.parse(written)).isEqualTo(name);
    }

    // They become folders of the cache and parts of addresses.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "turbo",
                "a/b/c",
                "/a/b",
                "a/",
                "../b",
                "a/..",
                "a--b/c",
                "a/b@",
                "a/b@../x",
                "a/b@x/../y",
                "a/b@x y",
                "a/b@-x",
                "a/b@x//y",
                "a/b@x\n",
                "a b/c",
                "a/b?c",
                "~/models",
                "./models",
                "C:\\models",
                "hf:a/b",
                "https://example.com/a/b",
                "https://huggingface.co/datasets/a/b",
            })
    void whatIsNoName_isRefused(String text) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> HubName.parse(text))
                .withMessageContaining("but was");
        assertThat(HubName.isName(text)).isFalse();
    }

    @Test
    void namesAreNamesOnlyWithoutAddresses() {
        assertThat(HubName.isName("a/b")).isTrue();
        assertThat(HubName.isName("modelscope:a/b@v1")).isTrue();
        assertThat(HubName.isName("https://huggingface.co/a/b")).isFalse();
    }
}
