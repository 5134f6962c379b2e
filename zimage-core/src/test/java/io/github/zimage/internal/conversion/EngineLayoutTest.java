package io.github.zimage.internal.conversion;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.CpuKernels;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.numbers.StorageType;
import io.github.zimage.internal.placement.BlockSource;
import io.github.zimage.internal.placement.Residence;
import io.github.zimage.internal.safetensors.Safetensors;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.text.Qwen3Model;
import io.github.zimage.internal.transformer.ZImageTransformer2DModel;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightFiles;
import io.github.zimage.internal.weights.WeightIndex;
import io.github.zimage.internal.weights.WeightStore;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Protects what streaming relies on: what is needed together lies together, and nothing is converted when it is loaded. */
class EngineLayoutTest {
    @TempDir
    Path folder;

    private Checkpoint checkpoint(Precision storage) {
        SyntheticModel.write(folder.resolve("tiny"), SyntheticModel.Size.TINY, storage, 3, done -> {});
        return Checkpoint.open(folder.resolve("tiny"), null);
    }

    private WeightIndex converted(Checkpoint checkpoint, Component component, Precision precision) throws IOException {
        return new WeightCache(folder.resolve("cache"))
                .convert(component, checkpoint.weights(component), precision, false, done -> {});
    }

    // If a layer starts to compute in another type, its weights would be converted again at every start, unnoticed.
    @ParameterizedTest
    @EnumSource
    void modules_convertNothing(Precision precision) throws IOException {
        Checkpoint checkpoint = checkpoint(precision == Precision.FP32 ? Precision.BF16 : Precision.FP32);
        WeightIndex text = converted(checkpoint, Component.TEXT_ENCODER, precision);
        WeightIndex transformer = converted(checkpoint, Component.TRANSFORMER, precision);
        try (PointerScope scope = new PointerScope();
                WeightStore textStore = new WeightStore(text, done -> {});
                WeightStore transformerStore = new WeightStore(transformer, done -> {})) {
            Kernels kernels =
                    new CpuKernels(AttentionSelector.select(AttentionBackend.BLOCKWISE, precision), precision);
            new Qwen3Model(checkpoint.textEncoder(), textStore, kernels, Residence.resident(), BlockSource::files);
            new ZImageTransformer2DModel(
                    checkpoint.transformer(), transformerStore, kernels, Residence.resident(), BlockSource::files);
            assertThat(textStore.convertedBytes()).isZero();
            assertThat(transformerStore.convertedBytes()).isZero();
            // Loaded in FP32 for each new schedule.
            assertThat(transformer.tensors().values())
                    .filteredOn(tensor -> tensor.name().contains("adaLN_modulation"))
                    .isNotEmpty()
                    .allMatch(tensor -> tensor.type() == StorageType.F32);
        }
        assertThat(EngineLayout.unsuitedBytes(Component.TEXT_ENCODER, text, precision))
                .isZero();
        assertThat(EngineLayout.unsuitedBytes(Component.TRANSFORMER, transformer, precision))
                .isZero();
    }

    @Test
    void block_isOneRun_withNeighboursThatAreMultipliedTogether() throws IOException {
        Checkpoint checkpoint = checkpoint(Precision.FP32);
        WeightIndex index = converted(checkpoint, Component.TRANSFORMER, Precision.BF16);
        for (String block : List.of("noise_refiner.0.", "context_refiner.0.", "layers.0.", "layers.2.")) {
            List<TensorEntry> run = new ArrayList<>(index.tensors().values());
            run.removeIf(tensor -> !tensor.name().startsWith(block));
            run.sort((a, b) -> Long.compare(a.offset(), b.offset()));
            assertThat(run.stream().map(tensor -> tensor.name().substring(block.length())))
                    .startsWith(
                            "attention.to_q.weight",
                            "attention.to_k.weight",
                            "attention.to_v.weight",
                            "attention.to_out.0.weight",
                            "feed_forward.w1.weight",
                            "feed_forward.w3.weight",
                            "feed_forward.w2.weight");
            long end = run.get(0).offset();
            for (TensorEntry tensor : run) {
                assertThat(tensor.offset()).as(tensor.name()).isEqualTo(end);
                assertThat(tensor.offset() % 64).isZero();
                end += tensor.byteSize();
            }
        }
    }

    // Tensors of odd sizes are padded: what follows them would otherwise not be aligned, and be copied when it is
    // loaded.
    @Test
    void oddSizes_arePadded() throws IOException {
        Path file = Safetensors.pairs(folder.resolve("model.safetensors"), "norm.a", "embed_tokens.weight", "norm.c");
        WeightIndex odd = WeightFiles.open(folder, "model", null);
        assertThat(file).isNotEmptyFile();

        WeightIndex index = new WeightCache(folder.resolve("cache"))
                .convert(Component.TEXT_ENCODER, odd, Precision.BF16, false, done -> {});

        assertThat(index.tensors().keySet()).isEqualTo(odd.tensors().keySet());
        assertThat(index.tensors().values())
                .allSatisfy(tensor -> assertThat(tensor.offset() % 64).isZero());
        assertThat(index.get("embed_tokens.weight").type()).isEqualTo(StorageType.BF16);
        assertThat(index.get("norm.c").type()).isEqualTo(StorageType.F32);
    }
}
