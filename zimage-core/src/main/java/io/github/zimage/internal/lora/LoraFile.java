package io.github.zimage.internal.lora;

import io.github.zimage.Component;
import io.github.zimage.LoraReport;
import io.github.zimage.LoraReport.Applied;
import io.github.zimage.LoraReport.Skipped;
import io.github.zimage.ModelLoadException;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.lora.ModuleParts.UnfitException;
import io.github.zimage.internal.safetensors.SafetensorsHeader;
import io.github.zimage.internal.safetensors.TensorEntry;
import io.github.zimage.internal.weights.TensorFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads an adapter's file: finds the module that each tensor belongs to, and tells what of it can be applied. */
public final class LoraFile {
    private static final String ENDING = ".safetensors";
    private static final String WEIGHT = ".weight";
    private static final String BIAS = ".bias";
    private static final String EMBEDDINGS = "embed_tokens";

    /** What of a header is shown. */
    private static final List<String> SHOWN_METADATA = List.of(
            "modelspec.title",
            "modelspec.architecture",
            "modelspec.author",
            "modelspec.license",
            "modelspec.trigger_phrase",
            "ss_output_name",
            "ss_base_model_version",
            "ss_network_module",
            "ss_network_dim",
            "ss_network_alpha",
            "ss_training_comment");

    /** What names of modules other models have that have none of Z-Image's. */
    private static final Map<String, String> OTHER_MODELS = new LinkedHashMap<>();

    static {
        OTHER_MODELS.put("single_transformer_blocks", "FLUX");
        OTHER_MODELS.put("double_blocks", "FLUX or HunyuanVideo");
        OTHER_MODELS.put("joint_blocks", "Stable Diffusion 3");
        OTHER_MODELS.put("transformer_blocks", "Qwen-Image, FLUX or Stable Diffusion");
        OTHER_MODELS.put("down_blocks", "Stable Diffusion");
        OTHER_MODELS.put("input_blocks", "Stable Diffusion");
        OTHER_MODELS.put("blocks.0.self_attn", "Wan");
        OTHER_MODELS.put("blocks_0_self_attn", "Wan");
    }

    private final Path file;
    private final ModelShapes model;
    private final Map<Target, ModuleParts> modules = new LinkedHashMap<>();
    private final List<Change> changes = new ArrayList<>();
    private final List<Applied> applied = new ArrayList<>();
    private final List<Skipped> skipped = new ArrayList<>();
    private final List<String> misfits = new ArrayList<>();

    private LoraFile(Path file, ModelShapes model) {
        this.file = file;
        this.model = model;
    }

    /**
     * Reads a file and matches it with a model.
     *
     * @throws ModelLoadException if it is no sound safetensors file, or nothing in it can be applied to the model
     */
    public static Adapter read(Path file, ModelShapes model) {
        return new LoraFile(file, model).read();
    }

    /** Returns the name of the LoRA in a file: that of the file without its ending. */
    public static String name(Path file) {
        String name = ModelFile.printable(String.valueOf(file.getFileName()));
        return name.endsWith(ENDING) ? name.substring(0, name.length() - ENDING.length()) : name;
    }

    /** Tells what a file holds, by the names of its modules alone. */
    public static LoraReport report(Path file) {
        return read(file, ModelShapes.names()).report();
    }

    /** Returns a text as it can be shown. */
    public static String shown(String text) {
        return ModelFile.shown(text);
    }

    /** Returns whether a file is named as LoRAs are. */
    static boolean isNamedSo(Path file) {
        String name = String.valueOf(file.getFileName());
        return name.endsWith(ENDING) && !name.startsWith(".");
    }

    /** Returns the file in a folder that a LoRA of a name would lie in. */
    static Path file(Path folder, String name) {
        return folder.resolve(name + ENDING);
    }

    private Adapter read() {
        SafetensorsHeader header = SafetensorsHeader.read(file);
        AlphaMetadata metadata = AlphaMetadata.read(header.metadata(), this::skip);
        ModuleNames names = new ModuleNames(model);
        header.tensors().values().forEach(tensor -> sort(names, tensor));
        leaveOutDoubled();
        try (TensorFiles files = new TensorFiles()) {
            for (ModuleParts each : modules.values()) {
                apply(each, new Strengths(files, metadata));
            }
        }
        if (changes.isEmpty()) {
            throw refusal(header);
        }
        return new Adapter(file, changes, new LoraReport(name(file), applied, skipped, shown(header.metadata())));
    }

