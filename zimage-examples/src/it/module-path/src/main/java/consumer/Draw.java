package consumer;

import io.github.zimage.ZImagePipeline;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.pytorch.global.torch;

public final class Draw {
    public static void main(String[] args) throws Exception {
        System.out.println(ZImagePipeline.builder().getClass().getModule());
        try (var ones = torch.ones(2, 3)) {
            Files.writeString(Path.of("sum.txt"), "" + ones.numel());
        }
    }
}
