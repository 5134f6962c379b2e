package io.github.zimage.internal.hub;

import io.github.zimage.hub.HubName;
import java.io.IOException;
import java.net.URI;
import java.util.List;

/** How a hub is asked about one model. */
interface Repository {
    /**
     * What is at a revision.
     *
     * @param commit what the revision stands for now
     * @param files all of them, with paths that are not yet checked
     */
    record Listing(HubName name, String commit, List<HubFile> files) {}

    /** Asks what there is. */
    Listing list() throws IOException, InterruptedException;

    /** Returns where a file is asked for. */
    URI address(Listing listing, HubFile file);

    /**
     * Looks at what a hub says of a file that it is about to send.
     *
     * @throws WrongContent if it is not the one that was listed
     */
    void check(Listing listing, HubFile file, HubClient.Answer answer) throws WrongContent;
}
