"""An image of 800 pixels, its map after five halvings, and the columns of it that RoIPool's bins read."""

from typing import Any

import jax
import numpy as np

from jaxml.ops import ConvLayer, conv_output_size, receptive_field, roi_pool

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


def pixels(cells: float, stages: int = STAGES) -> float:
    """Image pixels of a distance on the map."""
    return cells * stride(stages)
