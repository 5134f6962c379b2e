package io.github.zimage.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.MultiMap;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Nobody can say that he is somebody else: only what trusted proxies added counts. */
final class ForwardedHeadersTest {
    private static final AddressRanges TRUSTED = new AddressRanges(List.of("10.0.0.0/8", "fd00::/8", "localhost"));
    private static final Pattern ANY = Pattern.compile(".*");

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "10.0.0.1    | 192.0.2.7                       | 192.0.2.7",
                "10.0.0.1    | 198.51.100.1, 192.0.2.7         | 192.0.2.7",
                "10.0.0.1    | 192.0.2.7, 10.2.2.2             | 192.0.2.7",
                "10.0.0.1    | 198.51.100.1, 192.0.2.7, 10.2.2.2, 10.3.3.3 | 192.0.2.7",
                "10.0.0.1    | 10.9.9.9, 10.2.2.2              | 10.9.9.9",
                "fd00::1     | 2001:db8::7                     | 2001:db8::7",
                "::1         | [2001:db8::7]:4711              | 2001:db8::7",
                "127.0.0.3   | 192.0.2.7:4711                  | 192.0.2.7",
                "10.0.0.1    | unknown                         | 10.0.0.1",
                "10.0.0.1    | 192.0.2.7, _hidden              | 10.0.0.1",
                "10.0.0.1    | 999.1.1.1                       | 10.0.0.1",
                "192.0.2.200 | 192.0.2.7                       | 192.0.2.200",
                "11.0.0.1    | 192.0.2.7                       | 11.0.0.1"
            })
    void client_isTheLastThatIsNotTrusted(String remote, String chain, String client) {
        MultiMap plain = MultiMap.caseInsensitiveMultiMap().add("X-Forwarded-For", chain);
        assertThat(new ForwardedHeaders(plain, remote, TRUSTED).clientAddress()).isEqualTo(client);
        String elements = "for=\"" + chain.replace(", ", "\", for=\"") + "\"";
        MultiMap standard = MultiMap.caseInsensitiveMultiMap().add("forwarded", elements);
        assertThat(new ForwardedHeaders(standard, remote, TRUSTED).clientAddress())
                .as(elements)
                .isEqualTo(client);
    }

    @Test
    void severalHeaders_countAsOne() {
        MultiMap headers = MultiMap.caseInsensitiveMultiMap()
                .add("X-Forwarded-For", "198.51.100.1")
                .add("X-Forwarded-For", "192.0.2.7, 10.2.2.2")
                .add("X-Forwarded-Host", "evil.example")
                .add("X-Forwarded-Host", "edge.example, inner.example");
        ForwardedHeaders read = new ForwardedHeaders(headers, "10.0.0.1", TRUSTED);
        assertThat(read.clientAddress()).isEqualTo("192.0.2.7");
        assertThat(read.value("host", "X-Forwarded-Host", ANY))
                .as("what the proxy said that the client reached")
                .isEqualTo("edge.example");
    }

    @Test
    void elementOfTheProxyThatTheClientReached_counts() {
        MultiMap headers = MultiMap.caseInsensitiveMultiMap()
                .add(
                        "Forwarded",
                        "for=1.2.3.4;host=evil.example, for=192.0.2.7;host=\"a,b.example\";proto=https, for=10.2.2.2;host=inner");
        ForwardedHeaders read = new ForwardedHeaders(headers, "10.0.0.1", TRUSTED);
        assertThat(read.value("host", "X-Forwarded-Host", ANY)).isEqualTo("a,b.example");
        assertThat(read.value("proto", "X-Forwarded-Proto", ANY)).isEqualTo("https");
    }

    // A header has at most 16 KB; whatever is in it, reading it takes no more than that.
    @Test
    void hostileHeaders_areReadInOnePass() {
        for (String unit : List.of("\"", ",", ";", "for=\"", "for=[", "=", "1.", "for=10.0.0.1,", "\\\"")) {
            MultiMap headers = MultiMap.caseInsensitiveMultiMap()
                    .add("Forwarded", unit.repeat(16_000 / unit.length()))
                    .add("X-Forwarded-For", unit.repeat(16_000 / unit.length()));
            ForwardedHeaders read = new ForwardedHeaders(headers, "10.0.0.1", TRUSTED);
            assertThat(read.clientAddress()).as(unit).isEqualTo("10.0.0.1");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "10.0.0.0/33",
                "10.0.0/8",
                "proxy.example",
                "::1/129",
                "1.2.3.4/",
                "/8",
                "10.0.0.0/8/8",
                "256.0.0.1"
            })
    void networkThatIsNone_isRefused(String network) {
        assertThatThrownBy(() -> new AddressRanges(List.of(network)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'" + network + "'");
    }

    @Test
    void networks_holdTheirAddressesOnly() {
        AddressRanges ranges = new AddressRanges(List.of("192.0.2.128/25", "2001:db8:8000::/33", "0.0.0.0/32"));
        assertThat(List.of("192.0.2.128", "192.0.2.255", "2001:db8:ffff::1", "0.0.0.0", "::ffff:192.0.2.200"))
                .allMatch(ranges::contains);
        assertThat(List.of("192.0.2.127", "192.0.3.128", "2001:db8::1", "2001:db9:8000::1", "0.0.0.1", "x", ""))
                .noneMatch(ranges::contains);
        assertThat(new AddressRanges(List.of("::/0")).contains("192.0.2.1"))
                .as("of the other kind")
                .isFalse();
        assertThat(new AddressRanges(List.of("0.0.0.0/0")).contains("192.0.2.1"))
                .isTrue();
    }
}
