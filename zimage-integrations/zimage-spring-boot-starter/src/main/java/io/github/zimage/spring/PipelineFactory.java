package io.github.zimage.spring;

import io.github.zimage.ConversionCache;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageSize;
import io.github.zimage.ModelLoadException;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.DemoModel;
import io.github.zimage.placement.Device;
import io.github.zimage.placement.MemorySize;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.util.ClassUtils;

/** Makes the builder of a pipeline from the properties. */
final class PipelineFactory {
    private final ZImageProperties properties;
    private final List<ZImagePipelineCustomizer> customizers;

    PipelineFactory(ZImageProperties properties, List<ZImagePipelineCustomizer> customizers) {
        this.properties = properties;
        this.customizers = List.copyOf(customizers);
    }

    /** Returns the builder; reads the headers of the checkpoint, so that a wrong one is found at the start. */
    PipelineBuilder builder() {
        ImageSize size = ImageSize.of(properties.getSize());
        PipelineBuilder builder = ZImagePipeline.builder()
                .model(model())
                .precision(properties.getPrecision())
                .closeAtShutdown(false)
                .compileTransformer(properties.isCompile())
                .planFor(GenerationRequest.builder()
                        .prompt("planned for")
                        .size(size)
                        .build());
        if (!properties.getDevices().isEmpty()) {
            builder.devices(properties.getDevices().stream().map(Device::parse).toList());
        }
        set(properties.getMemory(), memory -> builder.memoryBudget(MemorySize.parse(memory)));
        set(properties.getThreads(), builder::threads);
        set(properties.getLoraFolder(), builder::loraFolder);
        set(properties.getProfile(), builder::profile);
        set(
                properties.getCache(),
                cache -> builder.conversionCache(
                        "off".equals(cache) ? ConversionCache.off() : ConversionCache.in(Path.of(cache))));
        if (properties.isWarmUp()) {
            builder.warmUp(size);
        }
        customizers.forEach(each -> each.customize(builder));
        return builder;
    }

    private Path model() {
        Path model = properties.getModel();
        if (model != null) {
            return model;
        }
        if (ClassUtils.isPresent("io.github.zimage.demo.DemoModel", PipelineFactory.class.getClassLoader())) {
            return DemoModel.path();
        }
        throw new ModelLoadException("zimage.model is not set, and the demo model is not on the class path");
    }

    private static <T> void set(@Nullable T value, java.util.function.Consumer<T> setter) {
        if (value != null) {
            setter.accept(value);
        }
    }
}
