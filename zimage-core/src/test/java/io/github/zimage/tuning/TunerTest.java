package io.github.zimage.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GenerationCancelledException;
import io.github.zimage.GenerationListener;
import io.github.zimage.ImageSize;
import io.github.zimage.NativeLeakExtension;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.Precision;
import io.github.zimage.Sampling.StepCache;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.placement.MemorySize;
import io.github.zimage.tuning.TuningResult.Measurement;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Protects that programs can tune as the command does, and that a profile never says what was not measured. */
@ExtendWith(NativeLeakExtension.class)
final class TunerTest {
    private static final Duration MILLISECOND = Duration.ofMillis(1);

    @TempDir
    Path folder;

    private Tuner.Builder tuner() {
        SyntheticModel.write(folder.resolve("m"), SyntheticModel.Size.TINY, Precision.BF16, 1, done -> {});
        return Tuner.builder()
                .model(folder.resolve("m"))
                .size(ImageSize.square(64))
                .steps(1)
                .settings(builder -> builder.threads(1));
    }

    @Test
    void everyCandidate_isMeasuredOrLeftOut_andThePictureOfTheFirstIsTheMeasure() {
        List<String> asked = new ArrayList<>();
        List<String> answered = new ArrayList<>();
        AtomicInteger pictures = new AtomicInteger();
        AtomicInteger decoded = new AtomicInteger();
        TuningResult result = tuner().listener(new TuningListener() {
                    @Override
                    public void onCandidate(Precision precision, AttentionBackend attention) {
                        asked.add(precision + " " + attention.name());
                    }

                    @Override
                    public void onPicture() {
                        pictures.incrementAndGet();
                    }

                    @Override
                    public void onMeasured(Measurement measurement) {
                        answered.add("measured");
                    }

                    @Override
                    public void onLeftOut(Precision precision, AttentionBackend attention, String reason) {
                        answered.add(reason);
                    }
                })
                .pictureListener(new GenerationListener() {
                    @Override
                    public void onDecode(int index, int count, Duration elapsed) {
                        decoded.incrementAndGet();
                    }
                })
                .build()
                .tune();

        assertThat(asked).startsWith("FP32 auto", "BF16 auto", "INT8 auto").hasSizeGreaterThan(3);
        assertThat(answered).hasSameSizeAs(asked);
        assertThat(decoded).hasPositiveValue().hasValueLessThanOrEqualTo(pictures.get());
        assertThat(result.measured())
                .hasSize((int) answered.stream().filter("measured"::equals).count());
        assertThat(result.reference().precision()).isEqualTo(Precision.FP32);
        assertThat(result.reference().decibels()).isEqualTo(99);
        assertThat(result.measured()).allSatisfy(each -> {
            assertThat(each.attention()).isNotEqualTo(AttentionBackend.AUTO);
            assertThat(each.step()).isPositive();
        });
        assertThat(result.profile().attention()).isEqualTo(result.best().attention());
        // The profile is for this model: the pipeline refuses those of others.
        try (ZImagePipeline pipeline = ZImagePipeline.builder()
                .model(folder.resolve("m"))
                .profile(result.profile())
                .build()) {
            assertThat(pipeline.attentionBackend())
                    .isEqualTo(result.best().attention().name());
        }
    }

    @Test
    void bestOfSeveral_isTheFastestThatLooksTheSame() {
        Measurement exact = measurement(Precision.FP32, 40, 99);
        Measurement good = measurement(Precision.BF16, 20, 45);
        Measurement visible = measurement(Precision.INT8, 5, 29.9);
        TuningResult result = new TuningResult("key", 8, List.of(exact, good, visible), List.of(), "");
        assertThat(result.best()).isEqualTo(good);
        assertThat(result.profile())
                .isEqualTo(new Profile("key", TuningResult.formats(Precision.BF16), AttentionBackend.SDPA));
        assertThat(visible.isFaithful()).isFalse();
        assertThat(good.picture(8)).isEqualTo(MILLISECOND.multipliedBy(8 * 20 + 1));
    }

    // A cache that saves nothing is none, and one whose pictures can be told from those without is not taken.
    @Test
    void stepCache_isTheFastestThatLooksTheSame() {
        TuningResult.CacheMeasurement off = cache("off", 28, 40, 99);
        TuningResult.CacheMeasurement medium = cache("mask=medium", 16, 25, 36);
        TuningResult.CacheMeasurement fast = cache("mask=fast", 13, 20, 29);
        assertThat(withCaches(off, medium, fast).profile().stepCache()).isEqualTo(medium.cache());
        assertThat(withCaches(off, fast).profile().stepCache()).isEqualTo(StepCache.OFF);
        assertThat(withCaches(off, cache("mask=slow", 19, 41, 50)).stepCache()).isEqualTo(StepCache.OFF);
        assertThat(withCaches().stepCache()).isEqualTo(StepCache.OFF);
    }

