package io.github.zimage.serve;

import static io.github.zimage.serve.ServerFixture.GENERATIONS;
import static io.github.zimage.serve.ServerFixture.json;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.zimage.GenerationRequest;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.PromptTooLongException;
import io.github.zimage.internal.request.RequestJson;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What clients may ask for: OpenAI's parameters, and all values of a request by the names that it has elsewhere. */
@Timeout(60)
final class RequestParametersTest {
    private ServerFixture server;

    @BeforeEach
    void start() throws Exception {
        server = new ServerFixture(ServerFixture.options().build());
    }

    @AfterEach
    void end() {
        server.close();
    }

    /** Returns what the backend is asked for by a body with apostrophes for quotation marks. */
    private GenerationRequest drawn(String path, String body) throws Exception {
        Wire.Answer answer = server.post(path, "", body.replace('\'', '"'));
        assertThat(answer.status()).as(answer.text()).isIn(200, 202);
        List<StubBackend.Work> works = server.backend().works;
        ServerFixture.await(() -> !works.isEmpty());
        return works.get(works.size() - 1).request();
    }

    private JsonNode refused(String path, String body) throws Exception {
        Wire.Answer answer = server.post(path, "", body.replace('\'', '"'));
        assertThat(answer.status()).as(answer.text()).isEqualTo(400);
        assertThat(server.backend().works).isEmpty();
        return ServerFixture.error(answer);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "'style':'vivid','quality':'standard'            | style",
                "'style':'natural','quality':'hd','user':'u-1'   | style, user",
                "'output_format':'png','output_compression':100  | output_compression",
                "'background':'opaque','moderation':'low'        | moderation",
                "'style':null,'background':'auto'                | ~~",
                "'response_format':'b64_json','n':1              | ~~"
            })
    void parametersThatChangeNothing_areTaken_andNamed(String fields, String ignored) throws Exception {
        String body = "{'prompt':'fox','size':'64x64'," + fields + "}";
        Wire.Answer answer = server.post(GENERATIONS, "", body.replace('\'', '"'));
        assertThat(answer.status()).as(answer.text()).isEqualTo(200);
        assertThat(answer.header("x-ignored-parameters")).isEqualTo(ignored);
    }

    /** OpenAI's reference limits it nowhere, and nothing here depends on it. */
    @Test
    void userOfAnyLength_isTakenAndIgnored() throws Exception {
        String body = "{'prompt':'fox','user':'%s'}".formatted("u".repeat(40_000));
        Wire.Answer answer = server.post(GENERATIONS, "", body.replace('\'', '"'));
        assertThat(answer.status()).as(answer.text()).isEqualTo(200);
        assertThat(answer.header("x-ignored-parameters")).isEqualTo("user");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "output_format      | 'webp'",
                "output_format      | 'jpeg','response_format':'url'",
                "output_compression | 99",
                "output_compression | 101",
                "background         | 'transparent'",
                "style              | 'baroque'",
                "moderation         | 'none'",
                "quality            | 'best'",
                "response_format    | 'file'",
                "partial_images     | 2",
                "partial_images     | 4",
                "stream             | 'yes'"
            })
    void parametersThatCannotBeHonoured_areRefusedByName(String name, String value) throws Exception {
        JsonNode error = refused(GENERATIONS, "{'prompt':'fox','%s':%s}".formatted(name, value));
        assertThat(error.get("param").textValue()).isEqualTo(name);
        assertThat(error.get("message").textValue()).contains(name);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"auto", "1024x1024", "1536x1024", "1024x1536", "1792x1024", "1024x1792", "512x512", "256x256"})
    void sizesOfOpenAi_areWithinTheUsualLimits(String size) throws Exception {
        server.close();
        server = new ServerFixture(ServerOptions.builder().port(0).model("stub").build());
        GenerationRequest request = drawn(GENERATIONS, "{'prompt':'fox','size':'%s'}".formatted(size));
        assertThat(request.width() + "x" + request.height()).isEqualTo(size.equals("auto") ? "1024x1024" : size);
    }

    @Test
    void sizeBeyondTheLimit_isRefused() throws Exception {
        server.close();
        server = new ServerFixture(ServerOptions.builder().port(0).model("stub").build());
        JsonNode error = refused(GENERATIONS, "{'prompt':'fox','size':'2048x1024'}");
        assertThat(error.get("param").textValue()).isEqualTo("size");
        assertThat(error.get("message").textValue()).contains("1360 x 1360", "2048 x 1024");
    }

    @ParameterizedTest
    @ValueSource(strings = {GENERATIONS, "/api/jobs"})
    void allValuesOfARequest_areTaken(String path) throws Exception {
        GenerationRequest wanted = GenerationRequest.builder()
                .prompt("a fox \u2028 狐狸")
                .negativePrompt("blur")
                .size(64, 48)
                .guidance(2.5)
                .cfgNormalization(1.5)
                .cfgTruncation(0.75)
                .seeds(List.of(3L, -7L, 12345678901234567L))
                .sigmas(List.of(1f, 0.6f, 0.2f))
                .noiseReduction(2)
                .build();
        assertThat(drawn(path, wanted.toJson().replace("'", "\\u0027"))).isEqualTo(wanted);
        String python = wanted.toJson()
                .replace("negativePrompt", "negative_prompt")
                .replace("cfgNormalization", "cfg_normalization")
                .replace("cfgTruncation", "cfg_truncation")
                .replace("noiseReduction", "noise_reduction");
        assertThat(drawn(path, python)).isEqualTo(wanted);
    }

    // A value that is added to requests is taken over HTTP as well, without a line of the server's.
    @Test
    void namesOfParameters_areThoseOfTheOneCodec() throws Exception {
        String message = refused(GENERATIONS, "{'prompt':'fox','colour':'red'}")
                .get("message")
                .textValue();
        assertThat(message).contains("no parameter 'colour'");
        for (String name : RequestJson.names()) {
            assertThat(message).contains(name.replaceAll("(?=\\p{Lu})", "_").toLowerCase(java.util.Locale.ROOT));
        }
    }

    @Test
    void severalPrompts_areDrawnTogether() throws Exception {
        GenerationRequest request = drawn("/api/jobs", "{'prompts':['a fox','a hare'],'count':2,'seed':9}");
        assertThat(request.prompts()).containsExactly("a fox", "a hare");
        assertThat(request.totalCount()).isEqualTo(4);
    }

    @ParameterizedTest
    @CsvSource({
        "18446744073709551615, 18446744073709551615",
        "9223372036854775808, 9223372036854775808",
        "-9223372036854775808, 9223372036854775808",
        "-2, 18446744073709551614",
        "0, 0"
    })
    void seedsOfAllPrograms_areTaken_andToldWithoutASign(String seed, String told) throws Exception {
        Wire.Answer answer = server.post(GENERATIONS, "", "{\"prompt\":\"fox\",\"seed\":%s}".formatted(seed));
        assertThat(json(answer).at("/data/0/seed").asText()).isEqualTo(told);
        JsonNode job = json(server.post("/api/jobs", "", "{\"prompt\":\"fox\",\"seed\":%s}".formatted(seed)));
        assertThat(job.get("seed").asText()).isEqualTo(told);
    }

    @ParameterizedTest
    @ValueSource(strings = {"{'prompt':'fox'}", "{'prompt':'fox','seed':-1}", "{'prompt':'fox','seed':null}"})
    void seedThatIsLeftOpen_isChosenAndTold(String body) throws Exception {
        JsonNode first = json(server.post(GENERATIONS, "", body.replace('\'', '"')));
        JsonNode second = json(server.post(GENERATIONS, "", body.replace('\'', '"')));
        assertThat(first.at("/data/0/seed").asLong()).isBetween(0L, (1L << 32) - 1);
        assertThat(second.at("/data/0/seed")).isNotEqualTo(first.at("/data/0/seed"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "'prompt':'a','size':'65x64'           | size            | width must be a multiple of 16",
                "'prompt':'a','width':65,'height':64   | width           | width must be a multiple of 16",
                "'prompt':'a','width':0                | width           | width must be between 1 and 8192",
                "'prompt':'a','size':'0x16'            | size            | width must be between 1 and 8192",
                "'prompt':'a','size':'64x64','width':8 | size            | size is width and height in one",
                "'prompt':'a','width':512,'height':512 | width           | 25600 pixels",
                "'prompt':'a','n':0                    | n               | n must be a whole number from 1 to 4",
                "'prompt':'a','n':2,'count':2          | n               | n and count or seeds say the same",
                "'prompt':'a','n':2,'seeds':[1,2]      | n               | n and count or seeds say the same",
                "'prompt':'a','count':5                | count           | count must be a whole number from 1 to 4",
                "'prompt':'a','count':1001             | count           | count must be a whole number from 1 to 4",
                "'prompt':'a','seeds':[1,2,3,4,5]      | seeds           | may have 4 pictures here, but 5",
                "'prompts':['a','b','c'],'n':2         | n               | may have 4 pictures here, but 6",
                "'prompts':['a','b'],'prompt':'c'      | prompt          | only one of prompt and prompts",
                "'prompts':[]                          | prompts         | either a prompt",
                "'prompts':['a',' ']                   | prompts         | prompts must say what to draw, but one was empty",
                "'prompt':'  '                         | prompt          | prompt must say what to draw, but was empty",
                "'prompt':''                           | prompt          | prompt must say what to draw, but was empty",
                "'negative_prompt':'x'                 | prompt          | prompt must say what to draw, but was missing",
                "'prompt':'a','negative_prompt':7      | negative_prompt | negative_prompt must be a text, but was 7",
                "'prompt':'a','negativePrompt':7       | negativePrompt  | negativePrompt must be a text, but was 7",
                "'prompt':'a','steps':51               | steps           | steps must be a whole number from 1 to 50",
                "'prompt':'a','steps':0                | steps           | steps must be a whole number from 1 to 50",
                "'prompt':'a','steps':-1               | steps           | steps must be a whole number from 1 to 50",
                "'prompt':'a','steps':2.5              | steps           | steps must be a whole number from 1 to 50",
                "'prompt':'a','sigmas':[0.5,0.6]       | sigmas          | sigmas must fall strictly",
                "'prompt':'a','cfg_truncation':2       | cfg_truncation  | cfg_truncation must be between 0 and 1",
                "'prompt':'a','noise_reduction':4      | noise_reduction | 25600 pixels",
                "'prompt':'a','seed':18446744073709551616 | seed         | seed must be a whole number from -2^63 to 2^64 - 1",
                "'prompt':'a','seed':1.5               | seed            | seed must be a whole number"
            })
    void refusal_namesTheParameterThatTheClientKnows(String fields, String parameter, String message) throws Exception {
        JsonNode error = refused(GENERATIONS, "{" + fields + "}");
        assertThat(error.get("message").textValue()).contains(message);
        assertThat(error.get("param").textValue()).isEqualTo(parameter);
    }

    @Test
    void refusalByTheModel_namesTheParameterToo() throws Exception {
        server.backend().refusal =
                new InvalidRequestException(List.of("negativePrompt"), "negativePrompt must be short");
        for (String path : List.of(GENERATIONS, "/api/jobs")) {
            JsonNode error = refused(path, "{'prompt':'fox','negative_prompt':'x'}");
            assertThat(error.get("param").textValue()).isEqualTo("negative_prompt");
            assertThat(error.get("message").textValue()).isEqualTo("negative_prompt must be short");
        }
    }

    @Test
    void promptWithTooManyTokens_isToldWhatACallerCanDo() throws Exception {
        server.backend().refusal = new PromptTooLongException("negativePrompt", 2009, 512);
        JsonNode error = refused(GENERATIONS, "{'prompt':'fox','negative_prompt':'x'}");
        assertThat(error.get("param").textValue()).isEqualTo("negative_prompt");
        assertThat(error.get("message").textValue())
                .isEqualTo(
                        "negative_prompt must have at most 512 tokens, but has 2009 (with those of the chat template):"
                                + " shorten it to 512 tokens");
    }

    @Test
    void longPrompt_isRefusedInEachPlace() throws Exception {
        String text = "x".repeat(RequestReader.MAX_PROMPT + 1);
        for (String fields : List.of(
                "'prompt':'" + text + "'",
                "'prompts':['a','" + text + "']",
                "'prompt':'a','negative_prompt':'" + text + "'")) {
            assertThat(refused("/api/jobs", "{" + fields + "}").get("message").textValue())
                    .contains("must have at most 8000 characters, but has 8001");
        }
    }

    @Test
    void progress_isComments_unlessItIsAskedFor() throws Exception {
        String body = "{\"prompt\":\"fox\",\"stream\":true%s}";
        String plain = streamed(body.formatted(""));
        assertThat(plain).contains(": step 0 of 8\n").contains("event: image_generation.completed\n");
        assertThat(plain.replace("event: image_generation.completed", "")).doesNotContain("event: ");
        assertThat(streamed(body.formatted(",\"progress\":true"))).contains("event: image_generation.in_progress\n");
    }

    private String streamed(String body) throws Exception {
        try (Wire wire = server.connect()) {
            wire.write("POST %s HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                    .formatted(GENERATIONS, body.length(), body));
            wire.answer();
            StringBuilder text = new StringBuilder();
            while (text.indexOf("data: {\"type\":\"image_generation.completed") < 0) {
                text.append(wire.line()).append('\n');
            }
            return text.toString();
        }
    }
}
