"""What a bin of RoIAlign makes of its samples: their mean or maximum, how many there are, and what it does not read.

The four samples of a bin are the values of RoIAlign with twice the bins along each axis and one sample in each.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.ops import bilinear_sample, roi_align, roi_pool

Case = dict[str, Any]
Pooling = Callable[[Any, Any], Any]
BINS = 2


@cache  # compiled once for all suites
def align(bins: int = BINS, *, sign: float = 1.0, whole: bool = False, **options: Any) -> Pooling:
    """RoIAlign of one map and one box; `sign` -1 turns the maximum into the minimum."""

    def pool(cells: Any, box: Any) -> Any:
        box = jnp.round(box) if whole else box
        return sign * roi_align(sign * cells[..., None], box[None], output_size=bins, **options)[0, ..., 0]

    return jax.jit(pool)


@cache
def quantised(bins: int = BINS) -> Pooling:
    """RoIPool of one map and one box."""
    return jax.jit(lambda cells, box: roi_pool(cells[..., None], box[None], output_size=bins)[0, ..., 0])


four_by_four = align(2 * BINS, sampling_ratio=1)


def four_samples(case: Case) -> np.ndarray:
    """The samples at the centres of the quarters of every bin, [bins, bins, 4]."""
    found = np.asarray(four_by_four(case["cells"], case["box"])).reshape(BINS, 2, BINS, 2)
    return found.transpose(0, 2, 1, 3).reshape(BINS, BINS, 4)


def scale(case: Case) -> float:
    """What an error of rounding is measured against."""
    return 10 * float(np.abs(case["cells"]).max())


def is_their(reduce: Callable[..., Any]) -> Callable[[Pooling, Case], Any]:
    """The property that bins are the mean or the largest of their four samples."""
    return lambda f, c: (np.asarray(f(c["cells"], c["box"])), reduce(four_samples(c), axis=-1), scale(c))


def draw(generator: np.random.Generator, size: int) -> Case:
    """A square map of normal values, or of a few whole ones with many ties, and a box within it."""
    ties = generator.random() < 0.2
    cells = generator.integers(-1, 2, (size, size)).astype(float) if ties else generator.normal(size=(size, size))
    side = generator.uniform(1, size, 2)
    corner = generator.uniform(0, size - side)
    return {"cells": cells, "box": np.r_[corner, corner + side]}


def proper(case: Case) -> bool:
    """Whether the box is within the map and at least one cell wide and high."""
    (x1, y1, x2, y2), size = case["box"], len(case["cells"])
    return 0 <= x1 <= x2 - 1 <= size - 1 and 0 <= y1 <= y2 - 1 <= size - 1


def hard(size: int) -> list[Case]:
    """The whole map, one cell of it, boxes that end between cells, and maps that are constant."""
    boxes = [[0, 0, size, size], [1, 1, 2, 2], [0, 0.5, 1.5, size], [0.5, 0, size, 2]]
    cases = [draw(np.random.default_rng(i), size) | {"box": np.array(b, float)} for i, b in enumerate(boxes)]
    return [*cases, cases[0] | {"cells": np.zeros((size, size))}, cases[2] | {"cells": np.ones((size, size))}]


def largest(subject: Pooling, *, reference: Pooling | None = None) -> Suite:
    """Is a bin the largest of its four samples, and so never below their mean?"""

    def below_the_mean(f: Pooling, case: Case) -> tuple[Any, float, float]:
        below = four_samples(case).mean(-1) - np.asarray(f(case["cells"], case["box"]))
        return max(below.max(), 0.0), 0.0, scale(case)

    return Suite(
        subject=subject,
        reference=reference,
        draw=draw,
        sizes=(4,),
        valid=proper,
        adversarial=hard(4),
        properties={
            "the largest of the four": is_their(np.max),
            "never below their mean": below_the_mean,
        },
        mutants={
            "the smallest of the four": align(mode="max", sign=-1.0),
            "the largest of nine": align(mode="max", sampling_ratio=3),
            "the centre of the bin": align(sampling_ratio=1),
            "the largest cell, as RoIPool": quantised(),
            "of the box rounded to whole cells": align(mode="max", whole=True),
        },
    )


def mean(subject: Pooling, *, reference: Pooling | None = None) -> Suite:
    """Is a bin the mean of four samples, whatever the size of the box?"""
    return Suite(
        subject=subject,
        reference=reference,
        draw=draw,
        sizes=(4,),
        valid=proper,
        adversarial=hard(4),
        properties={"the mean of the four": is_their(np.mean)},
        mutants={
            "one sample": align(sampling_ratio=1),
            "nine samples": align(sampling_ratio=3),
            "the largest of the four": align(mode="max"),
            "of the box rounded to whole cells": align(whole=True),
        },
    )


between = jax.jit(lambda cells, places: bilinear_sample(cells[..., None], places, padding="border")[..., 0])


def with_boundary(reduce: Callable[..., Any]) -> Pooling:
    """Pool the cells inside the box and the points where the lines through them meet its edges."""

    def pool(cells: Any, box: Any) -> np.ndarray:
        lattice, lines = np.arange(float(len(cells))), []
        for low, high in (box[::2] - 0.5, box[1::2] - 0.5):
            # Of one length for every box, so that this compiles once; a point that is left out is NaN.
            lines.append(np.r_[low, np.where((lattice > low) & (lattice < high), lattice, np.nan), high])
        x, y = np.broadcast_arrays(lines[0][None], lines[1][:, None])
        found = np.asarray(between(cells, np.nan_to_num(np.stack([x, y], axis=-1))))
        return np.full((1, 1), reduce(found[np.isfinite(x + y)]))

    return pool


def redesign() -> Suite:
    """Does RoIAlign place its points by the box alone, where pooling cells and boundary points does not?"""

    def at_the_centre(f: Pooling, case: Case) -> tuple[Any, Any, Any]:
        n, slope = len(case["cells"]), case["cells"][0, :2]
        x1, y1, x2, y2 = 0.5 + (1 - 1 / n) * case["box"]  # from the centre of the first cell to that of the last
        ramp = slope[0] * np.arange(n)[None] + slope[1] * np.arange(n)[:, None]
        centre = slope[0] * (x1 + x2 - 1) / 2 + slope[1] * (y1 + y2 - 1) / 2
        return np.asarray(f(ramp, np.array([x1, y1, x2, y2]))), np.full((1, 1), centre), 20 * np.abs(slope).sum()

    def untouched(f: Pooling, case: Case) -> tuple[Any, Any, Any]:
        lattice, (x1, y1, x2, y2) = np.arange(len(case["cells"])), case["box"]
        columns, rows = (
            np.min([np.abs(np.clip(low - 0.5 + t * (high - low), 0, lattice[-1]) - lattice) for t in (0.25, 0.75)], 0)
            for low, high in ((x1, x2), (y1, y2))
        )
        changed = case["cells"] + 5 * ((rows[:, None] >= 1 + 1e-9) | (columns >= 1 + 1e-9))
        return np.asarray(f(changed, case["box"])), np.asarray(f(case["cells"], case["box"])), scale(case)

    return Suite(
        subject=align(1),
        draw=draw,
        sizes=(9,),
        valid=proper,
        adversarial=hard(9),
        properties={
            "a ramp at the centre of the bin": at_the_centre,
            "cells that touch no sample do not matter": untouched,
        },
        mutants={
            "largest of cells and boundary points": with_boundary(np.max),
            "mean of cells and boundary points": with_boundary(np.mean),
            "RoIPool": quantised(1),
        },
    )


experiment = Experiment(
    suites={
        "largest_by_default": lambda: largest(align(), reference=align(mode="max")),
        "largest_as_option": lambda: largest(align(mode="max")),
        "mean_of_four": lambda: mean(align()),
        "mean_by_size": lambda: mean(align(sampling_ratio=0), reference=align()),
        "redesign": redesign,
    }
)
