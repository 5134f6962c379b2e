package io.github.zimage.examples;

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
import io.github.zimage.Placement;
import io.github.zimage.Precision;
import io.github.zimage.SyntheticModel;
import io.github.zimage.ZImagePipeline;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
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

    private List<String> warnings() {
        return log.list.stream()
                .filter(event -> event.getLevel().isGreaterOrEqual(Level.WARN))
                .map(ILoggingEvent::getFormattedMessage)
                .toList();
    }

    private static ZImagePipeline.Builder builder() {
        return ZImagePipeline.builder().model(model).attention(new AttentionBackend("blockwise"));
    }

    private static GeneratedImage untouched(GenerationRequest request) {
        try (ZImagePipeline pipeline = builder().build()) {
            return pipeline.generate(request);
        }
    }

    @ParameterizedTest
    @EnumSource(Component.class)
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
            assertThat(psnr(healed.rgb(), expected.rgb())).isGreaterThan(45);
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
                if (component == exhausted) {
                    allocate(failures);
                }
            }
        };
    }

    private static void allocate(AtomicInteger failures) {
        if (failures.getAndDecrement() > 0) {
            torch.empty(1L << 46);
        }
    }

    static double psnr(byte[] a, byte[] b) {
        double squares = 0;
        for (int i = 0; i < a.length; i++) {
            double difference = (a[i] & 0xff) - (b[i] & 0xff);
            squares += difference * difference;
        }
        return 10 * Math.log10(255.0 * 255.0 * a.length / squares);
    }
}
