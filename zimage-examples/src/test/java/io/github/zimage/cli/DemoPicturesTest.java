package io.github.zimage.cli;

import static io.github.zimage.cli.Judge.Layout.ABOVE_BELOW;
import static io.github.zimage.cli.Judge.Layout.LEFT_RIGHT;
import static io.github.zimage.cli.Judge.Layout.NORMAL;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.zimage.AttentionBackend;
import io.github.zimage.Component;
import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.PipelineBuilder;
import io.github.zimage.Precision;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.cli.Judge.Layout;
import io.github.zimage.internal.image.Psnr;
import io.github.zimage.placement.VaeTiling;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * From the prompt to the pixels: draws with the demo model and looks at what the pictures show. Fails when any part on the way
 * (tokenizer, text encoder, transformer, schedule, VAE) computes something that is finite, repeatable and wrong.
 */
final class DemoPicturesTest {
    private static final Path MODEL = Path.of("demo-model");

    private static final Judge JUDGE = new Judge();
    private static ZImagePipeline pipeline;
    private static List<byte[]> exact = List.of();

    /** A prompt, and what its picture must show. */
    record Wanted(String prompt, String background, List<String> objects) {}

    private static Wanted wanted(String prompt, String background, String... objects) {
        return new Wanted(prompt, background, List.of(objects));
    }

    static final List<Wanted> ENGLISH = List.of(
            wanted("a fox on a yellow background", "yellow", "fox"),
            wanted("a red apple, blue background", "blue", "apple"),
            wanted("a panda on green", "green", "panda"),
            wanted("pink background, a penguin", "pink", "penguin"),
            wanted("a slice of pizza against a gray background", "gray", "pizza"),
            wanted("an owl", "white", "owl"),
            wanted("draw a rocket on a black background", "black", "rocket"),
            wanted("a picture of a guitar, purple background", "purple", "guitar"),
            wanted("a car with a white background", "white", "car"),
            wanted("the sunflower; background: blue", "blue", "sunflower"),
            wanted("a butterfly on a plain orange background", "orange", "butterfly"),
            wanted("red background: a snowman", "red", "snowman"));

    static final List<Wanted> CHINESE = List.of(
            wanted("黄色背景上的狐狸", "yellow", "fox"),
            wanted("一只猫，蓝色背景", "blue", "cat"),
            wanted("绿色背景上的老虎", "green", "tiger"),
            wanted("粉色背景，一只兔子", "pink", "rabbit"),
            wanted("一个汉堡，背景是灰色", "gray", "hamburger"),
            wanted("企鹅", "white", "penguin"),
            wanted("黑色背景上的月亮", "black", "moon"),
            wanted("画一只青蛙，紫色背景", "purple", "frog"),
            wanted("一辆自行车，白色的背景", "white", "bicycle"),
            wanted("在蓝色背景上，一个西瓜", "blue", "watermelon"),
            wanted("橙色背景上的熊猫", "orange", "panda"),
            wanted("红色背景上的雪人", "red", "snowman"));

    private static final List<Wanted> BILINGUAL = List.of(
            wanted("黄色背景上的狐狸 // a fox on a yellow background", "yellow", "fox"),
            wanted("蓝色背景上的苹果 // an apple on a blue background", "blue", "apple"),
            wanted("一只熊猫，绿色背景 // a panda, green background", "green", "panda"),
            wanted("粉色背景上的蛋糕 // a slice of cake on a pink background", "pink", "slice of cake"));

    private static final List<Wanted> LEFT_AND_RIGHT = List.of(
            wanted("a fox on the left and a tree on the right, yellow background", "yellow", "fox", "tree"),
            wanted("a tree on the left and a fox on the right, yellow background", "yellow", "tree", "fox"),
            wanted("a dog to the right of a cat, blue background", "blue", "cat", "dog"),
            wanted("左边是猫，右边是狗，绿色背景", "green", "cat", "dog"),
            wanted("左边是狗，右边是猫，绿色背景", "green", "dog", "cat"),
            wanted("苹果在香蕉的右边，白色背景", "white", "banana", "apple"));

    private static final List<Wanted> ABOVE_AND_BELOW = List.of(
            wanted("a sun above a sunflower, blue background", "blue", "sun", "sunflower"),
            wanted("a sunflower above a sun, blue background", "blue", "sunflower", "sun"),
            wanted("a car below a rocket, gray background", "gray", "rocket", "car"),
            wanted("上面是太阳，下面是苹果，粉色背景", "pink", "sun", "apple"),
            wanted("上面是苹果，下面是太阳，粉色背景", "pink", "apple", "sun"),
            wanted("狐狸在熊猫的下面，绿色背景", "green", "panda", "fox"));

    @BeforeAll
    static void open() {
        pipeline = ZImagePipeline.builder().model(MODEL).build();
    }

    @AfterAll
    static void close() {
        pipeline.close();
    }

