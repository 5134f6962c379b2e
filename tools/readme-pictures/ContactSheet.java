import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.File;
import javax.imageio.ImageIO;

/** Lays pictures of one size side by side: {@code java ContactSheet.java OUT.png COLUMNS IN.png...} */
final class ContactSheet {
    private static final int GAP = 4;

    private ContactSheet() {}

    public static void main(String[] args) throws Exception {
        int columns = Integer.parseInt(args[1]);
        int count = args.length - 2;
        int rows = (count + columns - 1) / columns;
        BufferedImage first = ImageIO.read(new File(args[2]));
        int width = first.getWidth() + GAP;
        int height = first.getHeight() + GAP;
        BufferedImage sheet =
                new BufferedImage(columns * width - GAP, rows * height - GAP, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = sheet.createGraphics();
        graphics.setColor(Color.WHITE);
        graphics.fillRect(0, 0, sheet.getWidth(), sheet.getHeight());
        for (int i = 0; i < count; i++) {
            BufferedImage picture = ImageIO.read(new File(args[i + 2]));
            graphics.drawImage(picture, i % columns * width, i / columns * height, null);
        }
        graphics.dispose();
        ImageIO.write(sheet, "png", new File(args[0]));
    }
}
