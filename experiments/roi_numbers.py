"""The worked numbers of RoIPool's boxes: an image of 800 pixels, a box of 665 and a stride of 32.

What the op does to a box is measured: RoIPool of a map with one channel per column, 1 in that column alone, tells which
columns a bin reads.
"""

from typing import Any

import numpy as np

from experiments.shared.quantised import BINS, BOX, IMAGE, columns_read, map_cells, pixels, stride
from jaxml import Experiment


def box_on_the_map() -> dict[str, float]:
    """Cells of the box, and how many columns RoIPool reads where the box begins at pixel 0."""
    return {"cells": BOX / stride(), "quantised": columns_read(0, BOX).any(1).sum()}


def box_rounded(how: Any) -> dict[str, float]:
    """Cells of the box, and a whole number of them."""
    return {"cells": BOX / stride(), "quantised": how(BOX / stride())}


def box_anywhere() -> dict[str, float]:
    """The fewest and the most columns that RoIPool reads, of all places in the image where the box can be."""
    first = np.arange(IMAGE - BOX + 1)
    read = columns_read(first, first + BOX).any(1).sum(1)
    return {"fewest": read.min(), "most": read.max()}


experiment = Experiment(
    numbers={
        "map_cells": map_cells,
        "map_cells_after_four_halvings": lambda: map_cells(4),
        "box_on_the_map": box_on_the_map,
        "box_rounded_down": lambda: box_rounded(np.floor),
        "box_rounded_up": lambda: box_rounded(np.ceil),
        "box_anywhere": box_anywhere,
        "box_whole_cells": lambda: {"fewest": np.floor(BOX / stride()), "most": np.ceil(BOX / stride())},
        "tenth_of_a_cell": lambda: pixels(0.1),
        "tenth_of_a_cell_at_stride_16": lambda: pixels(0.1, 4),
        "eight_tenths": lambda: {"error": pixels(0.8)},
        "eight_tenths_at_stride_16": lambda: {"error": pixels(0.8, 4)},
        "remainder": lambda: {"cells": BOX / stride() % 1, "pixels": pixels(BOX / stride() % 1)},
        "remainder_of_the_bin": lambda: {"cells": 20 / BINS % 1, "pixels": pixels(20 / BINS % 1)},
    }
)
