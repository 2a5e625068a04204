"""The worked numbers of RoIPool and RoIAlign: an image of 800 pixels, a box of 665, a stride of 32 and seven bins.

What the ops do to a box is measured: RoIPool of a map with one channel per column, 1 in that column alone, tells which
columns a bin reads; RoIAlign of a ramp tells where the centres of its bins are.
"""

from typing import Any

import jax
import numpy as np

from jaxml import Experiment
from jaxml.ops import ConvLayer, conv_output_size, receptive_field, roi_align, roi_pool

IMAGE, BOX, BINS, STAGES = 800, 665, 7, 5
HALVING = ConvLayer(kernel_size=2, stride=2)


def stride(stages: int = STAGES) -> int:
    """Image pixels from one cell to the next after some halvings."""
    return receptive_field([HALVING] * stages, spatial_axes=1).stride[0]


def map_cells(stages: int = STAGES) -> int:
    """Cells of the map of an image after some halvings."""
    size: tuple[int, ...] = (IMAGE,)
    for _ in range(stages):
        size = conv_output_size(size, kernel_size=2, stride=2)
    return size[0]


def columns_read(first: Any, last: Any, bins: int = BINS) -> np.ndarray:
    """Which columns of the map each bin of RoIPool reads, [boxes, bins, columns], for boxes between two pixels."""
    cells = map_cells()
    features = np.broadcast_to(np.eye(cells), (cells, cells, cells))
    boxes = np.stack(np.broadcast_arrays(first, first, last, last), axis=-1).reshape(-1, 4).astype(float)
    pool = jax.jit(lambda features, boxes: roi_pool(features, boxes, output_size=(1, bins), spatial_scale=1 / stride()))
    return np.asarray(pool(features, boxes))[:, 0] > 0


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


def bins_of_twenty() -> dict[str, float]:
    """Cells per bin of a box of 20 cells, and how many columns the narrowest and the widest of RoIPool's bins read."""
    widths = columns_read(0, 19 * stride())[0].sum(1)  # RoIPool reads the last cell as well
    return {"bin": 20 / BINS, "quantised": widths.min(), "widest": widths.max()}


def bins_rounded(how: Any) -> dict[str, float]:
    """Cells per bin of a box of 20 cells, a whole number of them, and how many cells seven such bins cover."""
    return {"bin": 20 / BINS, "quantised": how(20 / BINS), "covered": min(BINS * how(20 / BINS), 20)}


def bins_of_the_box() -> dict[str, float]:
    """Columns that RoIPool's bins read in the whole box, and how many of them are shared by bins."""
    read = columns_read(0, BOX)[0]
    return {"narrowest": read.sum(1).min(), "widest": read.sum(1).max(), "shared": (read.sum(0) > 1).sum()}


def aligned_bin(side: float = BOX) -> float:
    """Cells from the centre of one bin of RoIAlign to the next."""
    ramp = np.broadcast_to(np.arange(float(map_cells()))[:, None], (map_cells(), map_cells(), 1))
    align = jax.jit(lambda ramp, boxes: roi_align(ramp, boxes, output_size=(1, BINS), spatial_scale=1 / stride()))
    pooled = align(ramp, np.asarray([[0.0, 0.0, side, side]]))
    return float(np.diff(np.asarray(pooled)[0, 0, :, 0]).mean())


def pixels(cells: float, stages: int = STAGES) -> float:
    """Image pixels of a distance on the map."""
    return cells * stride(stages)


def normal_maximum(n: int) -> float:
    """Expected maximum of n standard normal values: the integral of n x phi(x) Phi(x)^(n - 1)."""
    x = np.linspace(-10, 10, 20_001)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    below = np.cumsum(density) * (x[1] - x[0]) - density * (x[1] - x[0]) / 2
    return float(np.sum(n * x * density * below ** (n - 1)) * (x[1] - x[0]))


experiment = Experiment(
    numbers={
        "map_cells": map_cells,
        "map_cells_after_four_halvings": lambda: map_cells(4),
        "box_on_the_map": box_on_the_map,
        "box_rounded_down": lambda: box_rounded(np.floor),
        "box_rounded_up": lambda: box_rounded(np.ceil),
        "box_anywhere": box_anywhere,
        "box_whole_cells": lambda: {"fewest": np.floor(BOX / stride()), "most": np.ceil(BOX / stride())},
        "bins_of_twenty": bins_of_twenty,
        "bins_rounded_down": lambda: bins_rounded(np.floor),
        "bins_rounded_up": lambda: bins_rounded(np.ceil),
        "bins_of_the_box": bins_of_the_box,
        "bins_cut_apart": lambda: {"narrowest": 22 // BINS, "widest": -(-22 // BINS), "shared": 0},
        "tenth_of_a_cell": lambda: pixels(0.1),
        "tenth_of_a_cell_at_stride_16": lambda: pixels(0.1, 4),
        "eight_tenths": lambda: {"error": pixels(0.8)},
        "eight_tenths_at_stride_16": lambda: {"error": pixels(0.8, 4)},
        "remainder": lambda: {"cells": BOX / stride() % 1, "pixels": pixels(BOX / stride() % 1)},
        "remainder_of_the_bin": lambda: {"cells": 20 / BINS % 1, "pixels": pixels(20 / BINS % 1)},
        "aligned_bin": aligned_bin,
        "aligned_bin_of_20_cells": lambda: aligned_bin(20 * stride()),
        "maximum_of_four": lambda: normal_maximum(4),
        "maximum_of_two": lambda: normal_maximum(2),
    }
)
