package io.github.zimage.serve;

import com.sun.management.UnixOperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;

/**
 * What connections may cost.
 *
 * @param connections how many there may be
 * @param firstRequest how long a new connection may take for the headers of its first request
 * @param idle how long one may stay without a request, or take for the headers of its next
 * @param body how long a request's body may take
 * @param answer how long a client may take to read an answer
 */
record HttpLimits(int connections, Duration firstRequest, Duration idle, Duration body, Duration answer) {
    private static final int MOST_CONNECTIONS = 2000;
    private static final int LEAST_CONNECTIONS = 32;
    /** For the model's files, the class path, and all else. */
    private static final int OTHER_FILES = 200;

    /** Returns what a server allows, where each connection is a file of which a process may only have so many. */
    static HttpLimits standard() {
        int connections = MOST_CONNECTIONS;
        if (ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean system) {
            long files = system.getMaxFileDescriptorCount() - OTHER_FILES;
            connections = (int) Math.max(LEAST_CONNECTIONS, Math.min(MOST_CONNECTIONS, files));
        }
        return new HttpLimits(
                connections,
                Duration.ofSeconds(15),
                Duration.ofSeconds(30),
                Duration.ofSeconds(15),
                Duration.ofMinutes(2));
    }

    /** Returns how many connections may wait for pictures or events. The others are for those who ask how the server is. */
    int waiting() {
        return Math.max(1, connections / 10 * 9);
    }
}
