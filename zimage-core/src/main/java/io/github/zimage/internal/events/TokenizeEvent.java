package io.github.zimage.internal.events;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A prompt was divided into tokens. */
@Name("io.github.zimage.Tokenize")
@Label("Tokenize")
@Category("Z-Image")
@Description("The tokenizer divided a prompt into tokens")
@StackTrace(false)
public final class TokenizeEvent extends Event {
    /** How many tokens that gave, those of the chat template among them. */
    @Label("Tokens")
    public int tokens;
}
