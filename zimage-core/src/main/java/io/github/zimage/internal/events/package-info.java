/** What Java Flight Recorder hears of the pipelines of a process. No event has a prompt in it. */
package io.github.zimage.internal.events;