    private void sort(ModuleNames names, TensorEntry tensor) {
        ModuleNames.Match match = names.match(tensor.name());
        if (match == null) {
            skip(tensor.name(), "is no part of a LoRA that is known here");
        } else if (match.suffix().part() == Part.UNSUPPORTED) {
            skip(tensor.name(), "adapters with " + match.suffix().text() + " are not supported");
        } else if (match.target() == null) {
            skip(tensor.name(), "the model has no module " + ModelFile.quote(match.module()));
        } else {
            boolean isFirst = modules.computeIfAbsent(match.target(), target -> new ModuleParts(target, match.rule()))
                    .put(match.suffix().part(), tensor);
            if (!isFirst) {
                skip(tensor.name(), "is there twice, under two names");
            }
        }
    }

    /** Some files have queries, keys and values twice: by themselves and fused. */
    private void leaveOutDoubled() {
        modules.values().removeIf(each -> {
            Target target = each.target();
            boolean doubled = target.isFused()
                    && target.modules().stream()
                            .anyMatch(module -> modules.containsKey(new Target(target.component(), List.of(module))));
            if (doubled) {
                each.tensors().forEach(tensor -> skip(tensor.name(), "its parts are there by themselves, too"));
            }
            return doubled;
        });
    }

    private void apply(ModuleParts parts, Strengths strengths) {
        try {
            if (parts.changesWeight()) {
                applyWeight(parts, strengths);
            }
        } catch (UnfitException e) {
            skipAll(parts, e.reason());
            return;
        }
        TensorEntry bias = parts.get(Part.DIFF_B);
        if (bias != null) {
            applyBias(parts, bias);
        } else if (!parts.changesWeight()) {
            skipAll(parts, "there are no factors beside it");
        }
    }

    private void skipAll(ModuleParts parts, String reason) {
        parts.tensors().forEach(tensor -> skip(tensor.name(), reason));
    }

    private void applyWeight(ModuleParts parts, Strengths strengths) throws UnfitException {
        Target target = parts.target();
        Delta unscaled = parts.weight();
        Strengths.Strength strength = strengths.of(parts, unscaled);
        Delta whole = unscaled.times(strength.scale());
        TensorEntry magnitude = parts.get(Part.MAGNITUDE);
        List<Long> heights = heights(target, whole);
        long height = heights.stream().mapToLong(Long::longValue).sum();
        requireLengths(magnitude, height);
        TensorEntry bias = parts.bias(height);
        long first = 0;
        List<Change> made = new ArrayList<>();
        for (int i = 0; i < heights.size(); i++) {
            String tensor = tensorOf(target.component(), target.modules().get(i));
            requireShape(target, whole, tensor, height);
            long count = heights.get(i);
            made.add(new Change(
                    target.component(),
                    tensor,
                    target.isFused() ? FusedPart.of(whole, i, heights.size(), first, count) : fitting(whole, tensor),
                    magnitude == null ? null : magnitude.rows(magnitude.name(), first, count)));
            if (bias != null) {
                TensorEntry rows = bias.rows(bias.name(), first, count);
                String name = target.modules().get(i) + BIAS;
                made.add(new Change(target.component(), name, new FullDelta(rows, strength.scale()), null));
            }
            first += count;
        }
        changes.addAll(made);
        for (Change each : made) {
            report(each, parts.rule(), strength.alpha());
        }
    }

    /** Returns how many rows each of the target's modules has. */
    private List<Long> heights(Target target, Delta whole) throws UnfitException {
        List<Long> heights = new ArrayList<>();
        for (String module : target.modules()) {
            long expected = expected(target.component(), tensorOf(target.component(), module))
                    .get(0);
            long part = whole.shape().get(0) / target.modules().size();
            heights.add(model.hasWidths() ? expected : part);
        }
        return heights;
    }

    private void applyBias(ModuleParts parts, TensorEntry bias) {
        Target target = parts.target();
        String tensor = target.modules().get(0) + BIAS;
        List<Long> shape = model.shape(target.component(), tensor);
        if (target.isFused() || shape == null || !model.isRun(target.component(), tensor)) {
            skip(bias.name(), "the model has no bias there");
        } else if ((model.hasWidths() && bias.elements() != shape.get(0))
                || !bias.type().isSupportedWeight()) {
            misfit(
                    bias.name(),
                    target + " has a bias of " + shape + ", but this is " + ModelFile.shown(bias.shape()) + " of "
                            + bias.type());
        } else {
            Change change = new Change(
                    target.component(), tensor, new FullDelta(bias.withShape(List.of(bias.elements())), 1), null);
            changes.add(change);
            report(change, parts.rule(), null);
        }
    }

