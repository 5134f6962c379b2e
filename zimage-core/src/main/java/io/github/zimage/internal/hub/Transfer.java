package io.github.zimage.internal.hub;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Fetches contents from a hub into files on the disk, on from where these end, and checks them. Thread-safe. */
final class Transfer {
    private static final int BUFFER_BYTES = 256 << 10;
    private static final int PART = 206;
    private static final int BEYOND_END = 416;
    private static final Pattern RANGE = Pattern.compile("bytes (\\d{1,18})-\\d{1,18}/(\\d{1,18}|\\*)");

    private final HubClient client;
    private final StallWatch watch;
    private final Repository repository;
    private final Repository.Listing listing;
    private final Pause pause;

    Transfer(HubClient client, StallWatch watch, Repository repository, Repository.Listing listing, Pause pause) {
        this.client = client;
        this.watch = watch;
        this.repository = repository;
        this.listing = listing;
        this.pause = pause;
    }

    /**
     * Lets a file grow until it is whole, and checks its digest. It reaches the disk before this returns.
     *
     * @throws WrongContent if what the hub sends is not the file that it listed
     * @throws DiskFailure if the file cannot be written
     */
    void into(Path partial, HubFile file, PullProgress progress) throws IOException, InterruptedException {
        FileDigest wanted = Objects.requireNonNull(file.digest());
        try (Growing growing = new Growing(partial, file, progress)) {
            Retries retries = new Retries(pause, (reason, wait) -> progress.retry(file, reason, wait));
            while (growing.bytes < file.bytes()) {
                try {
                    append(growing, file, retries);
                } catch (DiskFailure e) {
                    throw e;
                } catch (HubRefusal e) {
                    if (e.status() == BEYOND_END) {
                        throw new WrongContent("the hub's file is shorter than it lists");
                    }
                    retries.failed(e);
                } catch (IOException e) {
                    retries.failed(e);
                }
            }
            if (!wanted.matches(growing.digest)) {
                throw new WrongContent(
                        "its digest must be %s, but is another: it was damaged on its way, or is another file"
                                .formatted(wanted.hex()));
            }
            growing.force();
        }
    }

    private void append(Growing growing, HubFile file, Retries retries) throws IOException, InterruptedException {
        Map<String, String> headers = new HashMap<>();
        if (growing.bytes > 0) {
            headers.put("Range", "bytes=" + growing.bytes + "-");
            if (!growing.tag.isEmpty()) {
                headers.put("If-Range", growing.tag);
            }
        }
        try (HubClient.Answer answer = client.get(repository.address(listing, file), headers)) {
            repository.check(listing, file, answer);
            checkLength(answer, file, growing);
            growing.tag = strongTag(answer);
            try (InputStream body = watch.watch(answer.body())) {
                copy(body, growing, file, retries);
            }
        }
    }

    /** A tag that is only nearly the same, or a file's that began before, says nothing about its bytes. */
    private static String strongTag(HubClient.Answer answer) {
        return answer.headers()
                .firstValue("ETag")
                .filter(tag -> tag.startsWith("\""))
                .orElse("");
    }

    private static void checkLength(HubClient.Answer answer, HubFile file, Growing growing) throws IOException {
        String encoding = answer.headers().firstValue("Content-Encoding").orElse("identity");
        if (!encoding.equals("identity")) {
            throw new WrongContent("the server packs it although it was asked not to");
        }
        long start = answer.status() == PART ? start(answer, file) : 0;
        long length = answer.headers().firstValueAsLong("Content-Length").orElse(file.bytes() - start);
        if (start + length != file.bytes()) {
            throw new WrongContent(
                    "it must have %d bytes, but the server has %d".formatted(file.bytes(), start + length));
        }
        if (start == 0 && growing.bytes > 0) {
            growing.restart();
        } else if (start != growing.bytes) {
            throw new WrongContent("the server sends it from byte %d on instead of %d".formatted(start, growing.bytes));
        }
    }

    private static long start(HubClient.Answer answer, HubFile file) throws WrongContent {
        String range = answer.headers().firstValue("Content-Range").orElse("");
        Matcher matcher = RANGE.matcher(range);
        if (!matcher.matches()) {
            throw new WrongContent("the server does not say which part of it it sends");
        }
        if (!matcher.group(2).equals("*") && Long.parseLong(matcher.group(2)) != file.bytes()) {
            throw new WrongContent(
                    "it must have %d bytes, but the server has %s".formatted(file.bytes(), matcher.group(2)));
        }
        return Long.parseLong(matcher.group(1));
    }

    private static void copy(InputStream body, Growing growing, HubFile file, Retries retries)
            throws IOException, InterruptedException {
        byte[] buffer = new byte[BUFFER_BYTES];
        while (true) {
            int count = body.read(buffer, 0, buffer.length);
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
            if (count < 0) {
                break;
            }
            if (growing.bytes + count > file.bytes()) {
                throw new WrongContent("the server sends more than the %d bytes of it".formatted(file.bytes()));
            }
            growing.add(buffer, count);
            retries.gotOn();
        }
        if (growing.bytes < file.bytes()) {
            throw new IOException("the connection ended after %d of %d bytes".formatted(growing.bytes, file.bytes()));
        }
    }

    /** A file that grows, with the digest of what it holds. */
    private static final class Growing implements AutoCloseable {
        private final FileChannel channel;
        private final HubFile file;
        private final PullProgress progress;
        private MessageDigest digest;
        private long bytes;
        private String tag = "";

        Growing(Path partial, HubFile file, PullProgress progress) throws IOException {
            this.file = file;
            this.progress = progress;
            digest = begin();
            long there = Files.isRegularFile(partial, LinkOption.NOFOLLOW_LINKS) ? Files.size(partial) : 0;
            try {
                channel = FileChannel.open(
                        partial,
                        Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS));
            } catch (IOException e) {
                throw new DiskFailure(e);
            }
            boolean done = false;
            try {
                goOn(partial, there);
                done = true;
            } finally {
                if (!done) {
                    channel.close();
                }
            }
        }

        private void goOn(Path partial, long there) throws IOException {
            if (there > file.bytes()) {
                channel.truncate(0);
            } else if (there > 0) {
                bytes = FileContent.add(partial, digest);
            }
            channel.position(bytes);
            progress.set(file, bytes);
        }

        private MessageDigest begin() {
            return Objects.requireNonNull(file.digest()).begin(file.bytes());
        }

        void restart() throws IOException {
            channel.truncate(0);
            digest = begin();
            bytes = 0;
            progress.set(file, 0);
        }

        void add(byte[] buffer, int count) throws IOException {
            ByteBuffer wrapped = ByteBuffer.wrap(buffer, 0, count);
            try {
                while (wrapped.hasRemaining()) {
                    channel.write(wrapped);
                }
            } catch (ClosedByInterruptException e) {
                throw e;
            } catch (IOException e) {
                channel.truncate(bytes);
                throw new DiskFailure(e);
            }
            digest.update(buffer, 0, count);
            bytes += count;
            progress.set(file, bytes);
        }

        void force() throws IOException {
            try {
                channel.force(true);
            } catch (ClosedByInterruptException e) {
                throw e;
            } catch (IOException e) {
                throw new DiskFailure(e);
            }
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }
}
