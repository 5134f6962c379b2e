package io.github.zimage.internal.hub;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.zimage.hub.HubName;
import io.github.zimage.internal.io.ShownText;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;

/** A model on ModelScope. Its answers pin no commit, so that the digests alone say which content is meant. */
final class ModelScope implements Repository {
    /** Where its lists are cut without a word. */
    private static final int CUT = 3000;

    private final HubClient client;
    private final StallWatch watch;
    private final HubName name;
    private final Supplier<Retries> retries;

    ModelScope(HubClient client, StallWatch watch, HubName name, Supplier<Retries> retries) {
        this.client = client;
        this.watch = watch;
        this.name = name;
        this.retries = retries;
    }

    @Override
    public Listing list() throws IOException, InterruptedException {
        URI address = client.hub().resolve(path() + "/repo/files?Recursive=True&Revision=" + encoded(name.revision()));
        JsonNode answer = HubJson.get(client, watch, address, retries.get()).content();
        JsonNode list = answer.path("Data").path("Files");
        if (!list.isArray()) {
            throw new WrongContent("ModelScope lists no files of %s: %s"
                    .formatted(name.id(), ShownText.cut(answer.path("Message").asText("no reason given"))));
        }
        if (list.size() >= CUT) {
            throw new WrongContent(name.id() + " has as many files as ModelScope lists, so some may be missing");
        }
        List<HubFile> files = new ArrayList<>();
        for (JsonNode entry : list) {
            if (entry.path("Type").asText().equals("blob")) {
                files.add(file(entry));
            }
        }
        return new Listing(name, name.revision(), files);
    }

    private static HubFile file(JsonNode entry) throws WrongContent {
        String path = entry.path("Path").asText();
        long bytes = entry.path("Size").asLong(-1);
        FileDigest digest = FileDigest.of(entry.path("Sha256").asText().toLowerCase(Locale.ROOT));
        if (digest == null || bytes < 0) {
            throw new WrongContent("ModelScope must give a length and a digest for each file, but does not for "
                    + ShownText.quoted(path));
        }
        return new HubFile(path, bytes, digest);
    }

    @Override
    public URI address(Listing listing, HubFile file) {
        return client.hub()
                .resolve(path() + "/repo?Revision=" + encoded(listing.commit()) + "&FilePath=" + encoded(file.path()));
    }

    @Override
    public void check(Listing listing, HubFile file, HubClient.Answer answer) {
        // It says nothing that could be looked at.
    }

    private String path() {
        return client.hub().getPath() + "/api/v1/models/" + name.id();
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }
}
