package io.github.zimage.hub;

import io.github.zimage.internal.io.Given;
import io.github.zimage.internal.io.ShownText;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The name of a model on a hub, such as {@code Tongyi-MAI/Z-Image-Turbo}.
 *
 * @param hub where it is
 * @param owner who published it
 * @param model its name there
 * @param revision a branch, a tag or a commit
 */
public record HubName(Hub hub, String owner, String model, String revision) {
    private static final String PREFIX = "modelscope:";
    private static final int MOST_REVISION = 100;
    private static final String PART = "[A-Za-z0-9][A-Za-z0-9_.-]{0,95}";
    private static final Pattern NAME = Pattern.compile("(modelscope:)?(" + PART + ")/(" + PART + ")(?:@(.+))?");
    private static final Pattern PAGE = Pattern.compile(
            "https?://(?:huggingface\\.co|hf\\.co|www\\.modelscope\\.cn/models|modelscope\\.(?:cn|ai)/models)/(" + PART
                    + ")/(" + PART + ")(?:/tree/([^/?#]+))?/?(?:[?#].*)?");
    private static final Pattern REVISION = Pattern.compile("[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*");

    /** A place that models are published at. */
    public enum Hub {
        /** huggingface.co, or a mirror of it that {@code HF_ENDPOINT} names. */
        HUGGING_FACE("main"),
        /** modelscope.cn, or another server that {@code MODELSCOPE_ENDPOINT} names. */
        MODELSCOPE("master");

        private final String branch;

        Hub(String branch) {
            this.branch = branch;
        }

        /** Returns the branch that is taken where no revision is named. */
        public String defaultRevision() {
            return branch;
        }
    }

    /**
     * Checks a name.
     *
     * @throws IllegalArgumentException if a part cannot be that of a model on a hub
     */
    public HubName {
        Given.value(hub, "hub");
        check(owner, "owner");
        check(model, "model");
        Given.value(revision, "revision");
        if (revision.length() > MOST_REVISION
                || revision.contains("..")
                || !REVISION.matcher(revision).matches()) {
            throw new IllegalArgumentException(
                    "a revision must be a branch, a tag or a commit, but was " + ShownText.quoted(revision));
        }
    }

    private static void check(String part, String what) {
        if (!Pattern.matches(PART, Given.value(part, what)) || part.contains("..") || part.contains("--")) {
            throw new IllegalArgumentException(
                    "%s must consist of letters, digits, '_', '-' and '.', without '--' and '..', but was %s"
                            .formatted(what, ShownText.quoted(part)));
        }
    }

    /**
     * Returns the name that a text stands for.
     *
     * @param text {@code owner/name}, {@code owner/name@revision}, either behind {@code modelscope:}, or the address of the model's page
     * @throws IllegalArgumentException if it is none of these
     */
    public static HubName parse(String text) {
        Matcher page = PAGE.matcher(Given.value(text, "name"));
        if (page.matches()) {
            return of(text.contains("modelscope") ? Hub.MODELSCOPE : Hub.HUGGING_FACE, page, 1);
        }
        Matcher name = NAME.matcher(text);
        if (!name.matches()) {
            throw new IllegalArgumentException(
                    "a model's name must be OWNER/NAME, OWNER/NAME@REVISION or modelscope:OWNER/NAME, but was "
                            + ShownText.quoted(text));
        }
        return of(name.group(1) == null ? Hub.HUGGING_FACE : Hub.MODELSCOPE, name, 2);
    }

    private static HubName of(Hub hub, Matcher found, int group) {
        String revision = found.group(group + 2);
        return new HubName(
                hub, found.group(group), found.group(group + 1), revision == null ? hub.defaultRevision() : revision);
    }

    /** Returns whether a text has the form of a name, not that of an address; it may be a path of two parts, too. */
    public static boolean isName(String text) {
        Matcher name = NAME.matcher(text);
        if (!name.matches()) {
            return false;
        }
        try {
            parse(text);
            return true;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    /** Returns the owner and the model, with a slash between them. */
    public String id() {
        return owner + "/" + model;
    }

    /** Returns what {@link #parse} reads again, without the revision if it is the usual one. */
    @Override
    public String toString() {
        return (hub == Hub.MODELSCOPE ? PREFIX : "")
                + id()
                + (revision.equals(hub.defaultRevision()) ? "" : "@" + revision);
    }
}
