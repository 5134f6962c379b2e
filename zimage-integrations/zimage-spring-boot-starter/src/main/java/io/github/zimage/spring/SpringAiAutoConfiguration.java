package io.github.zimage.spring;

import io.micrometer.observation.ObservationRegistry;
import org.springframework.ai.image.ImageModel;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.context.annotation.Bean;

/** Adds Spring AI's image model if Spring AI is on the class path, and {@code spring.ai.model.image} names no other. */
@AutoConfiguration(after = ZImageAutoConfiguration.class)
@ConditionalOnClass(ImageModel.class)
@ConditionalOnBean(ZImageTemplate.class)
@ConditionalOnProperty(name = "spring.ai.model.image", havingValue = "zimage", matchIfMissing = true)
public class SpringAiAutoConfiguration {

    @Bean
    @ConditionalOnMissingBean
    ZImageSpringAiModel zImageSpringAiModel(ZImageTemplate template, ObjectProvider<ObservationRegistry> observations) {
        return new ZImageSpringAiModel(template, observations.getIfAvailable(() -> ObservationRegistry.NOOP));
    }
}
