package io.github.zimage.internal.events;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** An allocation failed, and a phase is tried again with less memory. */
@Name("io.github.zimage.Relief")
@Label("Out of Memory, Tried Again")
@Category("Z-Image")
@Description("An allocation failed; caches were freed, and the phase is tried once more with a smaller plan")
@StackTrace(false)
public final class ReliefEvent extends Event {
    /** What the pipeline computes on. */
    @Label("Device")
    public String device = "";

    /** {@code text}, {@code denoise} or {@code decode}. */
    @Label("Phase")
    public String phase = "";

    /** What could not be had; 0 if that is not known. */
    @Label("Requested")
    @DataAmount
    public long requested;

    /** What had been planned for the phase. */
    @Label("Planned Before")
    @DataAmount
    public long plannedBefore;

    /** What is planned now. */
    @Label("Planned")
    @DataAmount
    public long planned;
}
