package io.github.zimage.internal.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.zimage.hub.HubException;
import io.github.zimage.hub.HubName.Hub;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The environment is read as the hubs' own tools read it, or the same model would lie on a disk twice. */
final class HubSettingsTest {
    @TempDir
    Path home;

    private HubSettings settings(String... variables) {
        Map<String, String> all = new HashMap<>();
        for (int i = 0; i < variables.length; i += 2) {
            all.put(variables[i], variables[i + 1]);
        }
        return new HubSettings(
                name -> all.getOrDefault(name, ""), home, null, null, null, null, 4, time -> {}, Duration.ofSeconds(1));
    }

    @Test
    void caches_areThoseOfTheHubsTools() {
        assertThat(settings().cacheFolder(Hub.HUGGING_FACE)).isEqualTo(home.resolve(".cache/huggingface/hub"));
        assertThat(settings("XDG_CACHE_HOME", "/x").cacheFolder(Hub.HUGGING_FACE))
                .hasToString("/x/huggingface/hub");
        assertThat(settings("XDG_CACHE_HOME", "/x", "HF_HOME", "/h").cacheFolder(Hub.HUGGING_FACE))
                .hasToString("/h/hub");
        assertThat(settings("HF_HOME", "~/h").cacheFolder(Hub.HUGGING_FACE)).isEqualTo(home.resolve("h/hub"));
        assertThat(settings("HF_HOME", "/h", "HUGGINGFACE_HUB_CACHE", "/old").cacheFolder(Hub.HUGGING_FACE))
                .hasToString("/old");
        assertThat(settings("HUGGINGFACE_HUB_CACHE", "/old", "HF_HUB_CACHE", "/c")
                        .cacheFolder(Hub.HUGGING_FACE))
                .hasToString("/c");
        assertThat(settings().cacheFolder(Hub.MODELSCOPE)).isEqualTo(home.resolve(".cache/modelscope"));
        assertThat(settings("MODELSCOPE_CACHE", "/m").cacheFolder(Hub.MODELSCOPE))
                .hasToString("/m");
    }

    @Test
    void tokens_comeFromTheEnvironment_orFromTheFileOfTheLogin() throws Exception {
        assertThat(settings().tokenFor(Hub.HUGGING_FACE)).isEmpty();
        Path file = Files.createDirectories(home.resolve(".cache/huggingface")).resolve("token");
        Files.writeString(file, "hf_saved\n");
        Path other = Files.writeString(home.resolve("other"), "hf_other");
        assertThat(settings().tokenFor(Hub.HUGGING_FACE)).isEqualTo("hf_saved");
        assertThat(settings("HF_TOKEN_PATH", other.toString()).tokenFor(Hub.HUGGING_FACE))
                .isEqualTo("hf_other");
        assertThat(settings("HUGGING_FACE_HUB_TOKEN", "hf_old").tokenFor(Hub.HUGGING_FACE))
                .isEqualTo("hf_old");
        assertThat(settings("HUGGING_FACE_HUB_TOKEN", "hf_old", "HF_TOKEN", " hf_new\n")
                        .tokenFor(Hub.HUGGING_FACE))
                .isEqualTo("hf_new");
        assertThat(settings("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", "HF_TOKEN", "x")
                        .tokenFor(Hub.HUGGING_FACE))
                .isEmpty();
        assertThat(settings("HF_TOKEN", "x").withToken("").tokenFor(Hub.HUGGING_FACE))
                .isEmpty();
        assertThat(settings("HF_TOKEN", "x").tokenFor(Hub.MODELSCOPE))
                .as("another hub's token")
                .isEmpty();
        assertThat(settings("MODELSCOPE_API_TOKEN", "ms").tokenFor(Hub.MODELSCOPE))
                .isEqualTo("ms");
    }

    // Java's refusal of such a header would show all of it.
    @ParameterizedTest
    @ValueSource(strings = {"hf_secret\r\nX-Evil: 1", "hf secret", "hf_s\u00e9cret"})
    void tokenThatIsNone_isRefusedWithoutShowingIt(String token) {
        assertThatExceptionOfType(HubException.class)
                .isThrownBy(() -> settings("HF_TOKEN", token).tokenFor(Hub.HUGGING_FACE))
                .withMessage("HF_TOKEN must be one word of ASCII characters, but is not");
    }

