"""The worked numbers of RoIPool's and RoIAlign's bins: seven of them, on a box of 20 cells and on one of 665 pixels.

RoIAlign of a ramp tells where the centres of its bins are.
"""

from typing import Any

import jax
import numpy as np

from experiments.shared.quantised import BINS, BOX, columns_read, map_cells, stride
from jaxml import Experiment
from jaxml.ops import roi_align


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


def normal_maximum(n: int) -> float:
    """Expected maximum of n standard normal values: the integral of n x phi(x) Phi(x)^(n - 1)."""
    x = np.linspace(-10, 10, 20_001)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    below = np.cumsum(density) * (x[1] - x[0]) - density * (x[1] - x[0]) / 2
    return float(np.sum(n * x * density * below ** (n - 1)) * (x[1] - x[0]))


experiment = Experiment(
    numbers={
        "bins_of_twenty": bins_of_twenty,
        "bins_rounded_down": lambda: bins_rounded(np.floor),
        "bins_rounded_up": lambda: bins_rounded(np.ceil),
        "bins_of_the_box": bins_of_the_box,
        "bins_cut_apart": lambda: {"narrowest": 22 // BINS, "widest": -(-22 // BINS), "shared": 0},
        "aligned_bin": aligned_bin,
        "aligned_bin_of_20_cells": lambda: aligned_bin(20 * stride()),
        "maximum_of_four": lambda: normal_maximum(4),
        "maximum_of_two": lambda: normal_maximum(2),
    }
)
