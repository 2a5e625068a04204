"""Where the four samples of a bin of RoIAlign lie, exactly."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from experiments.shared.small_maps import BINS, QUARTERS, align, within
from jaxml import Experiment, Suite
from jaxml.ops import bilinear_sample


def points(at: Sequence[float] = QUARTERS, shift: float = 0.5) -> Callable[[Any], np.ndarray]:
    """Places (x, y) of a box's samples, [bins, bins, samples, 2]."""

    def place(box: Any) -> np.ndarray:
        steps = np.asarray(at)[None] + np.arange(BINS)[:, None]
        x, y = (box[i] - shift + steps * (box[i + 2] - box[i]) / BINS for i in range(2))
        grid = np.broadcast_arrays(x[None, :, None, :], y[:, None, :, None])
        return np.stack(grid, axis=-1).reshape(BINS, BINS, -1, 2)

    return place


def quarters() -> Suite:
    """Are a bin's four samples taken at the centres of its quarters?"""
    mean, largest = align(), align(mode="max")
    at_points = jax.jit(lambda cells, places: bilinear_sample(cells[..., None], places, padding="border")[..., 0])

    def middles(box: Any) -> np.ndarray:
        edges = np.linspace(box[:2], box[2:], 2 * BINS + 1) - 0.5
        return (edges[1:] + edges[:-1]) / 2

    return Suite(
        subject=points(),
        draw=within,
        adversarial=[within(np.random.default_rng(0)) | {"box": np.array(b, float)} for b in ([0, 0, 6, 5], [2] * 4)],
        properties={
            "their mean is RoIAlign's": lambda f, cells, box: (
                np.asarray(at_points(cells, f(box))).mean(-1),
                np.asarray(mean(cells, box)),
                10 * np.abs(cells).max(),
            ),
            "the largest is RoIAlign's maximum": lambda f, cells, box: (
                np.asarray(at_points(cells, f(box))).max(-1),
                np.asarray(largest(cells, box)),
                10 * np.abs(cells).max(),
            ),
            "the middles of the halves of a bin": lambda f, box: (
                np.stack([f(box)[0, :, :2, 0].ravel(), f(box)[:, 0, ::2, 1].ravel()], axis=1),
                middles(box),
                10.0,
            ),
        },
        mutants={
            "corners of the bin": points((0.0, 1.0)),
            "at thirds": points((1 / 3, 2 / 3)),
            "four times the centre": points((0.5, 0.5)),
            "half a cell off": points(shift=0.0),
            "nine": points((1 / 6, 0.5, 5 / 6)),
        },
    )


experiment = Experiment(suites={"quarters": quarters})