    private void report(Change change, String rule, @Nullable Double alpha) {
        Delta delta = change.delta();
        applied.add(new Applied(
                change.component(),
                ModuleNames.module(change.tensor()),
                delta.kind() + (change.magnitude() == null ? "" : " with DoRA"),
                rule,
                delta.rank(),
                alpha,
                delta.scale()));
    }

    private String tensorOf(Component component, String module) {
        return model.shape(component, module) == null ? module + WEIGHT : module;
    }

    private List<Long> expected(Component component, String tensor) throws UnfitException {
        List<Long> shape = model.shape(component, tensor);
        if (shape == null || tensor.startsWith(EMBEDDINGS)) {
            throw new UnfitException(ModelFile.printable(tensor) + " cannot be changed");
        }
        if (!model.isRun(component, tensor)) {
            throw new UnfitException("Z-Image does not run " + ModuleNames.module(tensor) + " of the text encoder");
        }
        return shape;
    }

    private void requireShape(Target target, Delta whole, String tensor, long height) throws UnfitException {
        List<Long> shape = expected(target.component(), tensor);
        if (!model.hasWidths()) {
            return;
        }
        boolean fits = (whole instanceof FullDelta && !target.isFused())
                ? elements(whole.shape()) == elements(shape)
                : shape.size() == 2 && whole.shape().equals(List.of(height, shape.get(1)));
        if (!fits) {
            List<Long> wanted = target.isFused() ? List.of(height, shape.get(1)) : shape;
            String reason = target + " is " + wanted + ", but this adds " + ModelFile.shown(whole.shape());
            misfits.add(reason);
            throw new UnfitException(reason);
        }
    }

    private static long elements(List<Long> shape) {
        return shape.stream().reduce(1L, (a, b) -> a * b);
    }

    /** Returns a difference in the shape of its weight: norms are written in several. */
    private Delta fitting(Delta delta, String tensor) {
        return delta instanceof FullDelta full && model.hasWidths()
                ? new FullDelta(
                        full.difference().withShape(model.transformer().getOrDefault(tensor, full.shape())),
                        full.scale())
                : delta;
    }

    private static void requireLengths(@Nullable TensorEntry magnitude, long height) throws UnfitException {
        boolean fits = magnitude == null
                || (magnitude.elements() == height && magnitude.shape().get(0) == height);
        if (magnitude != null && !fits) {
            throw new UnfitException("dora_scale must have a length for each of the " + height
                    + " rows of the output, but is of shape " + ModelFile.shown(magnitude.shape()));
        }
    }

    private void skip(String tensor, String reason) {
        skipped.add(new Skipped(ModelFile.shown(tensor), reason));
    }

    private void misfit(String tensor, String reason) {
        misfits.add(reason);
        skip(tensor, reason);
    }

    private ModelLoadException refusal(SafetensorsHeader header) {
        String name = ModelFile.name(file);
        if (!misfits.isEmpty()) {
            return new ModelLoadException(
                    name + ": is a LoRA of another model, whose widths do not fit: " + misfits.get(0));
        }
        for (Map.Entry<String, String> other : OTHER_MODELS.entrySet()) {
            if (header.tensors().keySet().stream().anyMatch(each -> each.contains(other.getKey()))) {
                return new ModelLoadException(name + ": is not a LoRA of Z-Image: its modules are named like "
                        + other.getValue() + "'s, such as "
                        + ModelFile.quote(header.tensors().keySet().iterator().next()));
            }
        }
        String reason = skipped.stream()
                .findFirst()
                .map(each -> ModelFile.quote(each.tensor()) + ": " + each.reason())
                .orElse("it holds no tensors");
        return new ModelLoadException(name + ": holds no LoRA that can be applied: " + reason);
    }

    private static Map<String, String> shown(Map<String, String> metadata) {
        Map<String, String> shown = new LinkedHashMap<>();
        for (String key : SHOWN_METADATA) {
            if (metadata.containsKey(key)) {
                shown.put(key, ModelFile.shown(metadata.get(key)));
            }
        }
        return shown;
    }
}
