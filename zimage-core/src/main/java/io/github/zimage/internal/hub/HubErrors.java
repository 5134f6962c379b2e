package io.github.zimage.internal.hub;

import io.github.zimage.hub.HubException;
import io.github.zimage.hub.HubName;
import io.github.zimage.hub.HubName.Hub;
import java.io.IOException;

/** What people are told of a hub's refusals. */
final class HubErrors {
    private static final int UNAUTHORIZED = 401;
    private static final int FORBIDDEN = 403;
    private static final int NOT_FOUND = 404;

    private HubErrors() {}

    /** Returns what is wrong with a question about a model. */
    static HubException of(HubName name, HubClient client, IOException e) {
        if (!(e instanceof HubRefusal refusal)) {
            boolean temporary = !(e instanceof WrongContent);
            return new HubException(
                    "%s cannot be looked up at %s: %s".formatted(name, client.hub(), Retries.reason(e)), temporary, e);
        }
        return new HubException(
                message(name, client, refusal) + " (" + refusal.getMessage() + ")", refusal.isTemporary(), e);
    }

    private static String message(HubName name, HubClient client, HubRefusal e) {
        String page = page(name, client);
        String variable = name.hub() == Hub.MODELSCOPE ? "MODELSCOPE_API_TOKEN" : "HF_TOKEN";
        if (e.status() == FORBIDDEN || e.code().equals("GatedRepo")) {
            return client.hasToken()
                    ? "%s is gated, and the account of this token may not read it: accept the licence at %s"
                            .formatted(name, page)
                    : "%s is gated: accept the licence at %s, make a token for reading, and set %s to it"
                            .formatted(name, page, variable);
        }
        if (e.code().equals("RevisionNotFound")) {
            return "%s has no revision %s: see %s".formatted(name.id(), name.revision(), page);
        }
        if (e.status() == UNAUTHORIZED || e.status() == NOT_FOUND || e.code().equals("RepoNotFound")) {
            String who = client.hasToken() ? "for the account of this token" : "for who asks without a token";
            return "there is no model %s at %s %s: it is misspelt, private (set %s to a token that may read it) or gone"
                    .formatted(name, client.hub(), who, variable);
        }
        return "%s cannot be looked up".formatted(name);
    }

    private static String page(HubName name, HubClient client) {
        return client.hub() + (name.hub() == Hub.MODELSCOPE ? "/models/" : "/") + name.id();
    }
}
