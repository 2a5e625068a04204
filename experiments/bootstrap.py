"""Bootstrap samples over all samples of a few rows, written out: how many rows they hold, how alike two of them are."""

import functools
import itertools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from jaxml import Experiment, Suite

Case = dict[str, Any]
Rows = tuple[int, ...]
Pairs = Callable[[Rows, Rows], list[tuple[Rows, Rows]]]
"""Every pair of bags that may be drawn, of a sample of a population, as often as it is likely."""


def all_bags(sample: Rows) -> list[Rows]:
    """All bags of a sample, which are equally likely."""
    return list(itertools.product(sample, repeat=len(sample)))


def independent(sample: Rows, population: Rows) -> list[tuple[Rows, Rows]]:
    """Two bags of the same sample, drawn independently."""
    return [(a, b) for a in all_bags(sample) for b in all_bags(sample)]


def of_two_samples(sample: Rows, population: Rows) -> list[tuple[Rows, Rows]]:
    """Two bags of which the second is of a sample of its own."""
    others = itertools.product(population, repeat=len(sample))
    return [(a, b) for other in others for a in all_bags(sample) for b in all_bags(other)]


@functools.cache
def moments(pairs: Pairs, population: Rows, n: int) -> tuple[int, int]:
    """Covariance of the sums of two bags and variance of one, over all samples of n rows, times the same number."""
    samples = itertools.product(population, repeat=n)
    both = [(sum(a), sum(b)) for sample in samples for a, b in pairs(sample, population)]
    first, second = (sum(values) for values in zip(*both, strict=True))
    covariance = len(both) * sum(a * b for a, b in both) - first * second
    return covariance, len(both) * sum(a * a for a, b in both) - first**2


def over_samples(*, correlation: bool) -> Suite:
    """Over samples of a population, are the means of two bags uncorrelated, or is n / (2 n - 1) their correlation?"""

    def as_claimed(pairs: Pairs, n: Any, population: Any) -> bool:
        covariance, variance = moments(pairs, tuple(map(int, population)), n)
        return covariance * (2 * n - 1) == n * variance if correlation else covariance == 0

    def draw(generator: np.random.Generator) -> Case:
        values = int(generator.integers(2, 4))
        return {
            "n": 2 if values == 3 else int(generator.integers(2, 4)),
            "population": generator.permutation(3)[:values],
        }

    return Suite(
        subject=independent,
        reference=None if correlation else of_two_samples,
        draw=draw,
        valid=lambda n, population: n in (2, 3) and 2 <= len(set(map(int, population))) == len(population),
        adversarial=[{"n": 2, "population": np.array([0, 1])}, {"n": 3, "population": np.array([0, 1])}],
        properties={"a correlation of n / (2 n - 1)" if correlation else "uncorrelated": as_claimed},
        mutants={
            "the same bag twice": lambda sample, population: [(bag, bag) for bag in all_bags(sample)],
            "a bag of the other": lambda sample, population: [(a, b) for a in all_bags(sample) for b in all_bags(a)],
            "with large rows for small ones": lambda sample, population: [
                (bag, tuple(min(population) + max(population) - row for row in bag)) for bag in all_bags(sample)
            ],
        }
        | ({"of two samples": of_two_samples} if correlation else {}),
    )


def share() -> Suite:
    """Does a bag hold 1 - (1 - 1/n)^n of all rows on average, the more the fewer there are?"""

    @functools.cache
    def mean_share(n: int) -> Fraction:
        return Fraction(sum(len(set(bag)) for bag in all_bags(tuple(range(n)))), n * n**n)

    return Suite(
        subject=lambda n: 1 - (1 - Fraction(1, n)) ** n,
        draw=lambda generator: {"n": int(generator.integers(1, 7))},
        valid=lambda n: 1 <= n <= 6,
        adversarial=[{"n": n} for n in range(1, 7)],
        properties={
            "is the mean over all bags": lambda f, n: f(n) == mean_share(n),
            "is less for one row more": lambda f, n: f(n + 1) < f(n),
        },
        mutants={
            "what is left out": lambda n: (1 - Fraction(1, n)) ** n,
            "63.2 % whatever n": lambda n: Fraction(632, 1000),
            "a draw less": lambda n: 1 - (1 - Fraction(1, n)) ** (n - 1),
        },
    )


experiment = Experiment(
    suites={
        "uncorrelated_over_samples": lambda: over_samples(correlation=False),
        "correlation_over_samples": lambda: over_samples(correlation=True),
        "share": share,
    },
    numbers={"share_of_many_rows": lambda: 1 - (1 - 1e-4) ** 10_000, "share_left_out": lambda: (1 - 1e-4) ** 10_000},
)
