package io.github.zimage.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.image.Psnr;
import io.github.zimage.placement.MemoryPlan;
import io.github.zimage.placement.Placement;
import io.github.zimage.spi.Attention;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.slf4j.LoggerFactory;

/**
 * Protects that an allocation that fails costs one warning and no picture, wherever it happens. The allocations are real: LibTorch is
 * asked for more than any machine has.
 */
@Timeout(120)
final class HealingTest {
    private static final GenerationRequest REQUEST = GenerationRequest.builder()
            .prompt("a fox")
            .size(64, 48)
            .steps(2)
            .seed(4)
            .build();

    @TempDir
    static Path model;

    private final Logger logger = (Logger) LoggerFactory.getLogger("io.github.zimage");
    private final ListAppender<ILoggingEvent> log = new ListAppender<>();
    private Level levelBefore;
    private ClassLoader loaderBefore;
    private URLClassLoader loader;

    @BeforeAll
    static void writeModel() {
        SyntheticModel.write(model, SyntheticModel.Size.TINY, Precision.FP32, 1, bytes -> {});
    }

    @BeforeEach
    void listen() {
        levelBefore = logger.getLevel();
        logger.setLevel(Level.INFO);
        log.start();
        logger.addAppender(log);
    }

    @AfterEach
    void stopListening() {
        logger.detachAppender(log);
        logger.setLevel(levelBefore);
    }

    /** Makes the backend known to this thread, and to those that start from it. */
    @BeforeEach
    void installAttention(@TempDir Path folder) throws IOException {
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(services.resolve(Attention.class.getName()), ExhaustedAttention.class.getName());
        loaderBefore = Thread.currentThread().getContextClassLoader();
        URL[] urls = {folder.toUri().toURL()};
        loader = new URLClassLoader(urls, loaderBefore);
        Thread.currentThread().setContextClassLoader(loader);
    }

    @AfterEach
    void removeAttention() throws IOException {
        Thread.currentThread().setContextClassLoader(loaderBefore);
        loader.close();
    }

    private List<String> warnings() {
        return log.list.stream()
                .filter(event -> event.getLevel().isGreaterOrEqual(Level.WARN))
                .map(ILoggingEvent::getFormattedMessage)
                .toList();
    }

    private static PipelineBuilder builder() {
        return ZImagePipeline.builder().model(model).attention(new AttentionBackend("blockwise"));
    }

    private static GeneratedImage untouched(GenerationRequest request) {
        try (ZImagePipeline pipeline = builder().build()) {
            return pipeline.generate(request);
        }
    }

    @ParameterizedTest
    @MethodSource("io.github.zimage.Component#values")
    void allocationThatFailsWhileLoading_isHealed(Component component) {
        AtomicInteger failures = new AtomicInteger(1);
        try (ZImagePipeline pipeline =
                builder().listener(exhaustedWhileLoading(component, failures)).build()) {
            assertThat(failures).hasNonPositiveValue();
            assertThat(pipeline.plan().parts())
                    .as("something no longer stays")
                    .anyMatch(part -> part.kind() != Placement.Kind.ON);
            assertThat(pipeline.generate(REQUEST).latents().values())
                    .isEqualTo(untouched(REQUEST).latents().values());
        }
        assertThat(warnings()).hasSize(1);
        assertThat(warnings().get(0))
                .startsWith("Out of memory while loading the ")
                .contains("trying once more with ");
    }

    @Test
    void allocationThatFailsAgainWhileLoading_isExplained() {
        GenerationListener exhausted =
                exhaustedWhileLoading(Component.TEXT_ENCODER, new AtomicInteger(Integer.MAX_VALUE));
        assertThatThrownBy(() -> builder().listener(exhausted).build())
                .isInstanceOf(OutOfDeviceMemoryException.class)
                .hasMessageStartingWith("out of memory while loading the text encoder, also with caches freed")
                .hasMessageContaining("requested 262144.00 GiB");
        assertThat(warnings()).hasSize(1);
    }

