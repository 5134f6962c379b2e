package io.github.zimage.internal.device;

import java.util.List;

/**
 * What an accelerator found.
 *
 * @param cards the devices that can be used, by index
 * @param problem why there are not more, for people, such as {@code no driver of NVIDIA's is loaded}; empty if nothing is amiss
 * @param remedy what to do about it; empty if nothing is amiss
 */
public record Status(List<Card> cards, String problem, String remedy) {

    /** Copies the list. */
    public Status {
        cards = List.copyOf(cards);
    }

    /** Returns the status where all is well. */
    public static Status of(List<Card> cards) {
        return new Status(cards, "", "");
    }

    /** Returns the status where nothing can be used. */
    public static Status unusable(String problem, String remedy) {
        return new Status(List.of(), problem, remedy);
    }

    /** Returns what is amiss and what to do about it, as one sentence. */
    public String explanation() {
        return problem + "; " + remedy;
    }
}
