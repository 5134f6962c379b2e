package io.github.zimage.batch;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.zimage.GenerationRequest;
import io.github.zimage.ImageSize;
import io.github.zimage.InvalidRequestException;
import io.github.zimage.internal.io.Sha256;
import io.github.zimage.internal.io.ShownText;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

/**
 * Makes pictures to draw of rows. A row has the fields of a request, and of its own {@code id} and {@code size}. What it does not have is
 * that of the command line. A picture without a seed gets one that follows from its request, so that it is the same in each run.
 */
final class RowReader {
    private static final Set<String> OWN = Set.of("id", "size");
    private static final int ID_LENGTH = 200;

    private final GenerationRequest defaults;
    private final Set<String> ignored;
    private final String model;

    /**
     * @param ignored names of fields that mean nothing here
     * @param model what else makes a picture what it is: checkpoint and precision
     */
    RowReader(GenerationRequest defaults, Set<String> ignored, String model) {
        this.defaults = defaults;
        this.ignored = Set.copyOf(ignored);
        this.model = model;
    }

    static boolean isOwn(String name) {
        return OWN.contains(name);
    }

    /** Returns the name of a row that may be an error. */
    static String id(TableRow row) {
        JsonNode id = row.fields() == null ? null : row.fields().get("id");
        return id == null || id.isNull() ? Long.toString(row.number()) : ShownText.cut(id.asText(), ID_LENGTH);
    }

    /** Returns what a row that is an error is named by. */
    String errorKey(TableRow row) {
        return hex(Sha256.of(model + "\nerror\n"
                + (row.fields() == null ? row.text() : row.fields().toString())));
    }

    /**
     * Returns the pictures of a row.
     *
     * @throws InvalidRequestException if the row is no request
     */
    List<BatchJob> jobs(TableRow row) {
        if (row.fields() == null) {
            throw new InvalidRequestException(List.of(), String.valueOf(row.error()));
        }
        GenerationRequest request = request(row.fields());
        if (request.prompts().size() != 1) {
            throw new InvalidRequestException(List.of("prompt"), "a row must have one prompt");
        }
        String id = id(row);
        List<BatchJob> jobs = new ArrayList<>();
        for (int ordinal = 0; ordinal < request.totalCount(); ordinal++) {
            jobs.add(job(id, request, ordinal));
        }
        return jobs;
    }

    private GenerationRequest request(ObjectNode fields) {
        ObjectNode known = fields.deepCopy();
        ignored.forEach(known::remove);
        OWN.forEach(known::remove);
        GenerationRequest.Builder builder = defaults.toBuilder();
        JsonNode size = fields.get("size");
        if (size != null && !size.isNull() && !ignored.contains("size")) {
            builder.size(size(size.asText()));
        }
        return builder.json(known.toString()).build();
    }

    private static ImageSize size(String text) {
        try {
            return ImageSize.of(text);
        } catch (IllegalArgumentException e) {
            throw new InvalidRequestException(List.of("size"), String.valueOf(e.getMessage()));
        }
    }

    private BatchJob job(String id, GenerationRequest request, int ordinal) {
        GenerationRequest.Builder one = request.toBuilder().count(1).seeds(List.of());
        Long first = request.seed();
        if (!request.seeds().isEmpty()) {
            one.seed(unsigned(request.seeds().get(ordinal)));
        } else if (first != null) {
            one.seed(unsigned(first + ordinal));
        }
        GenerationRequest seeded = one.build();
        byte[] key = Sha256.of(model + "\n" + seeded.toJson() + "\n" + (seeded.seed() == null ? ordinal : 0));
        if (seeded.seed() == null) {
            seeded = seeded.toBuilder()
                    .seed(unsigned(ByteBuffer.wrap(key).getLong()))
                    .build();
        }
        return new BatchJob(hex(key), id, seeded);
    }

    private static BigInteger unsigned(long seed) {
        return new BigInteger(Long.toUnsignedString(seed));
    }

    private static String hex(byte[] digest) {
        return HexFormat.of().formatHex(digest);
    }
}
