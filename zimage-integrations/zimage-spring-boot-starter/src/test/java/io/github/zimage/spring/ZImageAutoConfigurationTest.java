package io.github.zimage.spring;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.GeneratedImage;
import io.github.zimage.ModelLoadException;
import io.github.zimage.ZImagePipeline;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import io.micrometer.observation.ObservationRegistry;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.springframework.ai.content.Media;
import org.springframework.ai.image.ImageGeneration;
import org.springframework.ai.image.ImageMessage;
import org.springframework.ai.image.ImageModel;
import org.springframework.ai.image.ImageOptionsBuilder;
import org.springframework.ai.image.ImagePrompt;
import org.springframework.ai.image.ImageResponse;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.diagnostics.FailureAnalysis;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.boot.health.contributor.Status;
import org.springframework.boot.micrometer.metrics.autoconfigure.MetricsAutoConfiguration;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.core.io.ByteArrayResource;
import org.springframework.util.MimeTypeUtils;

/** The beans that an application gets, with each optional library and without it. */
final class ZImageAutoConfigurationTest {
    private final ApplicationContextRunner runner = new ApplicationContextRunner()
            .withConfiguration(AutoConfigurations.of(
                    ZImageAutoConfiguration.class,
                    ZImageHealthAutoConfiguration.class,
                    MetricsAutoConfiguration.class,
                    ZImageMetricsAutoConfiguration.class,
                    SpringAiAutoConfiguration.class,
                    LangChain4jAutoConfiguration.class))
            .withPropertyValues("zimage.size=96", "zimage.steps=2", "zimage.threads=1", "zimage.warm-up=false");

    @Test
    void templateGeneratesByTheDefaultsOfTheApplication() {
        runner.run(context -> {
            ZImageTemplate template = context.getBean(ZImageTemplate.class);
            GeneratedImage image = template.generate("a fox");
            assertThat(image.width()).isEqualTo(96);
            assertThat(image.timings().steps()).hasSize(2);
            assertThat(context.getBean(ZImagePipeline.class)).isSameAs(template.pipeline());
        });
    }

    @Test
    void springAiGetsSeedNegativePromptAndStart() {
        runner.run(context -> {
            ImageModel model = context.getBean(ImageModel.class);
            ImagePrompt prompt =
                    new ImagePrompt("a fox", ZImageOptions.create().seed(7).n(2));
            ImageResponse response = model.call(prompt);
            assertThat(response.getResults()).hasSize(2);
            ImageGeneration first = response.getResult();
            assertThat(((ZImageSpringAiModel.Metadata) first.getMetadata()).seed())
                    .isEqualTo("7");
            byte[] png = bytes(first);
            assertThat(ImageIO.read(new ByteArrayInputStream(png)).getWidth()).isEqualTo(96);
            assertThat(png).isEqualTo(bytes(model.call(prompt).getResult()));

            ImagePrompt guided = new ImagePrompt(
                    List.of(new ImageMessage("a fox", 1f), new ImageMessage("yellow", -1f)),
                    ZImageOptions.create().seed(7).guidance(3));
            assertThat(bytes(model.call(guided).getResult())).isNotEqualTo(png);

            Media start = Media.builder()
                    .mimeType(MimeTypeUtils.IMAGE_PNG)
                    .data(new ByteArrayResource(png))
                    .build();
            ImageMessage from = new ImageMessage("a cat", 1f, List.of(start), java.util.Map.of());
            ImagePrompt edit =
                    new ImagePrompt(from, ZImageOptions.create().seed(7).strength(0.5));
            assertThat(bytes(model.call(edit).getResult())).isNotEqualTo(png);
            assertThat(SpringAiRequest.of(context.getBean(ZImageTemplate.class), edit)
                            .imageToImage()
                            .strength())
                    .isEqualTo(0.5);
        });
    }

    @Test
    void springAiTakesPortableOptionsAndRefusesAddresses() {
        runner.run(context -> {
            ImageModel model = context.getBean(ImageModel.class);
            var portable =
                    ImageOptionsBuilder.builder().width(128).height(96).n(1).build();
            ImageGeneration image =
                    model.call(new ImagePrompt("a fox", portable)).getResult();
            assertThat(((ZImageSpringAiModel.Metadata) image.getMetadata()).width())
                    .isEqualTo(128);
            var url = ImageOptionsBuilder.builder().responseFormat("url").build();
            org.assertj.core.api.Assertions.assertThatThrownBy(() -> model.call(new ImagePrompt("a fox", url)))
                    .hasMessageContaining("b64_json");
        });
    }

