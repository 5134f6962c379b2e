package io.github.zimage.examples;

import io.github.zimage.GeneratedImage;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageToImage;
import io.github.zimage.SourceImage;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.DemoModel;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;

/** Changes a picture: as a whole (img2img), and only where a mask is white (inpainting). */
public final class PictureToPicture {
    private PictureToPicture() {}

    /** Takes no arguments. */
    public static void main(String[] args) {
        var request = GenerationRequest.builder().size(128, 128).seed(1);
        try (ZImagePipeline pipeline =
                ZImagePipeline.builder().model(DemoModel.path()).build()) {
            GeneratedImage fox = pipeline.generate(
                    request.prompt("a fox on the left and a tree on the right").build());

            ImageToImage start = ImageToImage.of(SourceImage.of(fox.toBufferedImage()));
            GeneratedImage cat = pipeline.generate(request.prompt("a cat on the left and a tree on the right")
                    .imageToImage(start.strength(0.6)) // 0 keeps the picture, 1 ignores it
                    .build());

            BufferedImage mask = new BufferedImage(128, 128, BufferedImage.TYPE_INT_RGB);
            Graphics2D graphics = mask.createGraphics();
            graphics.setColor(Color.WHITE);
            graphics.fillRect(64, 0, 64, 128); // the right half is repainted, the left one stays to the byte
            graphics.dispose();
            GeneratedImage flower = pipeline.generate(request.prompt("a fox on the left and a flower on the right")
                    .imageToImage(start.strength(1).mask(SourceImage.of(mask)))
                    .build());
            System.out.println(cat.width() + " x " + cat.height() + ", " + flower.width() + " x " + flower.height());
        }
    }
}
