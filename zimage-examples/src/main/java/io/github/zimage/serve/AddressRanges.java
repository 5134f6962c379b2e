package io.github.zimage.serve;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Networks of IP addresses, each as in {@code 10.0.0.0/8}, {@code 192.0.2.7}, {@code fd00::/8} or {@code localhost}. Asks no name service. */
final class AddressRanges {
    private static final Pattern IPV4 =
            Pattern.compile("(?:%1$s\\.){3}%1$s".formatted("(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"));
    private static final Pattern IPV6 = Pattern.compile("[0-9a-fA-F:]*:[0-9a-fA-F:.]*");
    private static final Pattern BITS = Pattern.compile("[0-9]{1,3}");
    private static final String LOCALHOST = "localhost";
    private static final List<String> LOCAL = List.of("127.0.0.0/8", "::1");

    private final List<Range> ranges = new ArrayList<>();

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Range(byte[] network, int bits) {
        boolean contains(byte[] address) {
            if (address.length != network.length) {
                return false;
            }
            for (int bit = 0; bit < bits; bit++) {
                int mask = 0x80 >> bit % Byte.SIZE;
                if (((address[bit / Byte.SIZE] ^ network[bit / Byte.SIZE]) & mask) != 0) {
                    return false;
                }
            }
            return true;
        }
    }

    /** @throws IllegalArgumentException if one is no network; the message names it */
    AddressRanges(List<String> networks) {
        for (String network : networks) {
            if (network.toLowerCase(Locale.ROOT).equals(LOCALHOST)) {
                LOCAL.forEach(each -> ranges.add(range(each)));
            } else {
                ranges.add(range(network));
            }
        }
    }

    private static Range range(String text) {
        String[] parts = text.split("/", -1);
        byte[] network = bytes(parts[0]);
        if (network != null && parts.length == 1) {
            return new Range(network, network.length * Byte.SIZE);
        }
        if (network != null && parts.length == 2 && BITS.matcher(parts[1]).matches()) {
            int bits = Integer.parseInt(parts[1]);
            if (bits <= network.length * Byte.SIZE) {
                return new Range(network, bits);
            }
        }
        throw new IllegalArgumentException(
                "a trusted proxy must be an address or a network such as 127.0.0.1, 10.0.0.0/8 or localhost, but was '%s'"
                        .formatted(JsonFields.shown(text, 100)));
    }

    /** Returns whether an address, such as {@code 10.1.2.3}, is in one of them; what is no address is not. */
    boolean contains(String address) {
        byte[] bytes = bytes(address);
        return bytes != null && ranges.stream().anyMatch(range -> range.contains(bytes));
    }

    /** Returns the bytes of an address, 4 or 16; null if it is none. */
    static byte @Nullable [] bytes(String address) {
        String plain = address.replaceFirst("%.*$", ""); // the interface of a local one
        if (!IPV4.matcher(plain).matches() && !IPV6.matcher(plain).matches()) {
            return null;
        }
        try {
            return InetAddress.getByName(plain).getAddress(); // a literal: nobody is asked for its name
        } catch (UnknownHostException e) {
            return null;
        }
    }
}
