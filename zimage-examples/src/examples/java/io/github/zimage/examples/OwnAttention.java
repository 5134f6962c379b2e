package io.github.zimage.examples;

import io.github.zimage.AttentionBackend;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.DemoModel;
import io.github.zimage.spi.Attention;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Computes attention by code of one's own. The class is named in META-INF/services/io.github.zimage.spi.Attention. */
public final class OwnAttention implements Attention {

    @Override
    public String name() {
        return "example";
    }

    @Override
    public Tensor attend(Tensor query, Tensor key, Tensor value, boolean causal) {
        Tensor scores = torch.matmul(query, key.transpose(1, 2)); // [H, S, T]; the query comes scaled
        if (causal) {
            Tensor hidden = torch.full_like(scores, new Scalar(Double.NEGATIVE_INFINITY));
            scores = scores.add(torch.triu(hidden, 1));
        }
        return torch.matmul(torch.softmax(scores, -1), value); // [H, S, D]
    }

    /** Takes no arguments. */
    public static void main(String[] args) {
        try (ZImagePipeline pipeline = ZImagePipeline.builder()
                .model(DemoModel.path())
                .attention(new AttentionBackend("example"))
                .build()) {
            pipeline.generate(
                    GenerationRequest.builder().prompt("a fox").size(128, 128).build());
            System.out.println("computed by " + pipeline.attentionBackend());
        }
    }
}
