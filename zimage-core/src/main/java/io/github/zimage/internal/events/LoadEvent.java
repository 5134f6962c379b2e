package io.github.zimage.internal.events;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A component was loaded: with the pipeline, or for a generation. */
@Name("io.github.zimage.Load")
@Label("Model Load")
@Category("Z-Image")
@Description("A component of the model was loaded; of a streamed one, what stays")
@StackTrace(false)
public final class LoadEvent extends Event {
    /** The component's folder, such as {@code transformer}. */
    @Label("Component")
    public String component = "";

    /** What it computes on. */
    @Label("Device")
    public String device = "";

    /** {@code resident}, {@code parked} or {@code streamed}. */
    @Label("Residence")
    public String residence = "";

    /** What all its weights take in the checkpoint. */
    @Label("Weights")
    @DataAmount
    public long bytes;
}
