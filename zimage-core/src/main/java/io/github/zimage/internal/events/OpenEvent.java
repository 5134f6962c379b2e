package io.github.zimage.internal.events;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A part of a checkpoint was opened and checked. */
@Name("io.github.zimage.Open")
@Label("Model Open")
@Category("Z-Image")
@Description("The headers of a checkpoint's files, or its tokenizer, were read and checked")
@StackTrace(false)
public final class OpenEvent extends Event {
    /** {@code checkpoint} or {@code tokenizer}. */
    @Label("Part")
    public String part = "";
}
