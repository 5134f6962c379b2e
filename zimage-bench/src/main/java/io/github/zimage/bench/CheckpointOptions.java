package io.github.zimage.bench;

import io.github.zimage.Component;
import io.github.zimage.Precision;
import io.github.zimage.internal.conversion.WeightCache;
import io.github.zimage.internal.weights.Checkpoint;
import io.github.zimage.internal.weights.WeightIndex;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What {@link Parts} and {@link OperatorProfile} compute with, and on how much. */
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class CheckpointOptions extends ModelOptions {
    @Option(
            names = "--text-tokens",
            defaultValue = "64",
            description = "Tokens of the prompt, template included (default: ${DEFAULT-VALUE}).")
    int textTokens;

    @Option(names = "--cache", paramLabel = "DIR", description = "Folder of converted weights (default: none).")
    private @Nullable Path cache;

    /** Opens the checkpoint, with converted weights of some components where these are 8-bit integers and have a folder. */
    Checkpoint open(Component... converted) throws IOException {
        Checkpoint checkpoint = Checkpoint.open(folder, null);
        Checkpoint result = checkpoint;
        for (Component component : converted) {
            if (cache != null && precision == Precision.INT8) {
                WeightIndex own = checkpoint.weights(component);
                result = result.withWeights(
                        component, new WeightCache(cache).convert(component, own, Precision.INT8, false, done -> {}));
            }
        }
        return result;
    }
}
