package io.github.zimage.hub;

import io.github.zimage.internal.io.TextTable;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A model that has a short name here: Z-Image itself, and what works together with it.
 *
 * @param key the short name
 * @param repository where it is on Hugging Face
 * @param file the one file of it that is needed, or an empty text for all that a checkpoint needs
 * @param bytes about how much there is to fetch; 0 if that has not been written down
 * @param licence what its publisher states; read the model's page before you rely on it
 * @param purpose what it is for
 */
public record KnownModel(String key, String repository, String file, long bytes, String licence, String purpose) {
    private static final String CONTROL = "alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union-2.1";
    private static final String APACHE = "Apache 2.0";

    private static final List<KnownModel> ALL = List.of(
            new KnownModel("turbo", "Tongyi-MAI/Z-Image-Turbo", "", 32_900_000_000L, APACHE, "Z-Image-Turbo, 8 steps"),
            new KnownModel("base", "Tongyi-MAI/Z-Image", "", 0, APACHE, "Z-Image, for guidance and fine-tuning"),
            new KnownModel(
                    "taef1",
                    "madebyollin/taef1",
                    "diffusion_pytorch_model.safetensors",
                    9_850_000L,
                    "MIT",
                    "small VAE for previews"),
            new KnownModel(
                    "controlnet",
                    CONTROL,
                    "Z-Image-Turbo-Fun-Controlnet-Union-2.1-2602-8steps.safetensors",
                    6_710_000_000L,
                    APACHE,
                    "ControlNet for Turbo: edges, depth, pose, inpainting"),
            new KnownModel(
                    "controlnet-lite",
                    CONTROL,
                    "Z-Image-Turbo-Fun-Controlnet-Union-2.1-lite-2602-8steps.safetensors",
                    2_020_000_000L,
                    APACHE,
                    "the same with 3 blocks in place of 15"),
            new KnownModel(
                    "controlnet-tile",
                    CONTROL,
                    "Z-Image-Turbo-Fun-Controlnet-Tile-2.1-2601-8steps.safetensors",
                    6_710_000_000L,
                    APACHE,
                    "ControlNet for Turbo that enlarges pictures"),
            new KnownModel(
                    "realesrgan-x4",
                    "Comfy-Org/Real-ESRGAN_repackaged",
                    "RealESRGAN_x4plus.safetensors",
                    66_857_836L,
                    "BSD 3-Clause",
                    "upscaler, four times"));

    /** Returns all of them. */
    public static List<KnownModel> all() {
        return ALL;
    }

    /** Returns the one with a short name. */
    public static Optional<KnownModel> find(String key) {
        return ALL.stream().filter(each -> each.key.equals(key)).findFirst();
    }

    /** Returns the one that a request for a model without parts is about, if it is known. */
    public static Optional<KnownModel> of(HubName name) {
        return ALL.stream()
                .filter(each -> each.file.isEmpty() && each.repository.equals(name.id()))
                .findFirst();
    }

    /** Returns all of them as a table for people. */
    public static String table() {
        TextTable table = new TextTable(Set.of(1));
        table.add("name", "size", "licence", "repository", "what it is");
        for (KnownModel each : ALL) {
            table.add(
                    each.key,
                    each.bytes == 0 ? "" : PullPlan.size(each.bytes),
                    each.licence,
                    each.repository,
                    each.purpose);
        }
        return table.toString();
    }
}
