package io.github.zimage.spring;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

/** A web application from its start to its end: readiness, many requests at once, and a shutdown that finishes what runs. */
final class PictureApplicationTest {
    private static final CountDownLatch MAY_LOAD = new CountDownLatch(1);

    @SpringBootApplication
    @RestController
    static class Pictures {
        private final ZImageTemplate images;

        Pictures(ZImageTemplate images) {
            this.images = images;
        }

        @GetMapping(value = "/picture", produces = "image/png")
        byte[] picture(@RequestParam("prompt") String prompt) {
            return images.generate(prompt).toPng();
        }

        @Bean
        static ZImagePipelineCustomizer slowStart() {
            return builder -> builder.listener(new io.github.zimage.GenerationListener() {
                @Override
                public void onLoad(io.github.zimage.Component component, long bytesDone, long bytesTotal) {
                    await(MAY_LOAD);
                }
            });
        }
    }

    @Test
    void refusesTrafficUntilLoadedServesManyAndFinishesWhatRuns() throws Exception {
        ConfigurableApplicationContext application = new SpringApplication(Pictures.class)
                .run(
                        "--server.port=0",
                        "--server.shutdown=graceful",
                        "--spring.threads.virtual.enabled=true",
                        "--management.endpoint.health.probes.enabled=true",
                        "--management.endpoints.web.exposure.include=health,metrics",
                        "--zimage.size=96",
                        "--zimage.steps=2",
                        "--zimage.warm-up=false",
                        "--zimage.threads=1");
        String base = "http://127.0.0.1:" + application.getEnvironment().getProperty("local.server.port");
        HttpClient client = HttpClient.newHttpClient();
        try {
            assertThat(get(client, base + "/actuator/health/readiness").statusCode())
                    .isEqualTo(503);
            assertThat(get(client, base + "/actuator/health/liveness").statusCode())
                    .isEqualTo(200);
            MAY_LOAD.countDown();
            application.getBean(ZImageTemplate.class).pipeline();

            List<CompletableFuture<HttpResponse<byte[]>>> answers = new ArrayList<>();
            for (int i = 0; i < 20; i++) answers.add(picture(client, base));
            for (CompletableFuture<HttpResponse<byte[]>> each : answers) assertIsPicture(each.get(2, TimeUnit.MINUTES));
            assertThat(get(client, base + "/actuator/health/readiness").statusCode())
                    .isEqualTo(200);
            assertThat(new String(
                            get(client, base + "/actuator/metrics/zimage.jobs").body()))
                    .contains("succeeded")
                    .contains("20");

            List<CompletableFuture<HttpResponse<byte[]>>> last = new ArrayList<>();
            for (int i = 0; i < 4; i++) last.add(picture(client, base));
            ZImageTemplate template = application.getBean(ZImageTemplate.class);
            while (template.running() + template.waiting() < 4 && last.stream().noneMatch(CompletableFuture::isDone)) {
                Thread.onSpinWait();
            }
            application.close();
            for (CompletableFuture<HttpResponse<byte[]>> each : last) assertIsPicture(each.get(2, TimeUnit.MINUTES));
        } finally {
            MAY_LOAD.countDown();
            application.close();
        }
    }

    private static CompletableFuture<HttpResponse<byte[]>> picture(HttpClient client, String base) {
        HttpRequest request =
                HttpRequest.newBuilder(URI.create(base + "/picture?prompt=fox")).build();
        return client.sendAsync(request, HttpResponse.BodyHandlers.ofByteArray());
    }

    private static HttpResponse<byte[]> get(HttpClient client, String address)
            throws IOException, InterruptedException {
        return client.send(
                HttpRequest.newBuilder(URI.create(address)).build(), HttpResponse.BodyHandlers.ofByteArray());
    }

    private static void assertIsPicture(HttpResponse<byte[]> answer) throws IOException {
        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(ImageIO.read(new ByteArrayInputStream(answer.body())).getWidth())
                .isEqualTo(96);
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(2, TimeUnit.MINUTES)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
