package consumer;

import io.github.zimage.ZImagePipeline;
import java.nio.file.Path;

public final class Draw {
    public static void main(String[] args) {
        try (ZImagePipeline pipeline =
                ZImagePipeline.builder().model(Path.of(args[0])).build()) {
            pipeline.generate("a red fox in the snow").save(Path.of("fox.png"));
        }
    }
}
