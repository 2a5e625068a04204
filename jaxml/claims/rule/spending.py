"""What the declared looks cost: how much of the error each may spend, and the level that this leaves it."""

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from math import e, sqrt
from typing import Any

import numpy as np

from jaxml.claims.rule.looks import check_looks

NODES, FLOOR = 120, -10.0
"""Of the integral over paths that have not crossed; what lies so many standard errors below never matters."""


def spent(share: Any, alpha: Any) -> Any:
    r"""One-sided error that may be spent by the time a share of all seeds is in.

    .. math:: \frac{\alpha}{2} \ln(1 + (e - 1) t), \qquad t = n / N

    Any schedule of looks is as good as any other: only N is fixed by it.

    Reference: Lan and DeMets (1983), Discrete sequential boundaries for clinical trials, the function like Pocock's.

    >>> [round(float(spent(t, 0.05)), 4) for t in (0.25, 0.5, 1.0)]
    [0.0089, 0.0155, 0.025]
    """
    return np.asarray(alpha) / 2 * np.log1p((e - 1) * np.asarray(share, float))


def crossing_probability(bounds: float | Sequence[float], looks: Sequence[int]) -> float:
    r"""Chance that a standardised mean without effect exceeds its bound at one of several looks.

    .. math:: P(\max_k (Z_k - c_k) \ge 0), \qquad \operatorname{cov}(Z_j, Z_k) = \sqrt{n_j / n_k} \ (j < k)

    by recursive integration over the paths that have not yet crossed.

    Args:
        bounds: c, in standard errors: one for each look, or the same at all.
        looks: seeds at each look.

    Returns:
        The one-sided probability.

    Reference: Armitage, McPherson and Rowe (1969), Repeated significance tests on accumulating data.

    >>> round(2 * crossing_probability(1.96, [16, 32, 64]), 3)
    0.113
    """
    paths, crossed = _Paths(looks), 0.0
    for bound in np.broadcast_to(bounds, len(looks)).tolist():
        crossed += paths.crossing(bound)
        paths.stop(bound)
    return crossed


def look_levels(looks: Sequence[int], alpha: Any = 0.05) -> np.ndarray:
    """Two-sided level of each look such that all looks together spend what `spent` allows.

    Args:
        looks: seeds at each look, increasing; the last is N.
        alpha: two-sided error of all looks together, in [1e-15, 0.5]; a number or an array.

    Returns:
        The levels, shape (looks, *alpha.shape).

    Raises:
        ValueError: for unusable looks or alpha.

    >>> look_levels([16, 32, 64]).round(4).tolist()
    [0.0179, 0.0179, 0.026]
    """
    from scipy.special import ndtr

    given, errors = check_looks("look_levels", looks), np.asarray(alpha, float)
    if not np.all((errors >= 1e-15) & (errors <= 0.5)):
        raise ValueError(f"look_levels: 'alpha' must lie in [1e-15, 0.5], got {alpha}. The usual one is 0.05.")
    if len(given) == 1:
        return errors[None]
    return 2 * ndtr(-np.stack([bound(_score(errors)) for bound in _bounds(given)]))


def _score(alpha: Any) -> Any:
    """Nearly linear in the bounds."""
    return np.sqrt(-2 * np.log(np.asarray(alpha) / 2))


@lru_cache(maxsize=32)
def _bounds(looks: tuple[int, ...]) -> list[Any]:
    """The bound of each look as a smooth function of `_score(alpha)`."""
    from scipy.interpolate import CubicSpline

    alphas = 2 * np.exp(-(np.linspace(1.1, 8.5, 16) ** 2) / 2)
    known = np.asarray([list(_sequence(looks, float(alpha))) for alpha in alphas])
    return [CubicSpline(_score(alphas), column) for column in known.T]


def _sequence(looks: tuple[int, ...], alpha: float) -> Iterator[float]:
    """The bounds for one alpha, look by look."""
    from scipy.optimize import brentq

    paths, before = _Paths(looks), 0.0
    for seeds in looks:
        now = float(spent(seeds / looks[-1], alpha))
        wanted = now - before
        bound = float(brentq(lambda c: np.log(max(paths.crossing(c), 1e-300) / wanted), -1.0, 12.0, xtol=1e-10))  # noqa: B023 # pyright: ignore[reportArgumentType]
        yield bound
        paths.stop(bound)
        before = now


class _Paths:
    """The density of a standardised mean over the paths that have crossed no bound so far."""

    def __init__(self, looks: Sequence[int]) -> None:
        share = np.asarray(looks, float) / looks[-1]
        self.shares = iter(share)
        self.now, self.before = float(next(self.shares)), None
        self.z, self.mass = np.zeros(0), np.zeros(0)

    def crossing(self, bound: float) -> float:
        """The chance to cross this look's bound, and none before it."""
        from scipy.special import ndtr

        if self.before is None:
            return float(ndtr(-bound))
        spread = sqrt(self.now - self.before)
        return float(self.mass @ ndtr((self.z * sqrt(self.before) - bound * sqrt(self.now)) / spread))

    def stop(self, bound: float) -> None:
        """Go on with the paths below this look's bound."""
        nodes, weights = _gauss_legendre(NODES)
        half = (bound - FLOOR) / 2
        z = half * nodes + (bound + FLOOR) / 2
        if self.before is None:
            density = np.exp(-(z**2) / 2) / sqrt(2 * np.pi)
        else:
            spread = sqrt(self.now - self.before)
            step = (z[:, None] * sqrt(self.now) - self.z[None, :] * sqrt(self.before)) / spread
            density = (np.exp(-(step**2) / 2) @ self.mass) * sqrt(self.now) / spread / sqrt(2 * np.pi)
        self.z, self.mass = z, half * weights * density
        self.now, self.before = float(next(self.shares, np.nan)), self.now


_gauss_legendre = cache(np.polynomial.legendre.leggauss)
