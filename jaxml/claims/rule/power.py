"""What the declared looks cost and what they can resolve: Pocock bounds and the power of the paired t test."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from math import inf, sqrt
from typing import Any

import numpy as np

from jaxml.claims.rule.looks import check_looks

MOST_SEEDS = 10_000_000
"""Beyond this many seeds the answer is: no number of seeds decides it."""


def check_correction(where: str, correction: Any) -> np.ndarray:
    """Nadeau and Bengio's ratio n_test / n_train, 0 for independent seeds (None).

    Raises:
        ValueError: when it is negative or not finite.
    """
    ratio = np.asarray(0.0 if correction is None else correction, float)
    if not np.all((ratio >= 0) & np.isfinite(ratio)):
        raise ValueError(
            f"{where}: 'correction' must be n_test / n_train >= 0, got {correction}. Use None for independent seeds."
        )
    return ratio


def crossing_probability(bound: float, looks: Sequence[int]) -> float:
    r"""Chance that a standardised mean without effect exceeds the same bound at one of several looks.

    .. math:: P(\max_k Z_k \ge c), \qquad \operatorname{cov}(Z_j, Z_k) = \sqrt{n_j / n_k} \ (j < k)

    by recursive integration over the paths that have not yet crossed.

    Args:
        bound: c, in standard errors, the same at each look.
        looks: seeds at each look.

    Returns:
        The one-sided probability.

    Reference: Armitage, McPherson and Rowe (1969), Repeated significance tests on accumulating data.

    >>> round(2 * crossing_probability(1.96, [16, 32, 64]), 3)
    0.113
    """
    from scipy.special import ndtr

    nodes, weights = _gauss_legendre(160)
    floor = -10.0  # in standard errors; what lies below it never matters
    share = np.asarray(looks, float) / looks[-1]
    z = (bound - floor) / 2 * nodes + (bound + floor) / 2
    mass = (bound - floor) / 2 * weights * np.exp(-(z**2) / 2) / sqrt(2 * np.pi)
    crossed = float(ndtr(-bound))
    for before, now in pairwise(share):
        spread = sqrt(now - before)
        crossed += float(mass @ ndtr((z * sqrt(before) - bound * sqrt(now)) / spread))
        step = (z[:, None] * sqrt(now) - z[None, :] * sqrt(before)) / spread
        kernel = np.exp(-(step**2) / 2) / sqrt(2 * np.pi) * sqrt(now) / spread
        mass = (bound - floor) / 2 * weights * (kernel @ mass)
    return crossed


_gauss_legendre = cache(np.polynomial.legendre.leggauss)


@lru_cache(maxsize=32)
def _bounds(looks: tuple[int, ...]) -> Any:
    """The Pocock bound as a smooth function of sqrt(-2 log(one-sided error)), in which it is nearly linear."""
    from scipy.interpolate import CubicSpline

    bounds = np.linspace(0.0, 8.5, 35)
    spent = np.array([crossing_probability(bound, looks) for bound in bounds])
    return CubicSpline(np.sqrt(-2 * np.log(spent)), bounds)


def pocock_level(looks: Sequence[int], alpha: Any = 0.05) -> Any:
    """Two-sided level of each look such that all looks together err with probability alpha.

    The same level c at each look, with P(the upper bound is ever crossed | no effect) = alpha / 2. It is
    computed for the looks as declared. The tabled constants (0.0221 for three looks, 0.0182 for four) belong
    to equally spaced looks; doubling looks are less correlated and need a smaller level.

    Args:
        looks: seeds at each look, increasing.
        alpha: two-sided error of all looks together, in [1e-15, 0.5]; a number or an array.

    Returns:
        The level of one look, shaped as alpha.

    Raises:
        ValueError: for unusable looks or alpha.

    Reference: Pocock (1977), Group sequential methods in the design and analysis of clinical trials.

    >>> round(pocock_level([20, 40, 60]), 4), round(pocock_level([16, 32, 64]), 4)
    (0.0221, 0.0208)
    """
    from scipy.special import ndtr

    given = check_looks("pocock_level", looks)
    levels = np.asarray(alpha, float)
    if not np.all((levels >= 1e-15) & (levels <= 0.5)):
        raise ValueError(f"pocock_level: 'alpha' must lie in [1e-15, 0.5], got {alpha}. The usual one is 0.05.")
    if len(given) == 1:
        out = levels
    else:
        out = 2 * ndtr(-_bounds(given)(np.sqrt(-2 * np.log(levels / 2))))
    return float(out) if out.ndim == 0 else out


def power_at(effect_sd: float, seeds: int, *, level: float = 0.05, correction: float | None = None) -> float:
    r"""Chance that the t interval of one look excludes the margin on the right side.

    .. math:: P(T > t_{1 - level/2,\, n-1}), \quad
              T \sim t_{n-1}\!\left(\frac{|\theta - \delta| / sd}{\sqrt{1/n + r}}\right)

    Args:
        effect_sd: \|theta - delta\| / sd, the distance of the effect from the margin in standard deviations.
        seeds: n >= 2.
        level: two-sided level of the interval.
        correction: r = n_test / n_train for dependent splits of one data set (Nadeau and Bengio 2003).

    Returns:
        The power, in [0, 1].

    >>> round(power_at(0.5, 44), 3)
    0.9
    """
    from scipy.special import nctdtr, stdtrit

    shift = abs(effect_sd) / sqrt(1 / seeds + (correction or 0.0))
    if shift > 37:  # the noncentral t underflows there; the power is 1 unless the level is absurd
        shift = 37.0
    return float(1 - nctdtr(seeds - 1, shift, stdtrit(seeds - 1, 1 - level / 2)))


def seeds_needed(
    effect_sd: float, power: float = 0.9, level: float = 0.05, *, correction: float | None = None
) -> int | None:
    r"""Seeds with which a paired t test decides an effect with the given power.

    Args:
        effect_sd: \|theta - delta\| / sd.
        power: wanted chance of a decision, in (0, 1).
        level: two-sided level of the interval, 0.05 for 0.025 on each side.
        correction: n_test / n_train for dependent splits of one data set.

    Returns:
        The smallest n >= 2, or None when no number of seeds would do (an effect at the margin, or splits so
        dependent that more of them say nothing new).

    Raises:
        ValueError: for a power or level outside (0, 1).

    >>> [seeds_needed(d) for d in (0.3, 0.5, 0.8, 1.0, 1.5)]
    [119, 44, 19, 13, 7]
    """
    for name, value in (("power", power), ("level", level)):
        if not 0 < value < 1:
            raise ValueError(f"seeds_needed: '{name}' must lie in (0, 1), got {value}. Use {name}=0.9 or 0.05.")
    enough = lambda n: power_at(effect_sd, n, level=level, correction=correction) >= power  # noqa: E731
    high = 2
    while not enough(high):
        high *= 2
        if high > MOST_SEEDS:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


@dataclass(frozen=True, kw_only=True)
class Resolution:
    r"""What one look can resolve.

    Attributes:
        seeds: seeds at this look.
        level: two-sided level of the look's interval.
        effect_sd: the smallest \|theta - delta\| / sd that the look decides with the wanted power; inf if none.
    """

    seeds: int
    level: float
    effect_sd: float


def resolvable(
    looks: Sequence[int],
    *,
    alpha: float = 0.05,
    power: float = 0.9,
    cells: int = 1,
    correction: float | None = None,
) -> list[Resolution]:
    """The effects that the declared looks can tell from the margin.

    Args:
        looks: seeds at each look.
        alpha: two-sided error of a run.
        power: wanted chance of a decision.
        cells: primary cells of the run; the figures hold for the first cell that Holm's procedure decides,
            which has the hardest bound.
        correction: n_test / n_train for dependent splits of one data set.

    Returns:
        One `Resolution` for each look. Each look is taken alone, so the looks together decide a little more.

    Raises:
        ValueError: for unusable looks.

    >>> [round(r.effect_sd, 2) for r in resolvable([16, 32, 64])]
    [0.99, 0.66, 0.46]
    """
    from scipy.optimize import brentq

    given = check_looks("resolvable", looks)
    level = pocock_level(given, alpha / cells)

    def smallest(seeds: int) -> float:
        short = lambda effect: power_at(effect, seeds, level=level, correction=correction) - power  # noqa: E731
        most = 37.0 * sqrt(1 / seeds + (correction or 0.0))
        return float(brentq(short, 0.0, most)) if short(most) > 0 else inf  # pyright: ignore[reportArgumentType]

    return [Resolution(seeds=seeds, level=level, effect_sd=smallest(seeds)) for seeds in given]
