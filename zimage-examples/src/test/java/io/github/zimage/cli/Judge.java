package io.github.zimage.cli;

import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import javax.imageio.ImageIO;

/**
 * Says what is to be seen in a picture of the demo model's world: the clean picture of an object, laid on the picture's own
 * background at the places where the world has objects, that differs least from what was drawn.
 */
final class Judge {
    private static final String FOLDER = "/demo/";
    private static final int CELL = 48;
    private static final int COLUMNS = 16;
    /** By so many pixels the world moves objects about, where there is room. */
    private static final int TOKEN = 16;

    /** Shorter side of the pictures that are compared. */
    private static final int JUDGED = 64;

    /** How objects lie in a picture, as in tools/demo-model/world.py. */
    enum Layout {
        NORMAL(1, 1),
        LARGE(1, 1),
        SMALL(1, 1),
        LEFT_RIGHT(2, 1),
        ABOVE_BELOW(1, 2);

        private final int columns;
        private final int rows;

        Layout(int columns, int rows) {
            this.columns = columns;
            this.rows = rows;
        }

        /** Returns the side of an object in a cell. */
        private int side(int width, int height) {
            int shorter = Math.min(width, height);
            return switch (this) {
                case NORMAL -> shorter - 2 * TOKEN * Math.max(1, (int) Math.round(shorter / 8.0 / TOKEN));
                case SMALL -> (int) Math.round(0.46875 * shorter);
                default -> (int) Math.round(0.9375 * shorter);
            };
        }

        /** Returns how far an object may lie from the middle of a cell, along its width or its height. */
        private static int reach(int length, int side) {
            return length / 2 >= side / 2 + TOKEN ? TOKEN : 0;
        }
    }

    private record Colour(String name, int red, int green, int blue) {}

    /** An object at some size; the colours are multiplied by the alpha. */
    private record Sprite(int side, float[] red, float[] green, float[] blue, float[] alpha) {}

    /** What was found in a cell, what it differs by, and what an empty background would differ by: sums of squares. */
    private record Find(int object, double difference, double empty) {}

    private final List<String> names = new ArrayList<>();
    private final List<Colour> colours = new ArrayList<>();
    private final BufferedImage atlas;
    private final List<BufferedImage> further = new ArrayList<>();
    private final Map<Integer, List<Sprite>> sprites = new HashMap<>();

