package io.github.zimage.internal.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.zimage.internal.io.ModelFile;
import io.github.zimage.internal.io.ShownText;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpHeaders;
import java.util.Map;

/** JSON that a hub answers with. */
final class HubJson {
    private static final int MOST_BYTES = 64 << 20;
    private static final ObjectReader READER = reader();

    private HubJson() {}

    private static ObjectReader reader() {
        JsonMapper mapper = new JsonMapper();
        mapper.getFactory()
                .setStreamReadConstraints(
                        StreamReadConstraints.builder().maxNestingDepth(50).build());
        return mapper.reader();
    }

    /**
     * An answer.
     *
     * @param headers those of the answer
     */
    record Page(JsonNode content, HttpHeaders headers) {}

    /** Asks until there is an answer, or no hope for one. */
    static Page get(HubClient client, StallWatch watch, URI address, Retries retries)
            throws IOException, InterruptedException {
        while (true) {
            try (HubClient.Answer answer = client.get(address, Map.of("Accept", "application/json"));
                    InputStream body = watch.watch(answer.body())) {
                byte[] bytes = body.readNBytes(MOST_BYTES + 1);
                if (bytes.length > MOST_BYTES) {
                    throw new WrongContent(host(address) + " answered with more than " + MOST_BYTES + " bytes");
                }
                return new Page(READER.readTree(bytes), answer.headers());
            } catch (JsonProcessingException e) {
                throw new WrongContent("%s answered with what is not JSON (%s); is it a hub?"
                        .formatted(host(address), ModelFile.reason(e)));
            } catch (IOException e) {
                retries.failed(e);
            }
        }
    }

    private static String host(URI address) {
        return ShownText.cut(address.getHost());
    }
}
