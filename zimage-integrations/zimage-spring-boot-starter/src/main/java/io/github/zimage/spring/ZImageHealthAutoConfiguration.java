package io.github.zimage.spring;

import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.health.autoconfigure.contributor.ConditionalOnEnabledHealthIndicator;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.context.annotation.Bean;

/** Adds the health {@code zimage}. */
@AutoConfiguration(after = ZImageAutoConfiguration.class)
@ConditionalOnClass({HealthIndicator.class, ConditionalOnEnabledHealthIndicator.class})
@ConditionalOnBean(ZImageTemplate.class)
public class ZImageHealthAutoConfiguration {

    @Bean("zimageHealthIndicator")
    @ConditionalOnEnabledHealthIndicator("zimage")
    @ConditionalOnMissingBean(name = "zimageHealthIndicator")
    HealthIndicator zimageHealthIndicator(ZImageTemplate template, ZImageProperties properties) {
        return new ZImageHealth(template, properties);
    }
}
