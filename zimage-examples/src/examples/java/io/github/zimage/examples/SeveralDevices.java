package io.github.zimage.examples;

import io.github.zimage.GenerationRequest;
import io.github.zimage.ZImagePipeline;
import io.github.zimage.demo.DemoModel;
import io.github.zimage.placement.Device;
import java.util.Arrays;
import java.util.List;

/** Shares the pictures of a request among devices, each of which holds the whole model. */
public final class SeveralDevices {
    private SeveralDevices() {}

    /** Takes the devices, such as {@code cuda:0 cuda:1}. */
    public static void main(String[] args) {
        List<Device> devices =
                args.length > 0 ? Arrays.stream(args).map(Device::parse).toList() : List.of(Device.cpu());
        try (ZImagePipeline pipeline = ZImagePipeline.builder()
                .model(DemoModel.path())
                .devices(devices)
                .build()) {
            var images = pipeline.generateAll(GenerationRequest.builder()
                    .prompt("a rocket")
                    .size(128, 128)
                    .count(2 * devices.size())
                    .build());
            images.forEach(image -> System.out.println("seed " + Long.toUnsignedString(image.seed())));
        }
    }
}
