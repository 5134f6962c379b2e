package io.github.zimage.internal.text;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.ModelLoadException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Mutates sound tokenizers and reads hostile texts with what is let through, in another process: native code that panics ends
 * it, and a test of its own process would end with it. {@code -Dzimage.fuzz=long} tries 40,000 files rather than 400.
 */
class TokenizerFuzzTest {
    private static final int FILES = "long".equals(System.getProperty("zimage.fuzz")) ? 40_000 : 400;
    private static final int LONGEST_MINUTES = 60;

    @Test
    void whateverTheFile_theProcessLives(@TempDir Path folder) throws Exception {
        Path output = folder.resolve("output.txt");
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx512m",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Fuzzer.class.getName(),
                        Path.of("src/test/resources/parity").toString(),
                        folder.toString(),
                        String.valueOf(FILES))
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        try {
            assertThat(process.waitFor(LONGEST_MINUTES, TimeUnit.MINUTES)).isTrue();
        } finally {
            process.destroyForcibly();
        }
        List<String> lines = Files.readAllLines(output);
        List<String> end = lines.subList(Math.max(0, lines.size() - 20), lines.size());
        assertThat(process.exitValue()).as(String.join("\n", end)).isZero();
        assertThat(end.get(end.size() - 1)).matches("refused [1-9][0-9]+, read [1-9][0-9]*");
    }

    /** The other process. Prints what it tries before it tries it. */
    static final class Fuzzer {
        private static final ObjectMapper JSON = new ObjectMapper();
        private static final String LONG = "z".repeat(3000);

        /** Parts of other tokenizers, many of which make native code panic or never end. */
        private static final List<String> PARTS = List.of(
                "null",
                "true",
                "{}",
                "[]",
                "-1",
                "0",
                "1e400",
                "9223372036854775808",
                "\"\"",
                "\"\\u0000\"",
                "\"\\ud800\"",
                "\"" + LONG + "\"",
                "[".repeat(20) + "]".repeat(20),
                "[".repeat(500) + "]".repeat(500),
                "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"zz\"}",
                "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(x+x+)+y\"},\"content\":\"\"}",
                "{\"type\":\"Sequence\",\"normalizers\":[]}",
                "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"\"}",
                "{\"type\":\"Prepend\",\"prepend\":\"\"}",
                "{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}",
                "{\"type\":\"Lowercase\"}",
                "{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true}",
                "{\"type\":\"FixedLength\",\"length\":0}",
                "{\"type\":\"Split\",\"pattern\":{\"String\":\"\"},\"behavior\":\"Isolated\",\"invert\":false}",
                "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a*)*b|(?=\"},\"behavior\":\"MergedWithNext\",\"invert\":true}",
                "{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":\"always\",\"split\":true}",
                "{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}",
                "{\"type\":\"Digits\",\"individual_digits\":true}",
                "{\"type\":\"UnicodeScripts\"}",
                "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{}}",
                "{\"type\":\"RobertaProcessing\",\"sep\":[\"a\",0],\"cls\":[\"a\",0],\"trim_offsets\":true,\"add_prefix_space\":true}",
                "{\"type\":\"Unigram\",\"unk_id\":5,\"vocab\":[[\"a\",0.0]],\"byte_fallback\":true}",
                "{\"type\":\"WordPiece\",\"unk_token\":\"x\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":0,\"vocab\":{}}",
                "{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"b\"}",
                "{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}",
                "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[[\"a\",\"b\"],[\"ab\",\"ab\"]]}",
                "{\"type\":\"CTC\",\"pad_token\":\"\",\"word_delimiter_token\":\"\",\"cleanup\":true}");

        private static final List<String> PIECES = List.of(
                " ",
                "\n",
                "\r\n",
                "\t",
                "a",
                "the",
                "'s",
                "'S",
                "1",
                "中",
                "\u0301",
                "\uD83E\uDD8A",
                "\uD800",
                "\uDC00",
                "\u0000",
                "\uFFFF",
                "\u202E",
                "\u00A0",
                "\u3000",
                "\u2028",
                "\u1100\u1161\u11A8",
                "\u0958",
                "\uFB2C",
                "\u0344",
                "<|im_start|>",
                "<|im_end|>",
                "<|im",
                "<|endoftext|>",
                "!!!",
                "…");

        private final Random random;

        private Fuzzer(long seed) {
            random = new Random(seed);
        }

        /** Takes the folder of sound models, one to write to, and how many files to try. */
        public static void main(String[] args) throws IOException {
            int refused = 0;
            int read = 0;
            Path file = Files.createDirectories(Path.of(args[1], "tokenizer")).resolve("tokenizer.json");
            for (int seed = 0; seed < Integer.parseInt(args[2]); seed++) {
                Fuzzer fuzzer = new Fuzzer(seed);
                Path sound = Path.of(args[0], "case-0" + fuzzer.random.nextInt(3), "model/tokenizer/tokenizer.json");
                Files.write(file, fuzzer.mutated(sound));
                System.out.println("file " + seed);
                System.out.flush();
                if (fuzzer.isLetThrough(file)) {
                    read++;
                } else {
                    refused++;
                }
            }
            System.out.println("refused " + refused + ", read " + read);
        }

        /** Anything thrown but a refusal of one line ends the process with an error, and so does a token that is none. */
        private boolean isLetThrough(Path file) {
            try (PromptTokenizer tokenizer = PromptTokenizer.load(file)) {
                for (int i = 0; i < 4; i++) {
                    String text = text();
                    System.out.println("text " + i + " of " + text.length());
                    System.out.flush();
                    for (int id : tokenizer.encodePrompt(text)) {
                        if (id < 0 || id > 1_000_000) {
                            throw new IllegalStateException("token " + id);
                        }
                    }
                }
                return true;
            } catch (ModelLoadException e) {
                String message = String.valueOf(e.getMessage());
                if (message.contains("\n") || message.length() > 600 || message.contains(LONG.substring(0, 101))) {
                    throw new IllegalStateException(message, e);
                }
                return false;
            }
        }

        private String text() {
            StringBuilder text = new StringBuilder();
            int length = random.nextInt(4) == 0 ? 60_000 : random.nextInt(300);
            while (text.length() < length) {
                String piece = PIECES.get(random.nextInt(PIECES.size()));
                text.append(piece.repeat(random.nextInt(6) == 0 ? 1 + random.nextInt(5000) : 1));
            }
            return text.substring(0, Math.min(text.length(), 65_000));
        }

        private byte[] mutated(Path sound) throws IOException {
            byte[] bytes = Files.readAllBytes(sound);
            int kind = random.nextInt(10);
            if (kind == 0) {
                return damaged(bytes);
            }
            ObjectNode root = (ObjectNode) JSON.readTree(bytes);
            if (kind == 1) {
                reorder(root);
            } else {
                for (int i = random.nextInt(3); i >= 0; i--) {
                    change(root);
                }
            }
            return JSON.writeValueAsBytes(root);
        }

        /** Cuts, flips or doubles some bytes. */
        private byte[] damaged(byte[] bytes) {
            String text = new String(bytes, StandardCharsets.ISO_8859_1);
            int at = random.nextInt(text.length());
            String changed = switch (random.nextInt(3)) {
                case 0 -> text.substring(0, at);
                case 1 -> text.substring(0, at) + (char) random.nextInt(256) + text.substring(at + 1);
                default -> text.substring(0, at) + text.substring(random.nextInt(at + 1));
            };
            return changed.getBytes(StandardCharsets.ISO_8859_1);
        }

        /** Merges in another order, and ids dealt out anew: a sound tokenizer, but a strange one. */
        private void reorder(ObjectNode root) {
            ArrayNode merges = (ArrayNode) root.at("/model/merges");
            List<JsonNode> shuffled = new ArrayList<>();
            merges.forEach(shuffled::add);
            Collections.shuffle(shuffled, random);
            merges.removeAll().addAll(shuffled);
            ObjectNode vocab = (ObjectNode) root.at("/model/vocab");
            List<String> tokens = new ArrayList<>();
            vocab.fieldNames().forEachRemaining(tokens::add);
            Collections.shuffle(tokens, random);
            for (int i = 0; i < tokens.size(); i++) {
                vocab.put(tokens.get(i), i);
            }
            ArrayNode added = (ArrayNode) root.get("added_tokens");
            int id = tokens.size() + added.size();
            for (String content : List.of("\u0000", "\u0301", "e", "\n", " ", "\uD83E\uDD8A", "中".repeat(200))) {
                if (random.nextBoolean()) {
                    Integer known =
                            vocab.has(content) ? (Integer) vocab.get(content).asInt() : null;
                    added.addObject()
                            .put("id", known != null ? known : id++)
                            .put("content", content)
                            .put("normalized", random.nextBoolean())
                            .put("special", random.nextBoolean());
                }
            }
        }

        /** Replaces, removes, adds or doubles something, at a place that large lists do not swallow. */
        private void change(ObjectNode root) throws JsonProcessingException {
            JsonNode parent = root;
            while (random.nextInt(5) > 0) {
                List<JsonNode> children = new ArrayList<>();
                parent.elements().forEachRemaining(child -> {
                    if (child.isContainerNode() && !child.isEmpty()) {
                        children.add(child);
                    }
                });
                if (children.isEmpty()) {
                    break;
                }
                parent = children.get(random.nextInt(children.size()));
            }
            JsonNode part = JSON.readTree(PARTS.get(random.nextInt(PARTS.size())));
            if (parent instanceof ArrayNode array) {
                changeList(array, part);
            } else {
                changeObject((ObjectNode) parent, part);
            }
        }

        private void changeList(ArrayNode list, JsonNode part) {
            int at = random.nextInt(list.size() + 1);
            switch (random.nextInt(4)) {
                case 0 -> list.insert(at, part);
                case 1 -> list.remove(at);
                case 2 ->
                    list.insert(
                            at,
                            list.isEmpty()
                                    ? part
                                    : list.get(random.nextInt(list.size())).deepCopy());
                default -> {
                    if (at < list.size()) {
                        list.set(at, part);
                    }
                }
            }
        }

        private void changeObject(ObjectNode object, JsonNode part) {
            List<String> keys = new ArrayList<>();
            object.fieldNames().forEachRemaining(keys::add);
            String key = keys.isEmpty() ? "x" : keys.get(random.nextInt(keys.size()));
            switch (random.nextInt(5)) {
                case 0 -> object.remove(key);
                case 1 -> object.set(random.nextBoolean() ? "new" : LONG, part);
                case 2 -> {
                    if (object.get(key) != null && object.get(key).isBoolean()) {
                        object.put(key, !object.get(key).asBoolean());
                    } else if (object.get(key) != null && object.get(key).isInt()) {
                        object.put(key, object.get(key).asInt() + (random.nextBoolean() ? 1 : Integer.MAX_VALUE));
                    }
                }
                default -> object.set(key, part);
            }
        }
    }
}
