package io.github.zimage.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Precision;
import io.github.zimage.demo.SyntheticModel;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.device.CpuDevice;
import io.github.zimage.internal.nn.AtenKernels;
import io.github.zimage.internal.nn.AttentionSelector;
import io.github.zimage.internal.nn.Kernels;
import io.github.zimage.internal.nn.Rows;
import io.github.zimage.internal.runtime.NativeRuntime;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.spi.Attention;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Protects the check of a card's kernels from passing whatever they compute. */
class KernelCheckTest {
    @TempDir
    private Path folder;

    @Test
    void kernelsThatComputeSomethingElse_areErrors() {
        SyntheticModel.write(folder, SyntheticModel.Size.TINY, Precision.BF16, 1, done -> {});
        NativeRuntime.load();
        List<Map<String, Object>> lines = new ArrayList<>();
        try (PointerScope scope = new PointerScope();
                ComputeDevice device = new CpuDevice()) {
            Attention math = AttentionSelector.select(AttentionBackend.MATH, Precision.BF16);
            Kernels right = new AtenKernels(device.place(), math, Precision.BF16);
            Kernels wrong = new AtenKernels(device.place(), math, Precision.BF16) {
                @Override
                public Rows swiglu(Rows gate, Rows up) {
                    return super.swiglu(up, gate);
                }

                @Override
                public void addNormScale(Tensor x, Rows y, Tensor scale, double eps) {}

                @Override
                public Tensor groupNorm(Tensor x, Tensor weight, Tensor bias, int groups, double eps) {
                    throw new IllegalStateException("no such kernel");
                }
            };
            new KernelCheck(device, Checkpoint.open(folder, null), lines::add).compare(wrong, right, 64);
        }
        assertThat(lines).hasSizeGreaterThan(10).allSatisfy(line -> {
            String operation = String.valueOf(line.get("operation"));
            if (operation.startsWith("group norm")) {
                assertThat(line.get("error")).isEqualTo("no such kernel");
            } else if (operation.startsWith("swiglu") || operation.startsWith("add norm")) {
                assertThat((String) line.get("error")).startsWith("the relative error ");
            } else {
                assertThat(line).as(operation).doesNotContainKey("error").containsEntry("relative_error", 0.0);
            }
        });
    }
}
