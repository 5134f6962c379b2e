package io.github.zimage.serve;

import static io.github.zimage.serve.ServerFixture.GENERATIONS;
import static io.github.zimage.serve.ServerFixture.postOf;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** One greedy client does not starve the others, whether clients are known by their keys or by their addresses. */
@Timeout(120)
final class FairTurnsTest {
    private static final int POLITE = 4;
    private static final int PICTURES = 100;

    /** The headers of a stream come when the request is admitted, so that asking takes no time of drawing. */
    private static final String BODY = "{\"prompt\":\"%s\",\"stream\":true}";

    private static String key(int client) {
        return "0123456789abcde" + client;
    }

    @Test
    void clientsWithKeys_haveTheirShare() throws Exception {
        List<String> keys = new ArrayList<>();
        for (int client = 0; client <= POLITE; client++) {
            keys.add(key(client));
        }
        ServerOptions options =
                ServerFixture.options().concurrency(3).queue(12).apiKeys(keys).build();
        requireShares(options, client -> "Authorization: Bearer " + key(client) + "\r\n");
    }

    @Test
    void clientsBehindAProxy_haveTheirShare() throws Exception {
        ServerOptions options = ServerFixture.options()
                .concurrency(3)
                .queue(12)
                .trustedProxies(List.of("localhost"))
                .build();
        requireShares(options, client -> "X-Forwarded-For: 192.0.2." + client + "\r\n");
    }

    /** What a client sends to be known by. */
    private interface Identity {
        String header(int client);
    }

    // Client 0 keeps more requests on their way than there is room for; the others ask when they have their pictures.
    private static void requireShares(ServerOptions options, Identity identity) throws Exception {
        Map<Integer, Integer> drawn = new HashMap<>();
        Map<Wire, Integer> asking = new LinkedHashMap<>();
        try (ServerFixture server = new ServerFixture(options)) {
            server.backend().atOnce = false;
            List<Wire> greedy = new ArrayList<>();
            int done = 0;
            try {
                for (int picture = 0; picture < PICTURES; picture++) {
                    while (greedy.size() < 30) {
                        greedy.add(ask(server, identity, 0));
                    }
                    for (int client = 1; client <= POLITE; client++) {
                        if (!asking.containsValue(client)) {
                            Wire wire = ask(server, identity, client);
                            assertThat(wire.answer().status()).as("admitted").isEqualTo(200);
                            asking.put(wire, client);
                        }
                    }
                    int next = done;
                    ServerFixture.await(() -> server.backend().works.size() > next);
                    StubBackend.Work work = server.backend().works.get(done++);
                    int client = Integer.parseInt(work.request().prompts().get(0));
                    work.start();
                    work.finish();
                    work.listener().onDone(List.of());
                    drawn.merge(client, 1, Integer::sum);
                    if (client == 0) {
                        greedy.remove(0).close();
                    } else {
                        Wire wire = asking.entrySet().stream()
                                .filter(entry -> entry.getValue() == client)
                                .findFirst()
                                .orElseThrow()
                                .getKey();
                        while (!wire.line().equals("event: image_generation.completed")) {
                            // what comes before does not matter
                        }
                        asking.remove(wire);
                        wire.close();
                    }
                }
            } finally {
                for (Wire wire : greedy) {
                    wire.close();
                }
                for (Wire wire : asking.keySet()) {
                    wire.close();
                }
            }
        }
        for (int client = 1; client <= POLITE; client++) {
            assertThat(drawn.getOrDefault(client, 0))
                    .as("pictures of client %s of %s", client, drawn)
                    .isGreaterThanOrEqualTo(PICTURES / (POLITE + 1) * 8 / 10);
        }
    }

    private static Wire ask(ServerFixture server, Identity identity, int client) throws Exception {
        String headers = "Content-Type: application/json\r\n" + identity.header(client);
        return server.connect().write(postOf(GENERATIONS, headers, BODY.formatted(client)));
    }
}
