package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GenerationCancelledException;
import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ModelLoadException;
import io.github.zimage.OutOfDeviceMemoryException;
import io.github.zimage.Precision;
import io.github.zimage.ZImageException;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.engine.EngineOptions;
import io.github.zimage.internal.engine.Relief;
import io.github.zimage.internal.placement.Phase;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.placement.Workload;
import io.github.zimage.internal.runtime.DeviceThread;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.placement.VaeTiling;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Protects that pictures do not depend on how weights stay in memory, to the last bit, and that a pipeline whose weights come and go
 * survives what can happen to them. The extension for leaks looks at every test here.
 */
@Timeout(60)
final class ResidenceTest {
    /** The tiny model has a noise refiner of one block and three layers; its text encoder uses two. */
    private static final int BLOCKS = 4;

    @TempDir
    static Path models;

    private final DeviceThread device = new DeviceThread("residence-test");

    @AfterEach
    void endDevice() {
        device.close(() -> {});
    }

    @ParameterizedTest
    @CsvSource({
        "FP32, FP32, 2",
        "FP32, FP32, 3",
        "BF16, BF16, 2",
        "BF16, BF16, 3",
        "FP32, BF16, 2",
        "FP32, BF16, 3",
        "BF16, FP32, 3"
    })
    void streamedPictures_areThoseOfResidentWeights(Precision stored, Precision computed, int slots) throws Exception {
        Path model = model(stored);
        List<GenerationRequest> requests = List.of(
                request().build(),
                request().count(5).seed(3).build(),
                request()
                        .prompts(List.of("two", "prompts"))
                        .guidance(2)
                        .negativePrompt("no")
                        .build());
        List<List<DrawnImage>> expected = drawAll(open(model, computed, Map.of()), requests);
        for (int resident = 0; resident <= BLOCKS + 1; resident++) {
            Map<Component, Residence> residences = Map.of(
                    Component.TEXT_ENCODER, Residence.streamed(resident, slots),
                    Component.TRANSFORMER, Residence.streamed(resident, slots),
                    Component.VAE, Residence.parked());
            assertSame(drawAll(open(model, computed, residences), requests), expected);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void picturesThatAreDrawnFewerAtATime_areTheSame(int atOnce) throws Exception {
        List<GenerationRequest> requests =
                List.of(request().count(5).guidance(2).negativePrompt("no").build());
        List<List<DrawnImage>> expected = drawAll(open(model(Precision.BF16), Precision.BF16, Map.of()), requests);
        EngineOptions all = options(Precision.BF16, allStreamed());
        EngineOptions fewer =
                all.smaller(all.vaeTiling(), all.residences(), false, new EngineOptions.Limits(atOnce, Long.MAX_VALUE));
        AtomicInteger looks = new AtomicInteger();
        AtomicInteger looksOfAll = new AtomicInteger();
        TestEngine engine = open(model(Precision.BF16), fewer, new GenerationListener() {});
        assertSame(
                List.of(generate(engine, requests.get(0), new GenerationListener() {}, looks::incrementAndGet)),
                expected);
        close(engine);
        TestEngine four = open(model(Precision.BF16), all, new GenerationListener() {});
        generate(four, requests.get(0), new GenerationListener() {}, looksOfAll::incrementAndGet);
        close(four);
        assertThat(looks.get()).as("more runs through the blocks").isGreaterThan(looksOfAll.get());
    }

    @ParameterizedTest
    @MethodSource("io.github.zimage.Component#values")
    void parkedPictures_areThoseOfResidentWeights(Component parked) throws Exception {
        List<GenerationRequest> requests =
                List.of(request().build(), request().guidance(1).build());
        List<List<DrawnImage>> expected = drawAll(open(model(Precision.BF16), Precision.BF16, Map.of()), requests);
        TestEngine engine = open(model(Precision.BF16), Precision.BF16, Map.of(parked, Residence.parked()));
        assertSame(drawAll(engine, requests), expected);
    }

    @Test
    void cancelledAnywhere_theNextPictureIsRight() throws Exception {
        GenerationRequest request = request().guidance(1).build();
        TestEngine engine = open(model(Precision.BF16), Precision.BF16, allStreamed());
        DrawnImage expected = generate(engine, request).get(0);
        AtomicInteger looks = new AtomicInteger();
        generate(engine, request, new GenerationListener() {}, looks::incrementAndGet);
        assertThat(looks.get()).as("looks whether to stop").isGreaterThan(3 * BLOCKS);
        for (int look = 1; look <= looks.get(); look++) {
            Runnable cancellation = cancelAt(look);
            assertThatThrownBy(() -> generate(engine, request, new GenerationListener() {}, cancellation))
                    .hasCauseInstanceOf(GenerationCancelledException.class);
            if (look % 5 == 0) {
                assertSame(generate(engine, request).get(0), expected);
            }
        }
        for (int look = 1; look <= 2; look++) {
            Runnable cancellation = cancelAt(look);
            assertThatThrownBy(() -> onDevice(() -> engine.encode("not seen before", cancellation)))
                    .hasCauseInstanceOf(GenerationCancelledException.class);
        }
        assertSame(generate(engine, request).get(0), expected);
        close(engine);
    }

    @ParameterizedTest
    @MethodSource("io.github.zimage.Component#values")
    void loadingOfAParkedComponent_canBeCancelled(Component parked) throws Exception {
        TestEngine engine = open(model(Precision.FP32), Precision.BF16, Map.of(parked, Residence.parked()));
        List<DrawnImage> expected = generate(engine, request().build());
        AtomicBoolean cancelled = new AtomicBoolean();
        GenerationListener atLoading = new GenerationListener() {
            @Override
            public void onLoad(Component component, long bytesDone, long bytesTotal) {
                assertThat(cancelled.getAndSet(true))
                        .as("heard of after the end")
                        .isFalse();
            }
        };
        Runnable cancellation = () -> {
            if (cancelled.get()) {
                throw new GenerationCancelledException("while loading");
            }
        };
        GenerationRequest newPrompt = request().prompt("not seen before").build();
        assertThatThrownBy(() -> generate(engine, newPrompt, atLoading, cancellation))
                .hasCauseInstanceOf(GenerationCancelledException.class);
        assertSame(generate(engine, request().build()).get(0), expected.get(0));
        close(engine);
    }

    // An allocation really fails, at each place in turn where a generation looks whether to stop: in every phase.
    @Test
    void allocationThatFailsAnywhere_isRetriedOnce_andThePictureIsTheSame() throws Exception {
        GenerationRequest request = request().guidance(1).build();
        TestEngine counting = open(model(Precision.BF16), Precision.BF16, Map.of());
        AtomicInteger looks = new AtomicInteger();
        DrawnImage expected = generate(counting, request, new GenerationListener() {}, looks::incrementAndGet)
                .get(0);
        close(counting);
        Set<Phase> failed = new HashSet<>();
        for (int look = 2; look <= looks.get(); look += 3) {
            TestEngine engine = open(model(Precision.BF16), Precision.BF16, Map.of());
            Runnable once = exhaustedFrom(look, 1);
            assertSame(
                    onDevice(() -> engine.generate(request, 7, new GenerationListener() {}, once, relief(failed)))
                            .get(0),
                    expected);
            assertSame(generate(engine, request).get(0), expected);
            Runnable twice = exhaustedFrom(look, Integer.MAX_VALUE);
            assertThatThrownBy(() -> onDevice(() -> engine.generate(
                            request().prompt("not seen before").build(),
                            7,
                            new GenerationListener() {},
                            twice,
                            relief(failed))))
                    .cause()
                    .isInstanceOf(OutOfDeviceMemoryException.class)
                    .hasMessage("explained");
            assertSame(generate(engine, request).get(0), expected);
            close(engine);
        }
        assertThat(failed).containsExactlyInAnyOrder(Phase.TEXT, Phase.DENOISE, Phase.DECODE);
    }

    private static Relief relief(Set<Phase> failed) {
        return new Relief() {
            @Override
            public EngineOptions smaller(EngineOptions options, Phase phase, OutOfDeviceMemoryException failure) {
                failed.add(phase);
                return options(Precision.BF16, allStreamed());
            }

            @Override
            public OutOfDeviceMemoryException explained(Phase phase, OutOfDeviceMemoryException failure) {
                return new OutOfDeviceMemoryException("explained", failure);
            }
        };
    }

    private static Runnable exhaustedFrom(int look, int times) {
        AtomicInteger looks = new AtomicInteger();
        return () -> {
            int now = looks.incrementAndGet();
            if (now >= look && now - look < times) {
                torch.empty(1L << 46);
            }
        };
    }

    private static Runnable cancelAt(int look) {
        AtomicInteger looks = new AtomicInteger();
        return () -> {
            if (looks.incrementAndGet() == look) {
                throw new GenerationCancelledException("at look " + look);
            }
        };
    }

    @Test
    void closeDuringARun_endsIt() throws Exception {
        TestEngine engine = open(model(Precision.BF16), Precision.BF16, allStreamed());
        AtomicBoolean closed = new AtomicBoolean();
        AtomicInteger steps = new AtomicInteger();
        Runnable cancellation = () -> {
            if (closed.get()) {
                throw new GenerationCancelledException("closed");
            }
        };
        GenerationListener counter = new GenerationListener() {
            @Override
            public void onStep(int step, int total, Duration elapsed) {
                if (steps.incrementAndGet() == 2) {
                    closed.set(true);
                }
            }
        };
        CompletableFuture<List<DrawnImage>> running =
                device.submit(() -> engine.generate(request().steps(1000).build(), 1, counter, cancellation));
        device.close(engine::close);
        assertThatThrownBy(running::get).hasCauseInstanceOf(GenerationCancelledException.class);
        assertThat(steps).hasValue(2);
    }

    // Interrupting a thread that reads a channel closes it. A listener can leave its thread interrupted.
    @Test
    void interruptedDeviceThread_goesOnReading() throws Exception {
        TestEngine engine = open(model(Precision.BF16), Precision.BF16, allStreamed());
        List<DrawnImage> expected = generate(engine, request().build());
        GenerationListener interrupting = new GenerationListener() {
            @Override
            public void onStep(int step, int total, Duration elapsed) {
                Thread.currentThread().interrupt();
            }
        };
        List<DrawnImage> images = generate(engine, request().build(), interrupting, () -> {});
        assertSame(images.get(0), expected.get(0));
        close(engine);
    }

    // The streamed blocks are the last thing in the file; what is mapped lies before them.
    @Test
    void fileThatIsCutOffDuringARun_failsTheRunOnly() throws Exception {
        Path model = copy(model(Precision.BF16), "cut");
        Path file = model.resolve("transformer/diffusion_pytorch_model.safetensors");
        byte[] whole = Files.readAllBytes(file);
        var modified = Files.getLastModifiedTime(file);
        TestEngine engine = open(model, Precision.BF16, allStreamed());
        List<DrawnImage> expected = generate(engine, request().build());
        GenerationListener cutting = new GenerationListener() {
            @Override
            public void onStep(int step, int total, Duration elapsed) {
                try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                    channel.truncate(whole.length - 100_000);
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            }
        };
        GenerationRequest request = request().steps(20).build();
        assertThatThrownBy(() -> generate(engine, request, cutting, () -> {}))
                .cause()
                .isInstanceOf(ZImageException.class)
                .hasMessageStartingWith("transformer/diffusion_pytorch_model.safetensors: ")
                .satisfiesAnyOf( // whoever looks first: who reads ahead for the next step, or who looks before it
                        // begins
                        e -> assertThat(e).hasMessageContaining("cannot read tensor layers.2."),
                        e -> assertThat(e).hasMessageContaining("must stay as it was when the pipeline was built"));
        assertThatThrownBy(() -> generate(engine, request))
                .cause()
                .isInstanceOf(ModelLoadException.class)
                .hasMessageContaining("must stay as it was when the pipeline was built, " + whole.length + " bytes");
        Files.write(file, whole);
        Files.setLastModifiedTime(file, modified);
        assertSame(generate(engine, request().build()).get(0), expected.get(0));
        close(engine);
    }

    @ParameterizedTest
    @MethodSource("io.github.zimage.Component#values")
    void fileThatIsDeleted_isNamed(Component component) throws Exception {
        Path model = copy(model(Precision.BF16), "deleted-" + component.folder());
        TestEngine engine = open(model, Precision.BF16, Map.of(component, Residence.parked()));
        List<DrawnImage> expected = generate(engine, request().build());
        Path file;
        try (var files = Files.list(model.resolve(component.folder()))) {
            file = files.filter(each -> each.toString().endsWith(".safetensors"))
                    .findFirst()
                    .orElseThrow();
        }
        Path away = file.resolveSibling("away");
        Files.move(file, away);
        GenerationRequest newPrompt = request().prompt("not seen before").build();
        assertThatThrownBy(() -> generate(engine, newPrompt))
                .cause()
                .isInstanceOf(ModelLoadException.class)
                .hasMessageStartingWith(component.folder() + "/" + file.getFileName() + ": the file is missing");
        Files.move(away, file);
        assertSame(generate(engine, request().build()).get(0), expected.get(0));
        close(engine);
    }

    // The weights that turn timesteps into norms are spoilt in the file behind the pipeline's back, so that a picture
    // for
    // which they are read is another one.
    @ParameterizedTest
    @EnumSource(
            value = Residence.Kind.class,
            names = {"RESIDENT", "STREAMED"})
    void scheduleThatComesAgain_readsNoModulation(Residence.Kind kind) throws Exception {
        Path model = copy(model(Precision.BF16), "modulation-" + kind);
        Residence residence = kind == Residence.Kind.STREAMED ? Residence.streamed(1, 2) : new Residence(kind, 0, 0);
        TestEngine engine = open(model, Precision.BF16, Map.of(Component.TRANSFORMER, residence));
        GenerationRequest request = request().build();
        GenerationRequest other = request().steps(5).build();
        DrawnImage expected = generate(engine, request).get(0);
        DrawnImage expectedOther = generate(engine, other).get(0);
        Path spoilt = spoilModulation(model);
        assertSame(generate(engine, request).get(0), expected);
        assertSame(generate(engine, other).get(0), expectedOther);

        // More steps than are kept: those used longest ago are forgotten.
        generate(engine, request().steps(Workload.KEPT_STEPS - 5 - 2).build());
        assertSame(generate(engine, other).get(0), expectedOther);
        assertDiffers(generate(engine, request).get(0), expected);
        onDevice(() -> {
            engine.forget();
            return true;
        });
        assertDiffers(generate(engine, other).get(0), expectedOther);

        Files.setLastModifiedTime(spoilt, FileTime.fromMillis(0));
        if (kind == Residence.Kind.RESIDENT) {
            assertThatThrownBy(() -> generate(engine, other))
                    .as("a file that was changed")
                    .cause()
                    .isInstanceOf(ModelLoadException.class)
                    .hasMessageContaining("must stay as it was when the pipeline was built");
        }
        close(engine);
    }

    private static Path spoilModulation(Path model) throws IOException {
        WeightIndex index = Checkpoint.open(model, null).weights(Component.TRANSFORMER);
        TensorEntry weight = index.get("layers.0.adaLN_modulation.0.weight");
        FileTime modified = Files.getLastModifiedTime(weight.file());
        try (FileChannel channel = FileChannel.open(weight.file(), StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.allocate(Math.toIntExact(weight.byteSize())), weight.offset());
        }
        Files.setLastModifiedTime(weight.file(), modified);
        return weight.file();
    }

    private static void assertDiffers(DrawnImage actual, DrawnImage other) {
        assertThat(actual.latents().values()).isNotEqualTo(other.latents().values());
    }

    @Test
    void parkedComponents_areLoadedOnlyWhenNeeded() throws Exception {
        List<Component> loaded = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public void onLoad(Component component, long bytesDone, long bytesTotal) {
                assertThat(bytesDone).isPositive().isLessThanOrEqualTo(bytesTotal);
                if (!loaded.contains(component)) {
                    loaded.add(component);
                }
            }
        };
        TestEngine engine = open(
                model(Precision.BF16),
                Precision.BF16,
                Map.of(
                        Component.TEXT_ENCODER, Residence.parked(),
                        Component.TRANSFORMER, Residence.streamed(0, 2),
                        Component.VAE, Residence.parked()),
                listener);
        assertThat(loaded).containsExactly(Component.TRANSFORMER);
        loaded.clear();
        generate(engine, request().build(), listener, () -> {});
        assertThat(loaded).containsExactly(Component.TEXT_ENCODER, Component.VAE);
        loaded.clear();
        generate(engine, request().build(), listener, () -> {});
        assertThat(loaded).as("the prompt is known").containsExactly(Component.VAE);
        close(engine);
    }

    @Test
    void streamedVae_isRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> options(Precision.BF16, Map.of(Component.VAE, Residence.streamed(0, 2))))
                .withMessageStartingWith("vae must be resident or parked, but was ");
    }

    private static Map<Component, Residence> allStreamed() {
        return Map.of(
                Component.TEXT_ENCODER, Residence.streamed(0, 2),
                Component.TRANSFORMER, Residence.streamed(0, 3),
                Component.VAE, Residence.parked());
    }

    private static GenerationRequest.Builder request() {
        return GenerationRequest.builder()
                .prompt("a red fox in the snow")
                .size(64, 48)
                .steps(3)
                .seed(7);
    }

    private static Path model(Precision stored) {
        Path model = models.resolve(stored.name());
        if (!Files.exists(model)) {
            SyntheticModel.write(model, SyntheticModel.Size.TINY, stored, 1, bytes -> {});
        }
        return model;
    }

    private static Path copy(Path model, String name) throws IOException {
        Path target = models.resolve(name);
        try (var files = Files.walk(model)) {
            for (Path file : files.toList()) {
                Files.copy(file, target.resolve(model.relativize(file).toString()));
            }
        }
        return target;
    }

    private static EngineOptions options(Precision precision, Map<Component, Residence> residences) {
        Map<Component, Precision> precisions = new HashMap<>();
        for (Component component : Component.values()) {
            precisions.put(component, precision);
        }
        return new EngineOptions(precisions, AttentionBackend.BLOCKWISE, VaeTiling.auto(), residences);
    }

    private TestEngine open(Path model, Precision precision, Map<Component, Residence> residences) throws Exception {
        return open(model, precision, residences, new GenerationListener() {});
    }

    private TestEngine open(
            Path model, Precision precision, Map<Component, Residence> residences, GenerationListener listener)
            throws Exception {
        return open(model, options(precision, residences), listener);
    }

    private TestEngine open(Path model, EngineOptions options, GenerationListener listener) throws Exception {
        Checkpoint checkpoint = Checkpoint.open(model, null);
        return onDevice(() -> new TestEngine(checkpoint, options, listener));
    }

    private List<List<DrawnImage>> drawAll(TestEngine engine, List<GenerationRequest> requests) throws Exception {
        List<List<DrawnImage>> drawn = new ArrayList<>();
        for (GenerationRequest request : requests) {
            drawn.add(generate(engine, request));
        }
        close(engine);
        return drawn;
    }

    private List<DrawnImage> generate(TestEngine engine, GenerationRequest request) throws Exception {
        return generate(engine, request, new GenerationListener() {}, () -> {});
    }

    private List<DrawnImage> generate(
            TestEngine engine, GenerationRequest request, GenerationListener listener, Runnable cancellation)
            throws Exception {
        return onDevice(() -> engine.generate(request, 7, listener, cancellation));
    }

    private void close(TestEngine engine) throws Exception {
        onDevice(() -> {
            engine.close();
            return true;
        });
    }

    private <T> T onDevice(Supplier<T> task) throws Exception {
        return device.submit(task).get(30, TimeUnit.SECONDS);
    }

    private static void assertSame(List<List<DrawnImage>> actual, List<List<DrawnImage>> expected) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < actual.size(); i++) {
            assertThat(actual.get(i)).hasSameSizeAs(expected.get(i));
            for (int j = 0; j < actual.get(i).size(); j++) {
                assertSame(actual.get(i).get(j), expected.get(i).get(j));
            }
        }
    }

    private static void assertSame(DrawnImage actual, DrawnImage expected) {
        assertThat(actual.latents().values()).isEqualTo(expected.latents().values());
        assertThat(actual.rgb()).isEqualTo(expected.rgb());
    }
}
