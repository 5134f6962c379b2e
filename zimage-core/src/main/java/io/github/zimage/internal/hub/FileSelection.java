package io.github.zimage.internal.hub;

import io.github.zimage.hub.HubException;
import io.github.zimage.hub.PullPlan;
import io.github.zimage.hub.PullRequest;
import io.github.zimage.internal.io.ShownText;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Which files of a repository are needed: configurations, the tokenizer and safetensors, each in one of the forms that are there. */
final class FileSelection {
    static final String INDEX = "model_index.json";

    /** The folders of a checkpoint that drawing needs. */
    static final List<String> PARTS = List.of("scheduler", "tokenizer", "text_encoder", "transformer", "vae");

    private static final List<String> STEMS = List.of("model", "diffusion_pytorch_model");
    private static final List<String> CONFIGURATIONS =
            List.of("config.json", "scheduler_config.json", "tokenizer.json", "tokenizer_config.json");
    private static final int LISTED = 12;

    private final List<HubFile> files;
    private final PullRequest request;

    private FileSelection(List<HubFile> files, PullRequest request) {
        this.files = files;
        this.request = request;
    }

    /**
     * Returns the files that a request needs, in the order of their paths.
     *
     * @param files all that there are
     * @throws HubException if what was asked for is not there
     */
    static List<HubFile> of(List<HubFile> files, PullRequest request) {
        Map<String, HubFile> chosen = new LinkedHashMap<>();
        new FileSelection(files, request).chosen().forEach(file -> chosen.put(file.path(), file));
        return chosen.values().stream()
                .sorted(Comparator.comparing(HubFile::path))
                .toList();
    }

    private List<HubFile> chosen() {
        if (!request.only().isEmpty()) {
            return request.only().stream().flatMap(part -> part(part).stream()).toList();
        }
        return files.stream().anyMatch(file -> file.path().equals(INDEX)) ? checkpoint() : single();
    }

    private List<HubFile> checkpoint() {
        List<HubFile> chosen = new ArrayList<>(matching(Pattern.quote(INDEX)));
        for (String part : PARTS) {
            List<HubFile> found = component(part);
            if (found.isEmpty()) {
                throw new HubException(
                        "%s is no checkpoint of Z-Image: it has no %s; name what you want of it with --only (%s)"
                                .formatted(request.name(), part, listed(files)));
            }
            chosen.addAll(found);
        }
        return chosen;
    }

    /** A repository with one model that is no checkpoint, such as a LoRA. */
    private List<HubFile> single() {
        List<HubFile> chosen = component("");
        List<HubFile> weights = files.stream().filter(HubFile::isWeights).toList();
        if (chosen.stream().noneMatch(HubFile::isWeights)) {
            if (weights.size() != 1) {
                throw new HubException("%s has %s; name what you want of it with --only (%s)"
                        .formatted(
                                request.name(),
                                weights.isEmpty() ? "no safetensors and no GGUF" : "several models",
                                listed(weights.isEmpty() ? files : weights)));
            }
            chosen.addAll(weights);
        }
        return chosen;
    }

    private List<HubFile> part(String part) {
        String path = part.replaceFirst("/$", "");
        List<HubFile> found = PARTS.contains(path) ? component(path) : List.of();
        found = found.isEmpty() ? matching(pattern(path)) : found;
        if (found.isEmpty()) {
            throw new HubException(
                    "%s has no %s; it has %s".formatted(request.name(), ShownText.quoted(part), listed(files)));
        }
        return found;
    }

    private static String pattern(String glob) {
        return Stream.of(glob.split("\\*\\*", -1))
                .map(part ->
                        Stream.of(part.split("\\*", -1)).map(Pattern::quote).collect(Collectors.joining("[^/]*")))
                .collect(Collectors.joining(".*"));
    }

    private List<HubFile> matching(String expression) {
        Pattern pattern = Pattern.compile(expression);
        return files.stream()
                .filter(file -> pattern.matcher(file.path()).matches())
                .toList();
    }

    private List<HubFile> component(String folder) {
        List<HubFile> within =
                files.stream().filter(file -> file.folder().equals(folder)).toList();
        List<HubFile> chosen = within.stream()
                .filter(file -> CONFIGURATIONS.contains(file.name()))
                .collect(Collectors.toCollection(ArrayList::new));
        for (String stem : STEMS) {
            List<HubFile> weights = weights(within, stem);
            if (!weights.isEmpty()) {
                chosen.addAll(weights);
                break;
            }
        }
        return chosen;
    }

    /** The forms in which the loader looks for a component's weights, in its order. */
    private static List<HubFile> weights(List<HubFile> within, String stem) {
        String quoted = Pattern.quote(stem);
        List<HubFile> single = named(within, quoted + "\\.safetensors");
        List<HubFile> sharded =
                named(within, quoted + "(\\.safetensors\\.index\\.json|-\\d{5}-of-\\d{5}\\.safetensors)");
        boolean whole = sharded.stream().anyMatch(HubFile::isWeights)
                && sharded.stream().anyMatch(file -> !file.isWeights());
        if (!single.isEmpty() && (stem.equals("model") || !whole)) {
            return single;
        }
        // Where there are only files of a variant, such as bf16, they are taken.
        return whole ? sharded : named(within, quoted + "[.-].*safetensors(\\..*json)?");
    }

    private static List<HubFile> named(List<HubFile> within, String expression) {
        Pattern pattern = Pattern.compile(expression);
        return within.stream()
                .filter(file -> pattern.matcher(file.name()).matches())
                .toList();
    }

    private static String listed(List<HubFile> files) {
        String some = files.stream()
                .limit(LISTED)
                .map(file -> ShownText.cut(file.path()) + " " + PullPlan.size(file.bytes()))
                .collect(Collectors.joining(", "));
        if (files.isEmpty()) {
            return "no files";
        }
        return files.size() > LISTED ? some + " and " + (files.size() - LISTED) + " more" : some;
    }

    /** Returns what a request was for: a file, if it was for one model that is one file; or else null, for the folder. */
    static @Nullable HubFile single(List<HubFile> chosen, PullRequest request) {
        List<HubFile> weights = chosen.stream().filter(HubFile::isWeights).toList();
        boolean checkpoint = chosen.stream().anyMatch(file -> file.path().equals(INDEX))
                || request.only().stream().anyMatch(part -> PARTS.contains(part.replaceFirst("/$", "")));
        if (checkpoint) {
            return null;
        }
        return chosen.size() == 1 ? chosen.get(0) : weights.size() == 1 ? weights.get(0) : null;
    }
}
