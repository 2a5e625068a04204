"""What the declared looks can resolve: the power of the paired t test."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import Any

import numpy as np

from jaxml.claims.rule.looks import check_looks, looks_of
from jaxml.claims.rule.spending import look_levels

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
    return float(_power(effect_sd, seeds, level, correction or 0.0))


def _power(effect_sd: Any, seeds: Any, level: Any, ratio: Any) -> np.ndarray:
    from scipy.special import nctdtr, stdtrit

    # The noncentral t underflows beyond 37; the power is 1 unless the level is absurd.
    shift = np.minimum(np.abs(effect_sd) / np.sqrt(1 / np.asarray(seeds, float) + ratio), 37.0)
    return 1 - nctdtr(seeds - 1, shift, stdtrit(seeds - 1, 1 - np.asarray(level) / 2))


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
    (seeds,) = seeds_of_each(effect_sd, power=power, level=level, correction=correction)
    return seeds


def seeds_of_each(
    effect_sd: Any, *, power: float = 0.9, level: Any = 0.05, correction: Any = None, other_sd: Any = np.inf
) -> list[int | None]:
    r"""`seeds_needed` of many effects at once, also of those that must be told from two margins.

    An effect within \pm delta is told from both ends when neither one-sided test fails: the power is at least
    power_at((delta - theta) / sd) + power_at((delta + theta) / sd) - 1.

    Args:
        effect_sd: distances from the nearer margin in standard deviations.
        power: wanted chance of a decision.
        level: two-sided level, a number or one for each effect.
        correction: n_test / n_train, likewise.
        other_sd: distances from the farther margin; infinite where there is one margin only.

    Returns:
        For each effect the smallest n >= 2, None where no number of seeds would do.

    >>> seeds_of_each([0.5, 0.0], other_sd=[0.5, 1.0])  # as many as 44 would do for one margin
    [54, None]
    """
    from scipy.special import ndtri

    near, far, levels, ratio = np.broadcast_arrays(
        np.atleast_1d(np.abs(np.asarray(effect_sd, float))),
        np.asarray(other_sd, float),
        np.asarray(level, float),
        np.asarray(0.0 if correction is None else correction, float),
    )

    two = np.isfinite(far)

    def enough(seeds: np.ndarray, which: np.ndarray) -> np.ndarray:
        reached = _power(near[which], seeds[which], levels[which], ratio[which])
        both = which[two[which]]
        reached[two[which]] -= 1 - _power(far[both], seeds[both], levels[both], ratio[both])
        return reached >= power

    # A t test needs a few seeds more than the normal test of one margin.
    with np.errstate(divide="ignore"):
        normal = 1 / ((near / np.maximum(ndtri(power) - ndtri(levels / 2), 1e-9)) ** 2 - ratio)
    low = np.clip(np.where(normal > 0, normal, MOST_SEEDS) - 2, 1, MOST_SEEDS - 1).astype(int)
    high = np.minimum(1.02 * low + 8, MOST_SEEDS).astype(int)
    wanted = np.arange(len(near))
    while len(wanted := wanted[~enough(high, wanted)]) and (high[wanted] < MOST_SEEDS).any():
        low[wanted], high[wanted] = high[wanted], np.minimum(2 * high[wanted], MOST_SEEDS)
    possible = np.ones(near.shape, bool)
    possible[wanted] = False
    while len(open_ := np.flatnonzero(possible & (high - low > 1))):
        middle = (low + high) // 2
        reached = enough(middle, open_)
        high[open_[reached]], low[open_[~reached]] = middle[open_[reached]], middle[open_[~reached]]
    return [int(n) if ok else None for n, ok in zip(high, possible, strict=True)]


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
    [1.01, 0.68, 0.45]
    """
    from scipy.optimize import brentq

    given = looks_of(check_looks("resolvable", looks), cells)

    def smallest(seeds: int, level: float) -> float:
        short = lambda effect: power_at(effect, seeds, level=level, correction=correction) - power  # noqa: E731
        most = 37.0 * sqrt(1 / seeds + (correction or 0.0))
        return float(brentq(short, 0.0, most)) if short(most) > 0 else inf  # pyright: ignore[reportArgumentType]

    levels = look_levels(given, alpha / cells).tolist()
    return [Resolution(seeds=n, level=c, effect_sd=smallest(n, c)) for n, c in zip(given, levels, strict=True)]
