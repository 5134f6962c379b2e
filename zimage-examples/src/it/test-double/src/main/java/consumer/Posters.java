package consumer;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ZImagePipeline;
import java.nio.file.Path;

/** The application: it is given its model, and so need not know which one it draws with. */
public final class Posters implements AutoCloseable {
    private final ZImagePipeline pipeline;
    private final int size;

    public Posters(Path model, int size) {
        this.pipeline = ZImagePipeline.builder().model(model).build();
        this.size = size;
    }

    public GeneratedImage draw(String subject, String colour, long number) {
        return pipeline.generate(GenerationRequest.builder()
                .prompt("%s on a %s background".formatted(subject, colour))
                .size(size, size)
                .seed(number)
                .build());
    }

    @Override
    public void close() {
        pipeline.close();
    }
}