    // All were right where this was written. One of a kind may fall to the rounding of another processor; the model
    // itself draws one
    // in fifty wrong, and these seeds are not among them.
    static Stream<Arguments> kindsOfPrompts() {
        return Stream.of(
                Arguments.of("English", ENGLISH, NORMAL, 1),
                Arguments.of("Chinese", CHINESE, NORMAL, 1),
                Arguments.of("both", BILINGUAL, NORMAL, 0),
                Arguments.of("left and right", LEFT_AND_RIGHT, LEFT_RIGHT, 1),
                Arguments.of("above and below", ABOVE_AND_BELOW, ABOVE_BELOW, 1));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("kindsOfPrompts")
    void pictures_showWhatThePromptsSay(String kind, List<Wanted> wanted, Layout layout, int allowed) {
        List<GeneratedImage> images = pipeline.generateAll(GenerationRequest.builder()
                .prompts(wanted.stream().map(Wanted::prompt).toList())
                .size(128, 128)
                .seed(1)
                .build());

        List<String> wrong = new ArrayList<>();
        for (int i = 0; i < images.size(); i++) {
            BufferedImage image = images.get(i).toBufferedImage();
            Wanted seen = new Wanted(wanted.get(i).prompt, JUDGE.background(image), JUDGE.objects(image, layout));
            if (!seen.equals(wanted.get(i))) {
                wrong.add(seen.toString());
            }
        }
        assertThat(wrong).as("wrong of %d", images.size()).hasSizeLessThanOrEqualTo(allowed);
    }

    @ParameterizedTest
    @CsvSource({
        "a small panda on a blue background, SMALL, panda",
        "a big panda on a blue background, LARGE, panda",
        "a panda on a blue background, NORMAL, panda",
        "蓝色背景上的小小的狐狸, SMALL, fox",
        "蓝色背景上的巨大的狐狸, LARGE, fox"
    })
    void sizeWords_areHeeded(String prompt, Layout size, String object) {
        BufferedImage image = draw(prompt, 128, 128, 3).toBufferedImage();
        assertThat(JUDGE.size(image)).isEqualTo(size);
        assertThat(JUDGE.objects(image, size)).containsExactly(object);
    }

    @ParameterizedTest
    @CsvSource({"96, 96", "160, 160", "192, 128", "128, 192"})
    void otherSizes_showTheSame(int width, int height) {
        GeneratedImage image = draw("a fox on a green background", width, height, 4);
        assertThat(image.width()).isEqualTo(width);
        assertThat(image.height()).isEqualTo(height);
        assertShowsFox(image, "green");
    }

    // At sizes that it was never trained on, the model may draw other shapes; the picture must not fall apart.
    @ParameterizedTest
    @CsvSource({"256, 256", "256, 128", "176, 144", "320, 96"})
    void farSizes_keepTheBackground(int width, int height) {
        BufferedImage image =
                draw("a fox on a green background", width, height, 4).toBufferedImage();
        assertThat(JUDGE.background(image)).isEqualTo("green");
        assertThat(JUDGE.plainRim(image)).isGreaterThan(0.8);
    }

    @ParameterizedTest
    @CsvSource({"4", "6", "9", "20"})
    void otherNumbersOfSteps_showTheSame(int steps) {
        assertShowsFox(
                pipeline.generate(
                        request("a fox on a green background", 5).steps(steps).build()),
                "green");
    }

    // What these show is no object in particular, but they are no noise either.
    @Test
    void emptyPrompt_drawsSomethingOfItsOwnChoice() {
        List<GeneratedImage> images =
                pipeline.generateAll(request("", 1).count(6).build());
        for (int i = 0; i < images.size(); i++) {
            assertThat(JUDGE.plainRim(images.get(i).toBufferedImage())).isGreaterThan(0.9);
            for (int j = 0; j < i; j++) {
                assertThat(Psnr.decibels(images.get(i).rgb(), images.get(j).rgb()))
                        .isLessThan(25);
            }
        }
    }

    @Test
    void seed_decidesThePicture() {
        GenerationRequest request = request("a fox on a yellow background", 11).build();
        GeneratedImage image = pipeline.generate(request);
        assertThat(pipeline.generate(request).rgb()).isEqualTo(image.rgb());

        GeneratedImage other = draw("a fox on a yellow background", 128, 128, 12);
        assertThat(Psnr.decibels(image.rgb(), other.rgb())).isLessThan(30);
        assertShowsFox(other, "yellow");
    }

    @Test
    void batch_equalsSinglePictures() {
        List<String> prompts = List.of("a fox on a yellow background", "左边是猫，右边是狗，绿色背景", "");
        List<GeneratedImage> batch = pipeline.generateAll(GenerationRequest.builder()
                .prompts(prompts)
                .count(2)
                .size(128, 128)
                .seed(20)
                .build());
        for (int i = 0; i < batch.size(); i++) {
            assertThat(batch.get(i).rgb())
                    .as("picture %d", i)
                    .isEqualTo(draw(prompts.get(i / 2), 128, 128, 20 + i).rgb());
        }
    }

    // Guidance adds what the prompt says beyond the negative one: nothing, if they are the same.
    @Test
    void guidance_acts_andTheSameNegativePromptUndoesIt() {
        String prompt = "a fox on a yellow background";
        byte[] plain = draw(prompt, 128, 128, 7).rgb();
        GeneratedImage guided =
                pipeline.generate(request(prompt, 7).guidance(1.5).build());
        assertThat(Psnr.decibels(guided.rgb(), plain)).isLessThan(35);
        assertShowsFox(guided, "yellow");

        GeneratedImage undone = pipeline.generate(
                request(prompt, 7).guidance(1.5).negativePrompt(prompt).build());
        assertThat(Psnr.decibels(undone.rgb(), plain)).isGreaterThan(40);
    }

    @Test
    void negativePrompt_keepsAwayWhatItNames() {
        int kept = 0;
        for (int seed = 0; seed < 6; seed++) {
            GenerationRequest.Builder request =
                    request("an animal on a green background", seed).guidance(1);
            String drawn = object(pipeline.generate(request.build()));
            String negative = "a " + drawn + " on a green background";
            if (object(pipeline.generate(request.negativePrompt(negative).build()))
                    .equals(drawn)) {
                kept++;
            }
        }
        assertThat(kept).isLessThanOrEqualTo(1);
    }

    // In FP32 every way was within 81 dB of the plainest: 60 dB is a quarter of a level of 255. The VAE alone in BF16
    // was within 57 dB. In
    // BF16, eight steps let roundings grow to another shade of the background (29 dB was seen), but not to another
    // object or place:
    // that would be 15 dB.
    static Stream<Arguments> waysToCompute() {
        List<Arguments> ways = new ArrayList<>();
        for (AttentionBackend attention : List.of(
                AttentionBackend.SDPA, AttentionBackend.FLASH, AttentionBackend.MATH, AttentionBackend.BLOCKWISE)) {
            ways.add(Arguments.of(attention.name(), Precision.FP32, Precision.FP32, 60));
            ways.add(Arguments.of(attention.name(), Precision.BF16, Precision.BF16, 20));
        }
        ways.add(Arguments.of("math", Precision.FP32, Precision.BF16, 50));
        return ways.stream();
    }

    @ParameterizedTest
    @MethodSource("waysToCompute")
    void everyWayToCompute_drawsTheSame(String attention, Precision precision, Precision vae, double decibels) {
        List<Wanted> wanted = List.of(ENGLISH.get(0), CHINESE.get(1), ENGLISH.get(2));
        GenerationRequest request = GenerationRequest.builder()
                .prompts(wanted.stream().map(Wanted::prompt).toList())
                .size(128, 128)
                .seed(30)
                .build();
        try (ZImagePipeline other = builder()
                .attention(new AttentionBackend(attention))
                .precision(precision)
                .precision(Component.VAE, vae)
                .build()) {
            List<GeneratedImage> images = other.generateAll(request);
            for (int i = 0; i < images.size(); i++) {
                BufferedImage image = images.get(i).toBufferedImage();
                assertThat(JUDGE.objects(image, NORMAL)).isEqualTo(wanted.get(i).objects);
                assertThat(JUDGE.background(image)).isEqualTo(wanted.get(i).background);
                double psnr = Psnr.decibels(images.get(i).rgb(), exact(request).get(i));
                assertThat(psnr).as(wanted.get(i).prompt).isGreaterThan(decibels);
            }
        }
    }

    @Test
    void tiles_drawTheSame() {
        GenerationRequest request = request("左边是猫，右边是狗，绿色背景", 1).build();
        List<byte[]> pictures = new ArrayList<>();
        for (VaeTiling tiling : List.of(VaeTiling.off(), VaeTiling.ofRows(32))) {
            try (ZImagePipeline other = builder().vaeTiling(tiling).build()) {
                GeneratedImage image = other.generate(request);
                assertThat(JUDGE.objects(image.toBufferedImage(), LEFT_RIGHT)).containsExactly("cat", "dog");
                pictures.add(image.rgb());
            }
        }
        assertThat(Psnr.decibels(pictures.get(0), pictures.get(1))).isGreaterThan(40);
    }

    /** Draws in FP32 with the plainest attention, once. */
    private static List<byte[]> exact(GenerationRequest request) {
        if (exact.isEmpty()) {
            try (ZImagePipeline plain = builder()
                    .attention(AttentionBackend.MATH)
                    .precision(Precision.FP32)
                    .build()) {
                exact = plain.generateAll(request).stream()
                        .map(GeneratedImage::rgb)
                        .toList();
            }
        }
        return exact;
    }

    private static PipelineBuilder builder() {
        return ZImagePipeline.builder().model(MODEL);
    }

    private static GenerationRequest.Builder request(String prompt, long seed) {
        return GenerationRequest.builder().prompt(prompt).size(128, 128).seed(seed);
    }

    private static GeneratedImage draw(String prompt, int width, int height, long seed) {
        return pipeline.generate(request(prompt, seed).size(width, height).build());
    }

    private static String object(GeneratedImage image) {
        return JUDGE.objects(image.toBufferedImage(), NORMAL).get(0);
    }

    private static void assertShowsFox(GeneratedImage image, String background) {
        BufferedImage pixels = image.toBufferedImage();
        assertThat(JUDGE.objects(pixels, NORMAL)).containsExactly("fox");
        assertThat(JUDGE.background(pixels)).isEqualTo(background);
    }
}
