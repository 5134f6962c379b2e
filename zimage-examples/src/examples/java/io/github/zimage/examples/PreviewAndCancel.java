package io.github.zimage.examples;

import io.github.zimage.GenerationListener;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.DemoModel;
import java.awt.image.BufferedImage;
import java.time.Duration;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;

/** Shows a preview after each step, and cancels the request in the middle. */
public final class PreviewAndCancel {
    private PreviewAndCancel() {}

    /** Takes no arguments. */
    public static void main(String[] args) throws InterruptedException {
        CountDownLatch enough = new CountDownLatch(3);
        GenerationListener listener = new GenerationListener() {
            @Override
            public int previewSize(int step) {
                return 64; // pixels of the longer side; 0 for none
            }

            @Override
            public void onPreview(int step, int index, BufferedImage preview) {
                System.out.println("step " + step + ": " + preview.getWidth() + " x " + preview.getHeight());
            }

            @Override
            public void onStep(int step, int steps, Duration elapsed) {
                enough.countDown();
            }
        };
        try (ZImagePipeline pipeline =
                ZImagePipeline.builder().model(DemoModel.path()).build()) {
            var request = GenerationRequest.builder()
                    .prompt("a lighthouse")
                    .size(128, 128)
                    .steps(200);
            var pending = pipeline.generateAsync(request.build(), listener);
            enough.await();
            pending.cancel(true); // ends after the step that runs; the pipeline goes on with the next request
            pending.join();
        } catch (CancellationException e) {
            System.out.println("cancelled");
        }
    }
}
