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
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** A model on Hugging Face, or on a mirror of it. */
final class HuggingFace implements Repository {
    private static final int MOST_FILES = 100_000;
    private static final Pattern NEXT = Pattern.compile("<([^>]+)>\\s*;\\s*rel=\"?next\"?");

    private final HubClient client;
    private final StallWatch watch;
    private final HubName name;
    private final Supplier<Retries> retries;

    HuggingFace(HubClient client, StallWatch watch, HubName name, Supplier<Retries> retries) {
        this.client = client;
        this.watch = watch;
        this.name = name;
        this.retries = retries;
    }

    @Override
    public Listing list() throws IOException, InterruptedException {
        String commit = FileDigest.isCommit(name.revision()) ? name.revision() : commit();
        List<HubFile> files = new ArrayList<>();
        URI page = client.hub().resolve(path("/api/models/") + "/tree/" + commit + "?recursive=true&expand=false");
        while (page != null) {
            HubJson.Page found = HubJson.get(client, watch, page, retries.get());
            if (!found.content().isArray()) {
                throw new WrongContent("the list of files of " + name + " is no list");
            }
            for (JsonNode entry : found.content()) {
                if (entry.path("type").asText().equals("file")) {
                    files.add(file(entry));
                }
            }
            if (files.size() > MOST_FILES) {
                throw new WrongContent(name + " has more than " + MOST_FILES + " files, which is zimage's limit");
            }
            page = next(page, found);
        }
        return new Listing(name, commit, files);
    }

    private String commit() throws IOException, InterruptedException {
        URI address = client.hub().resolve(path("/api/models/") + "/revision/" + encoded(name.revision()));
        String commit = HubJson.get(client, watch, address, retries.get())
                .content()
                .path("sha")
                .asText();
        if (!FileDigest.isCommit(commit)) {
            throw new WrongContent("the hub must name the commit of %s in 40 digits, but named %s"
                    .formatted(name, ShownText.quoted(commit)));
        }
        return commit;
    }

    private HubFile file(JsonNode entry) throws WrongContent {
        JsonNode large = entry.path("lfs");
        String oid = large.isObject()
                ? large.path("oid").asText()
                : entry.path("oid").asText();
        long bytes = (large.isObject() ? large : entry).path("size").asLong(-1);
        FileDigest digest = FileDigest.of(oid);
        if (digest == null || bytes < 0) {
            throw new WrongContent("the hub must give a length and a digest for each file, but does not for "
                    + ShownText.quoted(entry.path("path").asText()));
        }
        return new HubFile(entry.path("path").asText(), bytes, digest);
    }

    private static @Nullable URI next(URI page, HubJson.Page found) throws WrongContent {
        for (String link : found.headers().allValues("Link")) {
            Matcher next = NEXT.matcher(link);
            if (next.find()) {
                try {
                    return page.resolve(next.group(1));
                } catch (IllegalArgumentException e) {
                    throw new WrongContent("the list of files goes on at an address that is none");
                }
            }
        }
        return null;
    }

    @Override
    public URI address(Listing listing, HubFile file) {
        StringBuilder address = new StringBuilder(path("/") + "/resolve/" + listing.commit());
        for (String part : file.path().split("/", -1)) {
            address.append('/').append(encoded(part));
        }
        return client.hub().resolve(address.toString());
    }

    @Override
    public void check(Listing listing, HubFile file, HubClient.Answer answer) throws WrongContent {
        String etag = answer.hubHeaders()
                .firstValue("X-Linked-ETag")
                .orElse("")
                .replaceFirst("^W/", "")
                .replace("\"", "");
        String commit = answer.hubHeaders().firstValue("X-Repo-Commit").orElse("");
        FileDigest digest = file.digest();
        boolean other = !etag.isEmpty() && digest != null && !etag.equals(digest.hex());
        if (other || (!commit.isEmpty() && !commit.equals(listing.commit()))) {
            throw new WrongContent("the hub has another content for it by now; pull again");
        }
    }

    /** An address may have a path of its own before that of the hub. */
    private String path(String before) {
        return client.hub().getPath() + before + name.id();
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }
}
