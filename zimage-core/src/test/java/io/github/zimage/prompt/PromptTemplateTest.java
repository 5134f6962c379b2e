package io.github.zimage.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class PromptTemplateTest {
    @Test
    void partsAreJoinedAsTheLanguageWantsIt() {
        assertThat(PromptTemplate.builder()
                        .subject("a red fox asleep,")
                        .detail("frost on its fur.")
                        .background("birch forest at dawn")
                        .style(PromptLibrary.standard().style("watercolour"))
                        .build()
                        .prompt())
                .isEqualTo(
                        "a red fox asleep, frost on its fur, birch forest at dawn, watercolour on rough paper, soft edges");
        assertThat(PromptTemplate.builder()
                        .subject("一只熟睡的狐狸。")
                        .detail("毛上结着霜，")
                        .style(PromptLibrary.standard().style("watercolour"))
                        .build()
                        .prompt())
                .isEqualTo("一只熟睡的狐狸，毛上结着霜，水彩画，粗纹纸，柔和边缘");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "a fox",
                "a fox | snow",
                "a fox | dawn | ink",
                "a fox | a | b | dawn | ink",
                "a fox | a |  | ink",
                "a fox | a | b |  | "
            })
    void whatIsWritten_isReadAgain(String text) {
        PromptTemplate template = PromptTemplate.parse(text);

        assertThat(PromptTemplate.parse(template.toString())).isEqualTo(template);
        assertThat(template.toString().strip()).isEqualTo(text.strip());
    }

    @Test
    void partsAreReadInTheirOrder() {
        assertThat(PromptTemplate.parse("s|d||e| b |t"))
                .isEqualTo(new PromptTemplate("s", List.of("d", "e"), "b", "t"));
    }

    @ParameterizedTest
    @CsvSource({"'', subject must not be blank", "' | a', subject must not be blank", "'a\nb', subject must not contain"
    })
    void whatIsNoTemplate_isRefused(String text, String message) {
        assertThatThrownBy(() -> PromptTemplate.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    @Test
    void aBarInAPart_isRefused() {
        assertThatThrownBy(() -> PromptTemplate.builder().subject("a|b").build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("subject must not contain a vertical bar");
        assertThatThrownBy(() -> PromptTemplate.builder().build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("say what the picture shows");
    }

    @Test
    void placeholdersHaveToBeFilled() {
        PromptTemplate poster = PromptLibrary.standard().template("poster", PromptLanguage.ENGLISH);

        assertThat(poster.placeholders()).containsExactly("subject", "text");
        assertThatThrownBy(() -> poster.fill(Map.of("text", "$1 OPEN")).prompt())
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("placeholders are left: [subject]");
        assertThat(poster.fill(Map.of("text", "$1 OPEN", "subject", "a door")).prompt())
                .startsWith("poster with the large title \"$1 OPEN\" at the top, below it a door, ");
        assertThatThrownBy(() -> poster.fill(Map.of("txt", "OPEN")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("there is no placeholder {txt}, only [subject, text]");
        assertThatThrownBy(() -> poster.fill(Map.of("text", "a|b"))).isInstanceOf(IllegalArgumentException.class);
    }

    /** Advice that the linter would take back is worth nothing. */
    @ParameterizedTest
    @EnumSource(PromptLanguage.class)
    void whatTheLibraryHas_isCleanForTheLinter(PromptLanguage language) {
        PromptLinter linter = PromptLinter.builder().chinese(null).build();
        PromptLibrary library = PromptLibrary.standard();
        String subject = language == PromptLanguage.CHINESE ? "一座塔" : "a tower";

        assertThat(library.templates()).containsExactly("ink-painting", "landscape", "portrait", "poster", "product");
        for (String name : library.templates()) {
            PromptTemplate template = library.template(name, language);
            Map<String, String> values = new HashMap<>();
            template.placeholders().forEach(placeholder -> values.put(placeholder, subject));
            assertThat(linter.lint(template.fill(values).prompt()).findings())
                    .as(name)
                    .isEmpty();
        }
        assertThat(library.styles()).hasSizeGreaterThan(15);
        for (String name : library.styles()) {
            String prompt = PromptTemplate.builder()
                    .subject(subject)
                    .style(library.style(name))
                    .build()
                    .prompt();
            assertThat(linter.lint(prompt).findings()).as(name).isEmpty();
        }
    }

    @Test
    void ownEntries_areAddedAndCountMore(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("mine.json");
        Files.writeString(
                file,
                "{\"styles\": {\"anime\": {\"en\": \"my anime\", \"zh\": \"我的动漫\"}},"
                        + " \"templates\": {\"stamp\": {\"en\": \"{subject} | a | b\", \"zh\": \"{subject}\"}}}");

        PromptLibrary library = PromptLibrary.standard().with(PromptLibrary.load(file));

        assertThat(library.style("anime").words(PromptLanguage.CHINESE)).isEqualTo("我的动漫");
        assertThat(library.template("stamp", PromptLanguage.ENGLISH).style()).isEqualTo("b");
        assertThat(library.style("clay")).isEqualTo(PromptLibrary.standard().style("clay"));
        assertThat(PromptLibrary.standard().style("anime").english()).isNotEqualTo("my anime");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '~',
            value = {
                "{ ~ not JSON",
                "[] ~ a prompt library is a JSON object",
                "{\"looks\": {}} ~ unknown key 'looks'",
                "{\"styles\": {\"A b\": {}}} ~ but was 'A b'",
                "{\"styles\": {\"a\": {\"en\": \"x\"}}} ~ 'a' must have a text 'zh'",
                "{\"styles\": {\"a\": {\"en\": \"x\", \"zh\": \" \"}}} ~ must have words in both languages",
                "{\"styles\": {\"a\": {\"en\": \"x|y\", \"zh\": \"z\"}}} ~ must not contain a vertical bar",
                "{\"templates\": {\"a\": {\"en\": \"\", \"zh\": \"z\"}}} ~ subject must not be blank",
            })
    void wrongFiles_areRefusedWithTheReason(String json, String message, @TempDir Path folder) throws Exception {
        Path file = folder.resolve("wrong.json");
        Files.writeString(file, json);

        assertThatThrownBy(() -> PromptLibrary.load(file))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContaining(message);
    }

    @Test
    void unknownNames_areAnsweredWithTheKnownOnes() {
        assertThatThrownBy(() -> PromptLibrary.standard().template("potrait", PromptLanguage.ENGLISH))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("there is no template 'potrait', only ink-painting, landscape, portrait, poster, product");
    }

    /** Otherwise a form of a few thousand characters could ask for gigabytes. */
    @Test
    void whatWouldBeTooLong_isRefusedBeforeItIsBuilt() {
        PromptTemplate template = PromptTemplate.parse("{a}".repeat(15_000));
        assertThatThrownBy(() -> template.fill(Map.of("a", "x".repeat(60_000))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("a template must have at most 65536 characters, but has 900000000: shorten its parts");
        assertThatThrownBy(() -> PromptTemplate.parse("x".repeat(70_000)))
                .hasMessage("a template must have at most 65536 characters, but has 70000: shorten its parts");
        assertThat(template.fill(Map.of("a", "xyzq")).subject()).hasSize(60_000);
    }

    @Test
    void messagesShowTheBeginningOfLongTexts() {
        String name = "very-long-".repeat(50);
        assertThatThrownBy(() -> PromptLibrary.standard().style(name))
                .hasMessageContaining("'" + name.substring(0, 99) + "\u2026'")
                .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(300));
        assertThatThrownBy(() -> PromptLibrary.parse("{\"" + name + "\": 1}"))
                .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(200));
    }
}