    @Test
    void springAiIsObserved() {
        List<String> names = new ArrayList<>();
        ObservationRegistry registry = ObservationRegistry.create();
        registry.observationConfig().observationHandler(new ObservationHandler<Observation.Context>() {
            @Override
            public void onStop(Observation.Context observed) {
                names.add(observed.getName() + " of " + observed.getLowCardinalityKeyValue("gen_ai.system"));
            }

            @Override
            public boolean supportsContext(Observation.Context observed) {
                return true;
            }
        });
        runner.withBean(ObservationRegistry.class, () -> registry).run(context -> {
            context.getBean(ImageModel.class).call(new ImagePrompt("a fox"));
            assertThat(names)
                    .singleElement()
                    .asString()
                    .startsWith("gen_ai.client.operation")
                    .contains("zimage");
        });
    }

    @Test
    void langChain4jDrawsByTheSameDefaults() {
        runner.run(context -> {
            var model = context.getBean(dev.langchain4j.model.image.ImageModel.class);
            assertThat(model.generate("a fox").metadata())
                    .containsEntry("width", 96)
                    .containsEntry("steps", 2);
        });
    }

    @Test
    void eachOptionalLibraryMayBeAbsent() {
        runner.withClassLoader(new FilteredClassLoader("org.springframework.ai"))
                .run(context -> assertThat(context)
                        .hasNotFailed()
                        .hasSingleBean(ZImageTemplate.class)
                        .doesNotHaveBean("zImageSpringAiModel"));
        runner.withClassLoader(new FilteredClassLoader("io.github.zimage.langchain4j", "dev.langchain4j"))
                .run(context -> assertThat(context)
                        .hasNotFailed()
                        .hasSingleBean(ImageModel.class)
                        .doesNotHaveBean("langChain4jZImageImageModel"));
        runner.withClassLoader(new FilteredClassLoader("org.springframework.boot.health"))
                .run(context -> assertThat(context).hasNotFailed().doesNotHaveBean("zimageHealthIndicator"));
        runner.withClassLoader(new FilteredClassLoader("io.micrometer.core", "org.springframework.boot.micrometer"))
                .run(context -> assertThat(context).hasNotFailed().doesNotHaveBean("zImageMetrics"));
    }

    @Test
    void anotherImageModelOfSpringAiIsChosenByItsProperty() {
        runner.withPropertyValues("spring.ai.model.image=openai")
                .run(context -> assertThat(context).hasNotFailed().doesNotHaveBean(ImageModel.class));
    }

    @Test
    void healthFollowsTheModel() {
        runner.withPropertyValues("zimage.preload=false").run(context -> {
            HealthIndicator health = context.getBean(HealthIndicator.class);
            assertThat(health.health().getStatus()).isEqualTo(Status.UP);
            assertThat(health.health().getDetails()).containsEntry("model", "loaded with the first request");
            context.getBean(ZImageTemplate.class).generate("a fox");
            assertThat(health.health().getDetails()).containsKey("attention");
        });
        runner.withBean(ZImagePipelineCustomizer.class, () -> builder -> builder.maxPromptTokens(0))
                .run(context -> assertThat(context).hasFailed());
    }

    @Test
    void metersHaveTheNamesOfTheServer() {
        runner.withBean(MeterRegistry.class, SimpleMeterRegistry::new).run(context -> {
            context.getBean(ZImageTemplate.class).generate("a fox");
            MeterRegistry registry = context.getBean(MeterRegistry.class);
            assertThat(registry.get("zimage.step").timer().count()).isEqualTo(2);
            assertThat(registry.get("zimage.request").timer().count()).isOne();
            assertThat(registry.get("zimage.jobs")
                            .tag("outcome", "succeeded")
                            .counter()
                            .count())
                    .isOne();
        });
    }

    @Test
    void aMissingModelFailsTheStartWithAdvice() {
        runner.withPropertyValues("zimage.model=/nowhere/at/all").run(context -> {
            assertThat(context).hasFailed();
            FailureAnalysis analysis = new ZImageFailureAnalyzer().analyze(context.getStartupFailure());
            assertThat(analysis).isNotNull();
            assertThat(analysis.getDescription()).contains("/nowhere/at/all");
            assertThat(analysis.getAction()).contains("zimage.model");
            assertThat(analysis.getCause()).isInstanceOf(ModelLoadException.class);
        });
    }

    private static byte[] bytes(ImageGeneration image) throws IOException {
        return Base64.getDecoder().decode(image.getOutput().getB64Json());
    }
}
