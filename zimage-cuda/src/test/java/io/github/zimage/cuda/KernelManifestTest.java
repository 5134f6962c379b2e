package io.github.zimage.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Protects launches from a manifest that says something else than the PTX: such a launch would corrupt the card's memory. */
final class KernelManifestTest {
    private static final Pattern ENTRY = Pattern.compile("\\.visible \\.entry (\\w+)\\(([^)]*)\\)");
    private static final Pattern PARAMETER = Pattern.compile("\\.param \\.(u64|u32|f32)\\b");
    private static final Pattern THREADS = Pattern.compile("\\.reqntid (\\d+)");
    private static final Pattern TARGET = Pattern.compile("\\.target sm_(\\d+)");

    static Stream<Arguments> files() {
        return new KernelManifest()
                .kernels().values().stream()
                        .flatMap(kernel -> kernel.sharedBytes().keySet().stream()
                                .map(capability -> Arguments.of(kernel, capability)));
    }

    @ParameterizedTest
    @MethodSource("files")
    void ptx_takesWhatTheManifestSays(Kernel kernel, int capability) {
        String ptx = new String(KernelManifest.ptx(kernel, capability), StandardCharsets.US_ASCII);
        Matcher entry = ENTRY.matcher(ptx);
        assertThat(entry.find()).isTrue();
        assertThat(entry.group(1)).isEqualTo(kernel.entry());
        List<String> parameters = PARAMETER
                .matcher(entry.group(2))
                .results()
                .map(match -> match.group(1))
                .toList();
        List<String> expected = new ArrayList<>(kernel.arguments().stream()
                .map(Kernel.Argument::type)
                .map(ArgumentType::ptx)
                .toList());
        for (int i = 0; i < Kernel.SCRATCH_POINTERS; i++) {
            expected.add("u64");
        }
        assertThat(parameters).isEqualTo(expected);
        assertThat(number(THREADS, ptx)).isEqualTo(kernel.threads());
        assertThat(number(TARGET, ptx)).isEqualTo(capability);
        assertThat(ptx).endsWith("\0");
        // What is left of it would be read by the driver from memory that no launch gives.
        assertThat(ptx.contains("global_smem")).isEqualTo(kernel.sharedBytes().get(capability) > 0);
    }

    private static int number(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        assertThat(matcher.find()).as("%s", pattern).isTrue();
        return Integer.parseInt(matcher.group(1));
    }

    @ParameterizedTest
    @MethodSource("files")
    void card_runsTheNewestThatItCan(Kernel kernel, int capability) {
        assertThat(kernel.capabilityFor(capability)).isEqualTo(capability);
        assertThat(kernel.capabilityFor(75)).isZero();
        assertThat(kernel.capabilityFor(120)).isEqualTo(kernel.sharedBytes().lastKey());
    }
}