    Judge() {
        for (String[] row : rows("objects.tsv")) {
            names.add(row[2]);
        }
        for (String[] row : rows("colours.tsv")) {
            colours.add(
                    new Colour(row[0], Integer.parseInt(row[3]), Integer.parseInt(row[4]), Integer.parseInt(row[5])));
        }
        try (InputStream in = open("atlas.png")) {
            atlas = ImageIO.read(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Lets it know one more object, by its clean picture of the atlas's size. */
    Judge with(String name, BufferedImage picture) {
        names.add(name);
        further.add(picture);
        sprites.clear();
        return this;
    }

    /** Returns the English names of all objects. */
    List<String> names() {
        return List.copyOf(names);
    }

    /** Returns the names of all background colours. */
    List<String> colours() {
        return colours.stream().map(Colour::name).toList();
    }

    /** Returns the objects of a picture that has this layout, the left or upper one first. */
    List<String> objects(BufferedImage image, Layout layout) {
        return finds(image, layout).stream().map(find -> names.get(find.object)).toList();
    }

    /** Returns how much of what stands out from the background is the clean object: 1 is all, 0 is nothing. */
    double likeness(BufferedImage image, Layout layout) {
        return finds(image, layout).stream()
                .mapToDouble(find -> 1 - find.difference / find.empty)
                .min()
                .orElseThrow();
    }

    /** Returns whether the one object of a picture is of normal size, large or small. */
    Layout size(BufferedImage image) {
        Layout best = Layout.NORMAL;
        double most = likeness(image, best);
        for (Layout layout : List.of(Layout.LARGE, Layout.SMALL)) {
            double likeness = likeness(image, layout);
            if (likeness > most) {
                most = likeness;
                best = layout;
            }
        }
        return best;
    }

    /** Returns the name of the background's colour: that of the median of the outermost pixels. */
    String background(BufferedImage image) {
        float[] rim = rim(image);
        Colour best = colours.get(0);
        double least = Double.POSITIVE_INFINITY;
        for (Colour colour : colours) {
            double distance = Math.pow(rim[0] - colour.red, 2)
                    + Math.pow(rim[1] - colour.green, 2)
                    + Math.pow(rim[2] - colour.blue, 2);
            if (distance < least) {
                least = distance;
                best = colour;
            }
        }
        return best.name;
    }

    /** Returns how much of the rim has the colour of the background, give or take 24 levels of 255. */
    double plainRim(BufferedImage image) {
        float[] background = rim(image);
        List<Integer> pixels = rimPixels(image);
        return pixels.stream()
                        .filter(pixel -> Math.abs(((pixel >> 16) & 255) - background[0]) <= 24
                                && Math.abs(((pixel >> 8) & 255) - background[1]) <= 24
                                && Math.abs((pixel & 255) - background[2]) <= 24)
                        .count()
                / (double) pixels.size();
    }

    /** Returns a clean picture of some objects, as far from the middle of their cells as is said. */
    BufferedImage paint(List<String> objects, String colour, Layout layout, int width, int height, int dx, int dy) {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = smooth(image);
        Colour fill = colours.stream()
                .filter(known -> known.name.equals(colour))
                .findFirst()
                .orElseThrow();
        graphics.setColor(new java.awt.Color(fill.red, fill.green, fill.blue));
        graphics.fillRect(0, 0, width, height);
        int cellWidth = width / layout.columns;
        int cellHeight = height / layout.rows;
        int side = layout.side(cellWidth, cellHeight);
        for (int i = 0; i < objects.size(); i++) {
            int x = i % layout.columns * cellWidth + (cellWidth - side) / 2 + dx;
            int y = i / layout.columns * cellHeight + (cellHeight - side) / 2 + dy;
            graphics.drawImage(cell(names.indexOf(objects.get(i))), x, y, side, side, null);
        }
        graphics.dispose();
        return image;
    }

    private List<Find> finds(BufferedImage image, Layout layout) {
        float[] background = rim(image);
        double scale = (double) JUDGED / Math.min(image.getWidth(), image.getHeight());
        BufferedImage small = shrink(image);
        int width = small.getWidth() / layout.columns;
        int height = small.getHeight() / layout.rows;
        int cellWidth = image.getWidth() / layout.columns;
        int cellHeight = image.getHeight() / layout.rows;
        int side = layout.side(cellWidth, cellHeight);
        List<Sprite> all = sprites.computeIfAbsent((int) Math.round(side * scale), this::sprites);
        int reachX = (int) Math.round(Layout.reach(cellWidth, side) * scale);
        int reachY = (int) Math.round(Layout.reach(cellHeight, side) * scale);
        List<Find> finds = new ArrayList<>();
        for (int row = 0; row < layout.rows; row++) {
            for (int column = 0; column < layout.columns; column++) {
                BufferedImage cell = small.getSubimage(column * width, row * height, width, height);
                finds.add(nearest(planes(cell), width, height, all, reachX, reachY, background));
            }
        }
        return finds;
    }

    private static Find nearest(
            float[][] cell, int width, int height, List<Sprite> all, int reachX, int reachY, float[] background) {
        double empty = 0;
        for (int c = 0; c < 3; c++) {
            for (float value : cell[c]) {
                empty += square(value - background[c]);
            }
        }
        int object = 0;
        double least = Double.POSITIVE_INFINITY;
        for (int i = 0; i < all.size(); i++) {
            Sprite sprite = all.get(i);
            for (int y : places(height - sprite.side, reachY)) {
                for (int x : places(width - sprite.side, reachX)) {
                    double difference = empty + change(cell, width, x, y, sprite, background);
                    if (difference < least) {
                        least = difference;
                        object = i;
                    }
                }
            }
        }
        return new Find(object, least, empty);
    }

    private static int[] places(int room, int reach) {
        int middle = room / 2;
        return reach == 0
                ? new int[] {middle}
                : new int[] {Math.max(0, middle - reach), middle, Math.min(room, middle + reach)};
    }

    /** Returns by how much more the cell differs from a background with the sprite than from the background alone. */
    private static double change(float[][] cell, int width, int left, int top, Sprite sprite, float[] background) {
        float[][] planes = {sprite.red, sprite.green, sprite.blue};
        double change = 0;
        for (int c = 0; c < 3; c++) {
            float[] seen = cell[c];
            float[] plane = planes[c];
            float behind = background[c];
            float sum = 0;
            for (int y = 0; y < sprite.side; y++) {
                int at = (top + y) * width + left;
                int from = y * sprite.side;
                for (int x = 0; x < sprite.side; x++) {
                    float clean = plane[from + x] + (1 - sprite.alpha[from + x]) * behind;
                    float value = seen[at + x];
                    sum += square(clean - value) - square(behind - value);
                }
            }
            change += sum;
        }
        return change;
    }

    private static float square(float value) {
        return value * value;
    }

    private List<Sprite> sprites(int side) {
        List<Sprite> result = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            BufferedImage scaled = new BufferedImage(side, side, BufferedImage.TYPE_INT_ARGB_PRE);
            Graphics2D graphics = smooth(scaled);
            graphics.drawImage(cell(i), 0, 0, side, side, null);
            graphics.dispose();
            int[] pixels = ((java.awt.image.DataBufferInt) scaled.getRaster().getDataBuffer()).getData();
            float[][] planes = new float[4][pixels.length];
            for (int p = 0; p < pixels.length; p++) {
                planes[0][p] = (pixels[p] >> 16) & 255;
                planes[1][p] = (pixels[p] >> 8) & 255;
                planes[2][p] = pixels[p] & 255;
                planes[3][p] = (pixels[p] >>> 24) / 255f;
            }
            result.add(new Sprite(side, planes[0], planes[1], planes[2], planes[3]));
        }
        return result;
    }

    private BufferedImage cell(int object) {
        int own = names.size() - further.size();
        return object >= own
                ? further.get(object - own)
                : atlas.getSubimage(object % COLUMNS * CELL, object / COLUMNS * CELL, CELL, CELL);
    }

    private static List<Integer> rimPixels(BufferedImage image) {
        int width = image.getWidth();
        int height = image.getHeight();
        List<Integer> pixels = new ArrayList<>();
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                if (Math.min(Math.min(x, width - 1 - x), Math.min(y, height - 1 - y)) < 3) {
                    pixels.add(image.getRGB(x, y));
                }
            }
        }
        return pixels;
    }

