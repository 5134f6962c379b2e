package io.github.zimage.cli;

import io.github.zimage.Lora;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A prompt with LoRAs in it, as web UIs have them: {@code a fox <lora:pixel-art:0.8>}.
 *
 * @param prompt the prompt without them
 * @param loras the LoRAs, by their names
 */
record LoraTags(String prompt, List<Lora> loras) {
    private static final Pattern TAG =
            Pattern.compile(" ?<lora:([^:<>]{1,200})(?::(-?[0-9]{1,3}(?:\\.[0-9]{1,9})?))?>");

    /** Copies the list. */
    LoraTags {
        loras = List.copyOf(loras);
    }

    /**
     * Takes the LoRAs out of a prompt.
     *
     * @throws IllegalArgumentException if a name is none
     */
    static LoraTags of(String prompt) {
        List<Lora> loras = new ArrayList<>();
        Matcher tag = TAG.matcher(prompt);
        while (tag.find()) {
            Lora lora = Lora.named(tag.group(1));
            String weight = tag.group(2);
            loras.add(weight == null ? lora : lora.weight(Double.parseDouble(weight)));
        }
        return new LoraTags(TAG.matcher(prompt).replaceAll("").strip(), loras);
    }
}
