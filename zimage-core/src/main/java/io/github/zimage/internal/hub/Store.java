package io.github.zimage.internal.hub;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Where the files of one revision are kept. Methods about different files may be called by several threads. */
interface Store {
    /** Returns the folder in which the files lie under their names, once they are {@linkplain #publish published}. */
    Path folder();

    /** Returns whether a file is here, whole, as far as that shows without reading it. */
    boolean has(HubFile file);

    /**
     * Returns whether a file that somebody else put here is the right one, after reading it.
     *
     * @throws IOException if it cannot be read
     */
    boolean adopt(HubFile file) throws IOException;

    /** Returns where a file grows, until it is whole. */
    Path partial(HubFile file);

    /** Returns what is locked while one process fetches a file. */
    Path lock(HubFile file);

    /** Takes over a file that has grown whole and was checked. */
    void keep(HubFile file) throws IOException;

    /** Makes files appear in the folder; all of them are here. What makes the folder a checkpoint is the last one. */
    void publish(List<HubFile> files) throws IOException;
}
