package io.github.zimage.cuda;

import io.github.zimage.Precision;
import io.github.zimage.internal.device.Accelerator;
import io.github.zimage.internal.device.Card;
import io.github.zimage.internal.device.ComputeDevice;
import io.github.zimage.internal.device.Status;
import io.github.zimage.placement.Device;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Stream;

/** The cards of this machine. */
public final class CudaAccelerator implements Accelerator {

    /** Creates the service. */
    public CudaAccelerator() {}

    @Override
    public Device.Kind kind() {
        return Device.Kind.CUDA;
    }

    @Override
    public List<String> attentionNames() {
        return Stream.concat(CudaAttention.ALL.stream().map(CudaAttention::name), Stream.of(FlashAttention3.NAME))
                .toList();
    }

    @Override
    public List<Precision> precisions() {
        return List.of(Precision.values());
    }

    @Override
    public Status status() {
        CudaMachine machine = CudaNatives.machine();
        if (machine.problem() != null) {
            return Status.unusable(machine.problem(), machine.remedy());
        }
        List<Card> cards = machine.cards().stream().map(CudaAccelerator::card).toList();
        return machine.passedOver().isEmpty()
                ? Status.of(cards)
                : new Status(cards, String.join(", ", machine.passedOver()), "use the other cards");
    }

    private static Card card(CudaCard card) {
        return new Card(
                Device.cuda(card.index()),
                card.name(),
                card.capabilityText(),
                card.bytes(),
                PresetsDriver.freeBytes(card.index()));
    }

    @Override
    public ComputeDevice open(int index, OptionalLong limit) {
        CudaCard card = CudaNatives.machine().cards().stream()
                .filter(each -> each.index() == index)
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("there is no usable card cuda:" + index));
        return new CudaDevice(card, limit);
    }
}
