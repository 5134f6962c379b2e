package io.github.zimage.internal.events;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** The memory of a pipeline was planned for a device. */
@Name("io.github.zimage.Plan")
@Label("Memory Plan")
@Category("Z-Image")
@Description("It was looked for where weights should be on a device")
@StackTrace(false)
public final class PlanEvent extends Event {
    /** The device, such as {@code cpu}. */
    @Label("Device")
    public String device = "";

    /** Whether what is needed is there. */
    @Label("Fits")
    public boolean fits;
}
