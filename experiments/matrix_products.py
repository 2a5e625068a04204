"""The order of matrix products, exactly."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import numpy as np

from jaxml import Experiment, Suite

Case = dict[str, Any]
Sizes = tuple[int, ...]


def cheapest(sizes: Sizes) -> int:
    """Multiplications of the best order of a chain of matrices, by recursion over its last product."""
    if len(sizes) < 3:
        return 0
    return min(
        cheapest(sizes[: k + 1]) + cheapest(sizes[k:]) + sizes[0] * sizes[k] * sizes[-1]
        for k in range(1, len(sizes) - 1)
    )


ORDERS: dict[str, Callable[[int, int, int, int], int]] = {
    "(AB)C": lambda m, n, p, q: m * n * p + m * p * q,
    "A(BC)": lambda m, n, p, q: n * p * q + m * n * q,
    "the dearer of the two": lambda m, n, p, q: max(m * n * p + m * p * q, n * p * q + m * n * q),
    "without the second product": lambda m, n, p, q: m * n * p,
    "the cheaper of the two": lambda m, n, p, q: min(m * n * p + m * p * q, n * p * q + m * n * q),
}


def chain(*, rising: bool) -> Suite:
    """Does (AB)C take the fewest multiplications, A of m rows and n columns, B of p columns, C of q?"""
    names = "mnpq"

    def draw(generator: np.random.Generator) -> Case:
        sizes = generator.choice(12, 4, replace=False) + 1 if rising else generator.integers(1, 13, 4)
        return dict(zip(names, (np.sort(sizes) if rising else sizes).tolist(), strict=True))

    def valid(c: Case) -> bool:
        sizes = [c[k] for k in names]
        return min(sizes) > 0 and (not rising or all(a < b for a, b in pairwise(sizes)))

    return Suite(
        subject=ORDERS["(AB)C"],
        reference=None if rising else ORDERS["the cheaper of the two"],
        draw=draw,
        valid=valid,
        adversarial=[{"m": 1, "n": 2, "p": 3, "q": 4}],
        properties={"fewest multiplications": lambda f, c: (f(**c), cheapest(tuple(c[k] for k in names)))},
        mutants={k: ORDERS[k] for k in ("A(BC)", "the dearer of the two", "without the second product")},
    )


def product(order: Callable[..., Any]) -> Callable[[], Any]:
    """A chain of three matrices of rising sizes."""
    shapes = [jax.ShapeDtypeStruct(s, float) for s in ((10, 20), (20, 30), (30, 40))]
    return lambda: (order, *shapes)


experiment = Experiment(
    suites={"rising": lambda: chain(rising=True), "any_sizes": lambda: chain(rising=False)},
    programs={"left_first": product(lambda A, B, C: (A @ B) @ C), "right_first": product(lambda A, B, C: A @ (B @ C))},
)
