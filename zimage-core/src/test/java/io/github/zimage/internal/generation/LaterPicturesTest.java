package io.github.zimage.internal.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Protects that pictures of a later device start as they would on the first: what their start hands on must be all that a start can say. A method
 * with a default of its own would compile without it, and those pictures would silently be others.
 */
final class LaterPicturesTest {
    @Test
    void allThatAStartSays_isHandedOn() {
        List<Method> said = Arrays.stream(InitialLatents.class.getDeclaredMethods())
                .filter(method -> !Modifier.isStatic(method.getModifiers()) && !method.isSynthetic())
                .toList();
        assertThat(said).extracting(Method::getName).contains("prepare", "schedule", "begin");
        for (Method each : said) {
            assertThatCode(() -> LaterPictures.class.getDeclaredMethod(each.getName(), each.getParameterTypes()))
                    .as("%s of %s", each.getName(), LaterPictures.class.getSimpleName())
                    .doesNotThrowAnyException();
        }
    }
}
