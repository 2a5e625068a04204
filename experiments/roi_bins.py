"""What a bin of RoIAlign makes of its samples: their mean or maximum, and how many there are.

The four samples of a bin are the values of RoIAlign with twice the bins along each axis and one sample in each.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.shared.pooling import BINS, Pooling, align, draw, hard, proper, quantised, scale
from jaxml import Experiment, Suite

Case = dict[str, Any]
four_by_four = align(2 * BINS, sampling_ratio=1)


def four_samples(case: Case) -> np.ndarray:
    """The samples at the centres of the quarters of every bin, [bins, bins, 4]."""
    found = np.asarray(four_by_four(case["cells"], case["box"])).reshape(BINS, 2, BINS, 2)
    return found.transpose(0, 2, 1, 3).reshape(BINS, BINS, 4)


def is_their(reduce: Callable[..., Any]) -> Callable[[Pooling, Case], Any]:
    """The property that bins are the mean or the largest of their four samples."""
    return lambda f, c: (f(c["cells"], c["box"]), reduce(four_samples(c), axis=-1), scale(c))


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
        properties={"the largest of the four": is_their(np.max), "never below their mean": below_the_mean},
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


experiment = Experiment(
    suites={
        "largest_by_default": lambda: largest(align(), reference=align(mode="max")),
        "largest_as_option": lambda: largest(align(mode="max")),
        "mean_of_four": lambda: mean(align()),
        "mean_by_size": lambda: mean(align(sampling_ratio=0), reference=align()),
    }
)
