package io.github.zimage.internal.events;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A denoising step was done. On a graphics card, begins when the step before it was done, as it was ordered earlier. */
@Name("io.github.zimage.Step")
@Label("Denoising Step")
@Category("Z-Image")
@Description("A denoising step of all pictures of a request")
@StackTrace(false)
public final class StepEvent extends Event {
    /** What computed the transformer. */
    @Label("Device")
    public String device = "";

    /** Its number, from 1. */
    @Label("Step")
    public int step;

    /** How many there are. */
    @Label("Steps")
    public int steps;

    /** In pixels. */
    @Label("Width")
    public int width;

    /** In pixels. */
    @Label("Height")
    public int height;

    /** How many are drawn together. */
    @Label("Pictures")
    public int pictures;
}
