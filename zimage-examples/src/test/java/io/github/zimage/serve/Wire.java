package io.github.zimage.serve;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** A connection to a server on this machine, on which nothing is done but what a test says. */
final class Wire implements AutoCloseable {
    private final Socket socket;
    private final InputStream in;

    /**
     * What came back.
     *
     * @param line the status line
     * @param headers by their names in lower case; of several, the values with commas between them
     * @param body as long as the headers say
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Answer(String line, Map<String, String> headers, byte[] body) {
        int status() {
            return Integer.parseInt(line.split(" ")[1]);
        }

        String header(String name) {
            return headers.getOrDefault(name, "");
        }

        String text() {
            return new String(body, StandardCharsets.UTF_8);
        }
    }

    Wire(int port) throws IOException {
        this(port, new Socket());
    }

    private Wire(int port, Socket socket) throws IOException {
        this.socket = socket;
        socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        socket.setSoTimeout(40_000);
        in = new BufferedInputStream(socket.getInputStream());
    }

    /** Connects so that the system takes little of what comes before it is read. */
    static Wire narrow(int port) throws IOException {
        Socket socket = new Socket();
        socket.setReceiveBufferSize(8192);
        return new Wire(port, socket);
    }

    /** Sends a text as UTF-8. */
    Wire write(String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
        return this;
    }

    /** Sends bytes. */
    Wire write(byte[] bytes) throws IOException {
        socket.getOutputStream().write(bytes);
        return this;
    }

    /** Reads an answer. */
    Answer answer() throws IOException {
        return answer(true);
    }

    /** Reads an answer to HEAD, which has no body whatever its headers say. */
    Answer headOnly() throws IOException {
        return answer(false);
    }

    private Answer answer(boolean hasBody) throws IOException {
        String line = line();
        Map<String, String> headers = new TreeMap<>();
        for (String header = line(); !header.isEmpty(); header = line()) {
            int colon = header.indexOf(':');
            headers.merge(
                    header.substring(0, colon).toLowerCase(Locale.ROOT),
                    header.substring(colon + 1).strip(),
                    (first, second) -> first + ", " + second);
        }
        int length = Integer.parseInt(headers.getOrDefault("content-length", "0"));
        byte[] body = in.readNBytes(hasBody ? length : 0);
        if (hasBody && body.length < length) {
            throw new EOFException("%d of %d bytes came".formatted(body.length, length));
        }
        return new Answer(line, headers, body);
    }

    /** Reads to the end of a line. */
    String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) {
                throw new EOFException("the connection ended after: " + line.toString(StandardCharsets.UTF_8));
            }
            line.write(c);
        }
        return line.toString(StandardCharsets.UTF_8).replaceFirst("\r$", "");
    }

    /** Returns whether the server has closed the connection, waiting for it or for a further byte. */
    boolean isClosed() throws IOException {
        try {
            return in.read() < 0;
        } catch (java.net.SocketException e) {
            return true; // reset
        }
    }

    /** Returns whether the connection takes another request. */
    boolean isOpen() throws IOException {
        try {
            return write("GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
                            .answer()
                            .status()
                    == 200;
        } catch (IOException e) {
            return false;
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
