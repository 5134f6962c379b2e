package io.github.zimage.spring;

import org.springframework.boot.availability.AvailabilityChangeEvent;
import org.springframework.boot.availability.ReadinessState;
import org.springframework.context.ApplicationContext;
import org.springframework.context.ApplicationListener;

/**
 * Loads the model once the application has started, and has the application refuse traffic until that is done. Boot declares an application
 * ready as soon as its context is; that is taken back while the model is being loaded.
 */
final class ReadinessPublisher implements ApplicationListener<AvailabilityChangeEvent<ReadinessState>> {
    private final ApplicationContext context;
    private final ZImageTemplate template;
    private final boolean preload;
    private boolean begun;

    ReadinessPublisher(ApplicationContext context, ZImageTemplate template, boolean preload) {
        this.context = context;
        this.template = template;
        this.preload = preload;
    }

    @Override
    public void onApplicationEvent(AvailabilityChangeEvent<ReadinessState> event) {
        if (begun || !preload || event.getState() != ReadinessState.ACCEPTING_TRAFFIC) {
            return;
        }
        begun = true;
        if (!template.isReady()) {
            AvailabilityChangeEvent.publish(context, ReadinessState.REFUSING_TRAFFIC);
            template.load(() -> AvailabilityChangeEvent.publish(context, ReadinessState.ACCEPTING_TRAFFIC));
        }
    }
}
