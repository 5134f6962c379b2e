package io.github.zimage.prompt.zh;

import io.github.zimage.prompt.LintCode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/** The labelled prompts. Which half one belongs to is a matter of its hash. */
final class LabelledPrompts {
    record Labelled(String text, Set<LintCode> codes, boolean heldOut) {}

    private LabelledPrompts() {}

    static List<Labelled> read(String language) throws IOException, NoSuchAlgorithmException {
        List<Labelled> prompts = new ArrayList<>();
        try (InputStream in = LabelledPrompts.class.getResourceAsStream("/prompts/" + language + ".tsv")) {
            String file = new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8);
            for (String line : file.split("\n")) {
                String[] columns = line.split("\t");
                Set<LintCode> codes = EnumSet.noneOf(LintCode.class);
                if (!columns[0].equals("-")) {
                    Arrays.stream(columns[0].split(",")).map(LintCode::valueOf).forEach(codes::add);
                }
                byte[] hash = MessageDigest.getInstance("SHA-256").digest(columns[1].getBytes(StandardCharsets.UTF_8));
                prompts.add(new Labelled(columns[1], codes, hash[0] < 0));
            }
        }
        return prompts;
    }
}
