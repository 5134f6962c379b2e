package io.github.zimage.demo;

import static io.github.zimage.demo.SyntheticConfigs.ordered;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A small tokenizer of Qwen's kind: byte-level BPE with Qwen's normalization, splitting, chat template and special tokens,
 * but with a vocabulary of single bytes and of a few words.
 */
final class SyntheticTokenizer {
    private static final List<String> SPECIALS = List.of("<|endoftext|>", "<|im_start|>", "<|im_end|>");
    private static final List<String> WORDS = List.of(
            "user",
            "assistant",
            " a",
            " the",
            " of",
            " in",
            " on",
            " and",
            " with",
            " red",
            " fox",
            " snow",
            "一",
            "只",
            "的",
            "在",
            "里",
            "红色",
            "雪");

    private static final String SPLIT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    private static final String CHAT_TEMPLATE = "{%- for message in messages %}"
            + "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
            + "{%- endfor %}"
            + "{%- if add_generation_prompt %}"
            + "{{- '<|im_start|>assistant\\n' }}"
            + "{%- if enable_thinking is defined and enable_thinking is false %}"
            + "{{- '<think>\\n\\n</think>\\n\\n' }}"
            + "{%- endif %}{%- endif %}";

    private SyntheticTokenizer() {}

    /** Returns what belongs into {@code tokenizer.json}. */
    static Map<String, Object> tokenizer() {
        String[] letters = letters();
        Map<String, Integer> vocabulary = new LinkedHashMap<>();
        for (String letter : letters) {
            vocabulary.put(letter, vocabulary.size());
        }
        List<List<String>> merges = new ArrayList<>();
        for (String word : WORDS) {
            String head = "";
            for (byte b : word.getBytes(StandardCharsets.UTF_8)) {
                String letter = letters[b & 0xff];
                if (!head.isEmpty() && !vocabulary.containsKey(head + letter)) {
                    merges.add(List.of(head, letter));
                    vocabulary.put(head + letter, vocabulary.size());
                }
                head += letter;
            }
        }
        List<Map<String, Object>> specials = new ArrayList<>();
        for (String special : SPECIALS) {
            Map<String, Object> token = new LinkedHashMap<>();
            token.put("id", vocabulary.size() + specials.size());
            token.putAll(special(special));
            specials.add(token);
        }
        Map<String, Object> byteLevel =
                ordered("type", "ByteLevel", "add_prefix_space", false, "trim_offsets", false, "use_regex", false);
        Map<String, Object> split =
                ordered("type", "Split", "pattern", Map.of("Regex", SPLIT), "behavior", "Isolated", "invert", false);
        Map<String, Object> model = ordered(
                "type",
                "BPE",
                "dropout",
                null,
                "unk_token",
                null,
                "continuing_subword_prefix",
                "",
                "end_of_word_suffix",
                "",
                "fuse_unk",
                false,
                "byte_fallback",
                false,
                "ignore_merges",
                false,
                "vocab",
                vocabulary,
                "merges",
                merges);
        return ordered(
                "version",
                "1.0",
                "truncation",
                null,
                "padding",
                null,
                "added_tokens",
                specials,
                "normalizer",
                Map.of("type", "NFC"),
                "pre_tokenizer",
                ordered("type", "Sequence", "pretokenizers", List.of(split, byteLevel)),
                "post_processor",
                byteLevel,
                "decoder",
                byteLevel,
                "model",
                model);
    }

    /** Returns what belongs into {@code tokenizer_config.json}. */
    static Map<String, Object> config() {
        return ordered(
                "add_bos_token",
                false,
                "add_prefix_space",
                false,
                "additional_special_tokens",
                SPECIALS.subList(1, SPECIALS.size()),
                "bos_token",
                null,
                "chat_template",
                CHAT_TEMPLATE,
                "clean_up_tokenization_spaces",
                false,
                "eos_token",
                "<|im_end|>",
                "errors",
                "replace",
                "model_max_length",
                131_072,
                "pad_token",
                "<|endoftext|>",
                "split_special_tokens",
                false,
                "tokenizer_class",
                "Qwen2Tokenizer",
                "unk_token",
                null);
    }

    private static Map<String, Object> special(String content) {
        return ordered(
                "content", content,
                "single_word", false,
                "lstrip", false,
                "rstrip", false,
                "normalized", false,
                "special", true);
    }

    /** Returns the visible letter that byte-level BPE writes for each byte. */
    private static String[] letters() {
        String[] letters = new String[256];
        int next = 256;
        for (int b = 0; b < letters.length; b++) {
            boolean visible = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xff && b != 0xad);
            letters[b] = Character.toString(visible ? b : next++);
        }
        return letters;
    }
}
