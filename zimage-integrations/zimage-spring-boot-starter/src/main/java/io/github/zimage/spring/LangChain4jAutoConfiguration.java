package io.github.zimage.spring;

import io.github.zimage.langchain4j.ZImageImageModel;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.context.annotation.Bean;

/** Adds LangChain4j's image model if zimage-langchain4j is on the class path. */
@AutoConfiguration(after = ZImageAutoConfiguration.class)
@ConditionalOnClass(ZImageImageModel.class)
@ConditionalOnBean(ZImageTemplate.class)
public class LangChain4jAutoConfiguration {

    @Bean
    @ConditionalOnMissingBean(dev.langchain4j.model.image.ImageModel.class)
    ZImageImageModel langChain4jZImageImageModel(ZImageTemplate template) {
        return ZImageImageModel.builder()
                .pipeline(template::pipeline)
                .request(template.request("replaced").build())
                .build();
    }
}
