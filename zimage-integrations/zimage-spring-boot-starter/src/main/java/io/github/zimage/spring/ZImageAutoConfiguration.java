package io.github.zimage.spring;

import io.github.zimage.ZImagePipeline;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.availability.ApplicationAvailabilityAutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Lazy;

/**
 * Gives an application a {@link ZImageTemplate} and its {@link ZImagePipeline}. The checkpoint is looked at while the application starts, so
 * that a wrong one fails it with advice; its weights are loaded in the background.
 */
@AutoConfiguration(after = ApplicationAvailabilityAutoConfiguration.class)
@EnableConfigurationProperties(ZImageProperties.class)
public class ZImageAutoConfiguration {

    @Bean
    @ConditionalOnMissingBean({ZImageTemplate.class, ZImagePipeline.class})
    ZImageTemplate zImageTemplate(
            ZImageProperties properties,
            ObjectProvider<ZImagePipelineCustomizer> customizers,
            ObjectProvider<RequestObserver> observers) {
        PipelineFactory factory =
                new PipelineFactory(properties, customizers.orderedStream().toList());
        var builder = factory.builder();
        builder.plan();
        return new ZImageTemplate(builder, properties, observers.getIfAvailable(() -> RequestObserver.NONE));
    }

    /** Waits for the model: who asks for this bean at the start of the application, starts later. The template closes it. */
    @Bean(destroyMethod = "")
    @Lazy
    @ConditionalOnMissingBean
    ZImagePipeline zImagePipeline(ZImageTemplate template) {
        return template.pipeline();
    }

    @Bean
    ReadinessPublisher zImageReadinessPublisher(
            ApplicationContext context, ZImageTemplate template, ZImageProperties properties) {
        return new ReadinessPublisher(context, template, properties.isPreload());
    }
}
