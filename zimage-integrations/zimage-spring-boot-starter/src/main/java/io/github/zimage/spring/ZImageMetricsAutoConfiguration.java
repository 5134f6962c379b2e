package io.github.zimage.spring;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.MeterBinder;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.micrometer.metrics.autoconfigure.MetricsAutoConfiguration;
import org.springframework.context.annotation.Bean;

/** Adds meters with the names that {@code zimage serve} has. */
@AutoConfiguration(before = ZImageAutoConfiguration.class)
@ConditionalOnClass({MeterRegistry.class, MetricsAutoConfiguration.class})
public class ZImageMetricsAutoConfiguration {

    @Bean
    ZImageMetrics zImageMetrics(ObjectProvider<MeterRegistry> registry) {
        return new ZImageMetrics(registry);
    }

    @Bean
    @ConditionalOnBean(MeterRegistry.class)
    MeterBinder zImageMeterBinder(ObjectProvider<ZImageTemplate> template) {
        return registry -> template.ifAvailable(each -> ZImageMetrics.bind(each, registry));
    }
}
