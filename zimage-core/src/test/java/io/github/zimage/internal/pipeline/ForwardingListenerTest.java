package io.github.zimage.internal.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.Component;
import io.github.zimage.GenerationListener;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** A listener that is wrapped hears all that it would hear otherwise, also what is added to the interface later. */
final class ForwardingListenerTest {
    private final List<String> heard = new ArrayList<>();

    @Test
    void everyMethod_isPassedOn_withItsArguments() throws ReflectiveOperationException {
        GenerationListener target = (GenerationListener) Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {GenerationListener.class}, (proxy, method, arguments) -> {
                    heard.add(method.getName()
                            + String.valueOf(arguments == null ? List.of() : Arrays.asList(arguments)));
                    return method.getReturnType() == int.class ? 77 : null;
                });
        GenerationListener forwarding = new ForwardingListener(target);
        for (Method method : GenerationListener.class.getMethods()) {
            @Nullable
            Object[] arguments = Arrays.stream(method.getParameterTypes())
                    .map(ForwardingListenerTest::argument)
                    .toArray();
            Object result = method.invoke(forwarding, arguments);
            assertThat(heard)
                    .as(method.getName())
                    .endsWith(method.getName()
                            + String.valueOf(arguments == null ? List.of() : Arrays.asList(arguments)));
            assertThat(result).isEqualTo(method.getReturnType() == int.class ? 77 : null);
        }
        assertThat(heard).hasSameSizeAs(GenerationListener.class.getMethods());
    }

    private static @Nullable Object argument(Class<?> type) {
        if (type == int.class) {
            return 3;
        }
        if (type == long.class) {
            return 5L;
        }
        if (type == Duration.class) {
            return Duration.ofMillis(7);
        }
        return type == Component.class ? Component.VAE : null;
    }
}