    private static TuningResult withCaches(TuningResult.CacheMeasurement... caches) {
        return new TuningResult("key", 28, List.of(measurement(Precision.FP32, 40, 99)), List.of(caches), "");
    }

    private static TuningResult.CacheMeasurement cache(String cache, int forwards, int millis, double decibels) {
        return new TuningResult.CacheMeasurement(
                StepCache.of(cache), forwards, MILLISECOND.multipliedBy(millis), decibels);
    }

    @Test
    void stepsEnough_measureStepCaches() {
        List<TuningResult.CacheMeasurement> heard = new ArrayList<>();
        TuningResult result = tuner().steps(28)
                .guidance(1)
                .size(ImageSize.square(32))
                .listener(new TuningListener() {
                    @Override
                    public void onStepCache(TuningResult.CacheMeasurement measurement) {
                        heard.add(measurement);
                    }
                })
                .build()
                .tune();
        assertThat(heard).isEqualTo(result.caches());
        assertThat(heard)
                .extracting(each -> each.cache() + " " + each.forwards())
                .containsExactly("off 28", "mask=slow 19", "mask=medium 16", "mask=fast 13");
        assertThat(heard.get(0).decibels()).isEqualTo(99);
        assertThat(heard).extracting(TuningResult.CacheMeasurement::picture).allMatch(each -> !each.isZero());
        assertThat(result.profile().stepCache()).isEqualTo(result.stepCache());
    }

    @Test
    void vaeOfEightBits_isBf16() {
        TuningResult result = new TuningResult(
                "key",
                8,
                List.of(measurement(Precision.FP32, 40, 99), measurement(Precision.INT8, 5, 40)),
                List.of(),
                "");
        assertThat(result.profile().precisions())
                .containsEntry(Component.VAE, Precision.BF16)
                .containsEntry(Component.TRANSFORMER, Precision.INT8);
    }

    @Test
    void nothingMeasured_isNoResult() {
        assertThatIllegalArgumentException().isThrownBy(() -> new TuningResult("key", 8, List.of(), List.of(), ""));
    }

    @Test
    void tooLittleMemory_leavesOutEveryCandidate() {
        List<String> reasons = new ArrayList<>();
        Tuner tuner = tuner().listener(new TuningListener() {
                    @Override
                    public void onLeftOut(Precision precision, AttentionBackend attention, String reason) {
                        reasons.add(reason);
                    }
                })
                .pictureListener(new GenerationListener() {
                    @Override
                    public void onLoad(Component component, long bytesDone, long bytesTotal) {
                        throw new OutOfDeviceMemoryException("no room");
                    }
                })
                .build();
        assertThatExceptionOfType(OutOfDeviceMemoryException.class)
                .isThrownBy(tuner::tune)
                .withMessage("no setting had enough memory for a picture of this size");
        assertThat(reasons).hasSize(3).allMatch(reason -> reason.startsWith("out of memory while loading"));
    }

    @Test
    void badRequest_isRefusedBeforeAnythingLoads() {
        Tuner.Builder tuner = tuner().size(ImageSize.square(33)).pictureListener(new GenerationListener() {
            @Override
            public void onLoad(Component component, long bytesDone, long bytesTotal) {
                throw new AssertionError("loaded");
            }
        });
        assertThatIllegalArgumentException()
                .isThrownBy(() -> tuner.build().tune())
                .withMessageStartingWith("width must be a multiple of 16, but was 33");
        assertThatIllegalArgumentException().isThrownBy(() -> tuner.steps(0).build());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> tuner.steps(1)
                        .size(ImageSize.square(64))
                        .settings(builder -> builder.memoryBudget(MemorySize.mib(1)))
                        .build()
                        .tune());
    }

    @Test
    void interrupt_endsIt() {
        Tuner tuner = tuner().listener(new TuningListener() {
                    @Override
                    public void onPicture() {
                        Thread.currentThread().interrupt();
                    }
                })
                .build();
        assertThatExceptionOfType(GenerationCancelledException.class).isThrownBy(tuner::tune);
        assertThat(Thread.interrupted()).isTrue();
    }

    private static Measurement measurement(Precision precision, int stepMillis, double decibels) {
        return new Measurement(
                precision,
                AttentionBackend.SDPA,
                MILLISECOND,
                MILLISECOND.multipliedBy(stepMillis),
                MILLISECOND,
                decibels);
    }
}
