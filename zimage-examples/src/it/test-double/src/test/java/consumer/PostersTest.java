package consumer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.zimage.demo.DemoModel;
import java.awt.Color;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class PostersTest {
    private static Posters posters;

    @BeforeAll
    static void open() {
        posters = new Posters(DemoModel.path(), DemoModel.SIZE);
    }

    @AfterAll
    static void close() {
        posters.close();
    }

    @Test
    void poster_hasTheColourThatWasOrdered() {
        Color corner = new Color(posters.draw("a fox", "yellow", 1).toBufferedImage().getRGB(2, 2));
        assertTrue(corner.getRed() > 200 && corner.getGreen() > 180 && corner.getBlue() < 140, corner.toString());
    }

    @Test
    void poster_canBeOrderedAgain() {
        byte[] first = posters.draw("一只熊猫", "blue", 7).rgb();
        assertArrayEquals(first, posters.draw("一只熊猫", "blue", 7).rgb());
    }
}
