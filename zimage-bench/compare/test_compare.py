"""Holds the table and the figure against numbers worked out by hand: python -m unittest test_compare (from this folder; the figure needs matplotlib)."""

import importlib.util
import pathlib
import tempfile
import unittest

import compare

RESULTS = {
    "text": {"zimage-bf16": [{"seconds": [1.0, 3.0], "peakBytes": 2**30}, {"seconds": [2.0]}], "diffusers": [{"seconds": [6.0]}]},
    "forward": {"zimage-bf16": [{"seconds": [20.0]}], "diffusers": [{"seconds": [30.0]}], "sdcpp-bf16": []},
    "decode": {"zimage-bf16": [{"seconds": [4.0]}], "diffusers": [{"seconds": [5.0]}]},
    "picture": {"diffusers": [{"seconds": [200.0]}]},
}


class TableTest(unittest.TestCase):
    def test_rows_take_all_runs_of_all_rounds(self):
        rows = compare.rows_of(RESULTS, 8)
        self.assertIn(["text", "zimage-bf16", 1.0, 2.0, 2**30, 6.0], rows)
        self.assertNotIn("sdcpp-bf16", [row[1] for row in rows])

    def test_picture_that_was_not_drawn_is_the_sum_of_its_parts(self):
        rows = compare.rows_of(RESULTS, 8)
        sums = [row for row in rows if row[0] == "picture of 8 steps, sum"]
        self.assertEqual([["picture of 8 steps, sum", "zimage-bf16", 166.0, 166.0, None, None]], sums)

    def test_table_divides_the_base_by_the_program(self):
        table = compare.table(compare.rows_of(RESULTS, 8)).splitlines()
        self.assertIn("| text | zimage-bf16 | 1.000 s | 2.000 s | 3.00 | 1.0 GiB |", table)
        self.assertIn("| forward | zimage-bf16 | 20.000 s | 20.000 s | 1.50 |  |", table)
        self.assertEqual({7}, {line.count("|") for line in table})

    @unittest.skipUnless(importlib.util.find_spec("matplotlib"), "matplotlib is not installed")
    def test_figure_is_drawn(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "figure.svg"
            compare.draw(compare.rows_of(RESULTS, 8), {"size": 512, "processor": "a processor"}, file)
            self.assertIn("a processor", file.read_text())


if __name__ == "__main__":
    unittest.main()
