package io.github.zimage.internal.events;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** What a phase of a generation that is done had in memory, and what was planned. */
@Name("io.github.zimage.Memory")
@Label("Memory in Use")
@Category("Z-Image")
@Description("The most memory in use in a phase of a generation, measured and planned")
@StackTrace(false)
public final class MemoryEvent extends Event {
    /** What the pipeline computes on. */
    @Label("Device")
    public String device = "";

    /** {@code text}, {@code denoise} or {@code decode}. */
    @Label("Phase")
    public String phase = "";

    /** Of the whole process, or on a graphics card of LibTorch's allocator. */
    @Label("Measured")
    @DataAmount
    public long measured;

    /** What the plan predicts. */
    @Label("Planned")
    @DataAmount
    public long planned;
}
