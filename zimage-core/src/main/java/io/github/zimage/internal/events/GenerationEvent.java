package io.github.zimage.internal.events;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A request was drawn, or part of one, on a device. Begins when the device begins with it. */
@Name("io.github.zimage.Generation")
@Label("Generation")
@Category("Z-Image")
@Description("A request, from when the device begins with it until its pictures are there")
@StackTrace(false)
public final class GenerationEvent extends Event {
    /** What computed, such as {@code cpu}. */
    @Label("Device")
    public String device = "";

    /** In pixels. */
    @Label("Width")
    public int width;

    /** In pixels. */
    @Label("Height")
    public int height;

    /** How many were asked for. */
    @Label("Steps")
    public int steps;

    /** How many were asked for. */
    @Label("Pictures")
    public int pictures;

    /** Whether each step is computed twice. */
    @Label("Guided")
    public boolean guided;

    /** {@code done}, {@code cancelled}, {@code out of memory} or {@code failed}. */
    @Label("Outcome")
    public String outcome = "";
}
