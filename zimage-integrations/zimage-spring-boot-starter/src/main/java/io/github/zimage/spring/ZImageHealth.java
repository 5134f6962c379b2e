package io.github.zimage.spring;

import io.github.zimage.ZImagePipeline;
import java.util.Optional;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;

/** Up while the pipeline takes the default request, out of service while it is being loaded, down if it could not be. Generates nothing. */
final class ZImageHealth implements HealthIndicator {
    private final ZImageTemplate template;
    private final ZImageProperties properties;

    ZImageHealth(ZImageTemplate template, ZImageProperties properties) {
        this.template = template;
        this.properties = properties;
    }

    @Override
    public Health health() {
        Optional<Throwable> failure = template.failure();
        if (failure.isPresent()) {
            return Health.down()
                    .withDetail("error", String.valueOf(failure.get().getMessage()))
                    .build();
        }
        Optional<ZImagePipeline> pipeline = template.loaded();
        if (pipeline.isEmpty()) {
            return properties.isPreload()
                    ? Health.outOfService().withDetail("model", "being loaded").build()
                    : Health.up()
                            .withDetail("model", "loaded with the first request")
                            .build();
        }
        try {
            pipeline.get().check(template.request("health").build());
        } catch (RuntimeException e) {
            return Health.down(e).build();
        }
        return Health.up()
                .withDetail("attention", pipeline.get().attentionBackend())
                .withDetail("waiting", template.waiting())
                .withDetail("running", template.running())
                .build();
    }
}