    // Pictures of a size that tiles help, four at a time. More is asked for than any step gives, so all of them are
    // taken
    // that help the phase, and no others.
    @ParameterizedTest
    @EnumSource(Phase.class)
    void allocationThatFailsInAPhase_isHealedByWhatHelpsThatPhase(Phase phase) {
        GenerationRequest four =
                REQUEST.toBuilder().size(512, 512).count(4).steps(1).build();
        try (ZImagePipeline untouched = exhaustible().planFor(four).build();
                ZImagePipeline pipeline = exhaustible().planFor(four).build()) {
            List<GeneratedImage> expected = untouched.generateAll(four);
            ExhaustedAttention.fail(phase == Phase.TEXT ? 1 : 0);
            AtomicInteger failures = new AtomicInteger(phase == Phase.TEXT ? 0 : 1);
            List<GeneratedImage> healed = pipeline.generateAll(four, exhaustedIn(phase, failures));
            for (int i = 0; i < 4; i++) {
                assertThat(healed.get(i).latents().values())
                        .isEqualTo(expected.get(i).latents().values());
            }
            assertThat(warnings()).hasSize(1);
            assertThat(warnings().get(0)).startsWith("Out of memory while " + phase.doing + ", with ");
            assertThat(pipeline.plan().parts().stream().map(MemoryPlan.Part::kind))
                    .as("text encoder, transformer, VAE")
                    .containsExactly(
                            phase == Phase.TEXT ? Placement.Kind.ON : Placement.Kind.PARKED,
                            Placement.Kind.STREAMED,
                            phase == Phase.DECODE ? Placement.Kind.ON : Placement.Kind.PARKED);
            assertThat(pipeline.plan().decodeTile() > 0).as("tiles").isEqualTo(phase == Phase.DECODE);
            assertThat(warnings().get(0).contains("one picture after the other"))
                    .isEqualTo(phase == Phase.DENOISE);

            GenerationRequest next = four.toBuilder().prompt("another").build();
            ExhaustedAttention.fail(phase == Phase.TEXT ? Integer.MAX_VALUE : 0);
            failures.set(Integer.MAX_VALUE);
            GenerationListener exhausted =
                    phase == Phase.TEXT ? new GenerationListener() {} : exhaustedIn(phase, failures);
            assertThatThrownBy(() -> pipeline.generateAll(next, exhausted))
                    .isInstanceOf(OutOfDeviceMemoryException.class)
                    .hasMessageStartingWith("out of memory while " + phase.doing + ", also with caches freed");
            ExhaustedAttention.fail(0);
            assertThat(pipeline.generateAll(next).get(3).latents().values())
                    .isEqualTo(untouched.generateAll(next).get(3).latents().values());
        }
    }

    private enum Phase {
        TEXT("encoding prompts"),
        DENOISE("denoising"),
        DECODE("decoding");

        private final String doing;

        Phase(String doing) {
            this.doing = doing;
        }
    }

    private static GenerationListener exhaustedIn(Phase phase, AtomicInteger failures) {
        return new GenerationListener() {
            @Override
            public void onStep(int step, int steps, Duration elapsed) {
                if (phase == Phase.DENOISE) {
                    allocate(failures);
                }
            }

            @Override
            public void onDecode(int index, int count, Duration elapsed) {
                if (phase == Phase.DECODE) {
                    allocate(failures);
                }
            }
        };
    }

    /** Attention that asks for more memory than there is when the text encoder computes it. No listener is called then. */
    public static final class ExhaustedAttention implements Attention {
        private static final AtomicInteger FAILURES = new AtomicInteger();

        static void fail(int times) {
            FAILURES.set(times);
        }

        @Override
        public String name() {
            return "exhausted";
        }

        @Override
        public Tensor attend(Tensor query, Tensor key, Tensor value, boolean causal) {
            if (causal) {
                allocate(FAILURES);
            }
            return torch.scaled_dot_product_attention(
                            query.unsqueeze(0),
                            key.unsqueeze(0),
                            value.unsqueeze(0),
                            new TensorOptional(),
                            0,
                            causal,
                            new DoubleOptional(1),
                            false)
                    .squeeze(0);
        }
    }

    private static PipelineBuilder exhaustible() {
        return ZImagePipeline.builder().model(model).attention(new AttentionBackend("exhausted"));
    }

    // Large enough that tiles help; after it, pictures are decoded in tiles from the start.
    @Test
    void largePictureThatFailsInDecode_comesInTiles() {
        GenerationRequest large = REQUEST.toBuilder().size(512, 512).steps(1).build();
        AtomicInteger failures = new AtomicInteger(1);
        GenerationListener exhausted = new GenerationListener() {
            @Override
            public void onDecode(int index, int count, Duration elapsed) {
                allocate(failures);
            }
        };
        try (ZImagePipeline pipeline = builder().planFor(large).build()) {
            assertThat(pipeline.plan().decodeTile()).isZero();
            GeneratedImage healed = pipeline.generateAll(large, exhausted).get(0);
            assertThat(pipeline.plan().decodeTile()).isPositive();
            GeneratedImage expected = untouched(large);
            assertThat(healed.latents().values()).isEqualTo(expected.latents().values());
            // Tiles round elsewhere in BF16, and in nothing else.
            assertThat(Psnr.decibels(healed.rgb(), expected.rgb())).isGreaterThan(45);
            assertThat(pipeline.generate(large).rgb()).isEqualTo(healed.rgb());
        }
        assertThat(warnings()).hasSize(1);
        assertThat(warnings().get(0)).startsWith("Out of memory while decoding, with ");
    }

    @Test
    void pictureThatNeedsNoHealing_warnsOfNothing() {
        untouched(REQUEST);
        assertThat(warnings()).isEmpty();
    }

    private static GenerationListener exhaustedWhileLoading(Component exhausted, AtomicInteger failures) {
        return new GenerationListener() {
            @Override
            public void onLoad(Component component, long bytesDone, long bytesTotal) {
                if (component.equals(exhausted)) {
                    allocate(failures);
                }
            }
        };
    }

    static void allocate(AtomicInteger failures) {
        if (failures.getAndDecrement() > 0) {
            torch.empty(1L << 46);
        }
    }
}