    private static float[] rim(BufferedImage image) {
        List<Integer> pixels = rimPixels(image);
        float[] median = new float[3];
        for (int c = 0; c < 3; c++) {
            int shift = 16 - 8 * c;
            int[] values = pixels.stream()
                    .mapToInt(pixel -> pixel >> shift & 255)
                    .sorted()
                    .toArray();
            median[c] = values[values.length / 2];
        }
        return median;
    }

    private static float[][] planes(BufferedImage image) {
        int width = image.getWidth();
        int[] pixels = image.getRGB(0, 0, width, image.getHeight(), null, 0, width);
        float[][] planes = new float[3][pixels.length];
        for (int i = 0; i < pixels.length; i++) {
            for (int c = 0; c < 3; c++) {
                planes[c][i] = (pixels[i] >> (16 - 8 * c)) & 255;
            }
        }
        return planes;
    }

    /** Halves a picture while it is at least twice as large as needed, which averages, and then scales the rest of the way. */
    private static BufferedImage shrink(BufferedImage image) {
        BufferedImage result = image;
        while (Math.min(result.getWidth(), result.getHeight()) >= 2 * JUDGED) {
            result = scaled(result, result.getWidth() / 2, result.getHeight() / 2);
        }
        double factor = (double) JUDGED / Math.min(result.getWidth(), result.getHeight());
        return factor == 1
                ? result
                : scaled(result, (int) Math.round(result.getWidth() * factor), (int)
                        Math.round(result.getHeight() * factor));
    }

    private static BufferedImage scaled(BufferedImage image, int width, int height) {
        BufferedImage result = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = result.createGraphics();
        graphics.setRenderingHint(RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BILINEAR);
        graphics.drawImage(image, 0, 0, width, height, null);
        graphics.dispose();
        return result;
    }

    private static Graphics2D smooth(BufferedImage image) {
        Graphics2D graphics = image.createGraphics();
        graphics.setRenderingHint(RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BICUBIC);
        return graphics;
    }

    private static List<String[]> rows(String name) {
        try (BufferedReader reader = new BufferedReader(new InputStreamReader(open(name), StandardCharsets.UTF_8))) {
            return reader.lines().skip(1).map(line -> line.split("\t", -1)).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static InputStream open(String name) {
        return Objects.requireNonNull(Judge.class.getResourceAsStream(FOLDER + name), name);
    }
}
