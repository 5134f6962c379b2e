package io.github.zimage.internal.io;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Set;
import org.junit.jupiter.api.Test;

final class TextTableTest {
    @Test
    void columnsAreAsWideAsTheirWidestCell_andNothingTrails() {
        TextTable table = new TextTable(Set.of(1));
        table.add("part", "bytes", "moves");
        table.add("transformer", "7", "");
        table.add("vae", "1234567", "stays");
        assertThat(table).hasToString("""
                part           bytes  moves
                transformer        7  %s
                vae          1234567  stays
                """.formatted(""));
    }

    @Test
    void withoutRows_isEmpty() {
        assertThat(new TextTable(Set.of())).hasToString("");
    }
}