    // In the clear, everybody on the way could read it.
    @ParameterizedTest
    @CsvSource({
        "https://huggingface.co, true",
        "https://mirror.example/hf, true",
        "http://127.0.0.1:8080, true",
        "http://localhost:8080, true",
        "http://mirror.example, false",
        "http://127.0.0.1.example, false"
    })
    void token_isNotSentInTheClear(String endpoint, boolean sent) {
        HubSettings settings = settings("HF_ENDPOINT", endpoint, "HF_TOKEN", "hf_x");
        assertThat(new HubClient(settings, Hub.HUGGING_FACE).hasToken()).isEqualTo(sent);
    }

    @Test
    void endpoints_mayBeMirrors() {
        assertThat(settings().address(Hub.HUGGING_FACE)).hasToString("https://huggingface.co");
        assertThat(settings("HF_ENDPOINT", "http://mirror/hf/").address(Hub.HUGGING_FACE))
                .hasToString("http://mirror/hf");
        assertThat(settings().address(Hub.MODELSCOPE)).hasToString("https://www.modelscope.cn");
        assertThat(settings("MODELSCOPE_DOMAIN", "www.modelscope.ai").address(Hub.MODELSCOPE))
                .hasToString("https://www.modelscope.ai");
        for (String wrong : List.of("huggingface.co", "ftp://x", "https://", "https://x?y", "::")) {
            assertThatExceptionOfType(HubException.class)
                    .isThrownBy(() -> settings("HF_ENDPOINT", wrong).address(Hub.HUGGING_FACE))
                    .withMessageContaining("HF_ENDPOINT must be an address such as https://huggingface.co, but was ");
        }
    }

    @ParameterizedTest
    @CsvSource({"1, true", "ON, true", "yes, true", "True, true", "0, false", "false, false", "'', false"})
    void offline_isAskedForInHuggingFacesWords(String value, boolean offline) {
        assertThat(settings("HF_HUB_OFFLINE", value).isOffline()).isEqualTo(offline);
        assertThat(settings("TRANSFORMERS_OFFLINE", value).isOffline()).isEqualTo(offline);
        assertThat(settings("HF_HUB_OFFLINE", value).withOffline(false).isOffline())
                .isFalse();
    }

    @Test
    void proxies_comeFromTheEnvironment_butForNoProxyAndThisMachine() {
        HubSettings settings = settings(
                "https_proxy",
                "http://user:pass@proxy:3128",
                "NO_PROXY",
                "intern.example, .corp",
                "ALL_PROXY",
                "other");
        ProxySelector proxies = EnvironmentProxies.orJavas(settings.variables());

        assertThat(proxies.select(URI.create("https://huggingface.co/x")))
                .singleElement()
                .satisfies(proxy -> {
                    assertThat(proxy.type()).isEqualTo(Proxy.Type.HTTP);
                    assertThat(proxy.address()).isEqualTo(InetSocketAddress.createUnresolved("proxy", 3128));
                });
        assertThat(proxies.select(URI.create("http://huggingface.co/x")))
                .extracting(Proxy::address)
                .containsExactly(InetSocketAddress.createUnresolved("other", 80));
        for (String direct : List.of(
                "https://intern.example", "https://a.intern.example", "https://hub.corp", "https://127.0.0.1:1")) {
            assertThat(proxies.select(URI.create(direct))).as(direct).containsExactly(Proxy.NO_PROXY);
        }
        assertThat(proxies.select(URI.create("https://notintern.example"))).doesNotContain(Proxy.NO_PROXY);
        assertThat(EnvironmentProxies.user(settings.variables())).hasValueSatisfying(user -> {
            assertThat(user.getUserName()).isEqualTo("user");
            assertThat(user.getPassword()).containsExactly('p', 'a', 's', 's');
        });
        assertThat(EnvironmentProxies.orJavas(settings().variables()).select(URI.create("https://huggingface.co")))
                .containsExactly(Proxy.NO_PROXY);
    }
}
