"""Grids that are no plain product: random search, several grids in a row, a product with holes.

Each is one axis whose points assign several parameters, so it is planned, chunked and stored like any other.
"""

import itertools
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxml.errors import ConfigError
from jaxml.sweep.grid import DEFAULT, Zip, count, listed
from jaxml.sweep.signature import Value, plain


@dataclass(frozen=True)
class Range:
    """Numbers to draw from, made by `uniform`, `loguniform` or `integers`."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def draw(self, share: float) -> float | int:
        """The number with this share of the range below it, from 0 up to 1."""
        if self.whole:
            return int(self.low) + int(share * (self.high - self.low + 1))
        if self.log:
            return math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return self.low + share * (self.high - self.low)


def uniform(low: float, high: float) -> Range:
    """Numbers spread evenly from `low` to `high`."""
    return _range("uniform", Range(float(low), float(high)))


def loguniform(low: float, high: float) -> Range:
    """Numbers whose logarithm is spread evenly from ``log(low)`` to ``log(high)``; both positive."""
    if low <= 0:
        raise ConfigError(f"loguniform: the lower end must be positive, got {low}.")
    return _range("loguniform", Range(float(low), float(high), log=True))


def integers(low: int, high: int) -> Range:
    """Whole numbers from `low` to `high`, both included."""
    return _range("integers", Range(int(low), int(high), whole=True))


def _range(name: str, made: Range) -> Range:
    if not made.low < made.high:
        raise ConfigError(f"{name}: the lower end must lie below the upper one, got {made.low} and {made.high}.")
    return made


def random_search(num: int, *, seed: int = 0, **space: Range | Sequence[Value]) -> Zip:
    """`num` different points drawn from a space, as one axis: ``draw=random_search(64, lam=loguniform(1e-4, 1))``.

    Args:
        num: how many points; each is drawn afresh, and one drawn before is drawn again.
        seed: the same seed gives the same points on every machine.
        **space: for each parameter a `uniform`, `loguniform` or `integers` range, or a list of choices.

    Returns:
        One axis with a coordinate for each parameter. Its points are ordered by their static parameters, so that
        lanes of one program stand together.

    Raises:
        ConfigError: when the space holds fewer than `num` points.

    >>> draws = random_search(3, lam=loguniform(1e-3, 1), solver=["prox", "l2"])
    >>> [round(lam, 3) for lam in draws.columns["lam"]]
    [0.341, 0.018, 0.034]
    """
    rng, num = random.Random(seed), count("random_search", num)
    shares = ([rng.random() for _ in space] for _ in range(100 * num))
    return _drawn("random_search", num, space, shares)


def sobol_search(num: int, *, seed: int = 0, **space: Range | Sequence[Value]) -> Zip:
    """As `random_search`, with points of a scrambled Sobol sequence: they leave no gaps and form no clusters.

    Args:
        num: how many points; powers of 2 fill the space most evenly.
        seed: of the scrambling.
        **space: as for `random_search`, up to 21,201 parameters.

    Returns:
        One axis with a coordinate for each parameter.

    Raises:
        ConfigError: when the space holds fewer than `num` points.

    Reference: Owen (1998), Scrambling Sobol' and Niederreiter-Xing points.

    >>> draws = sobol_search(8, lam=loguniform(1e-4, 1))
    >>> sorted(int(8 * (math.log10(lam) + 4) / 4) for lam in draws.columns["lam"])
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    import numpy as np
    from scipy.stats import qmc

    num = count("sobol_search", num)
    if not space:
        raise ConfigError("sobol_search: the space is empty. Give at least one range or list of choices.")
    drawn = qmc.Sobol(len(space), rng=np.random.default_rng(seed))
    exponent = (num - 1).bit_length()  # a Sobol sequence is even where its length is a power of 2
    first = drawn.random_base2(exponent).tolist()
    more = (row for further in range(exponent, exponent + 6) for row in drawn.random_base2(further).tolist())
    return _drawn("sobol_search", num, space, itertools.chain(first, more))


def _drawn(name: str, num: int, space: Mapping[str, Any], shares: Iterable[Sequence[float]]) -> Zip:
    """The first `num` different points that the shares make of a space."""
    choices = [s if isinstance(s, Range) else _listed(s) for s in space.values()]
    points: dict[tuple[Value, ...], None] = {}
    for row in shares:
        if len(points) == num:
            break
        drawn = (s.draw(u) if isinstance(s, Range) else s[int(u * len(s))] for s, u in zip(choices, row, strict=True))
        points.setdefault(tuple(drawn))
    if len(points) < num:
        raise ConfigError(f"{name}: the space holds only about {len(points)} points, {num} were asked for.")
    return points_axis(tuple(space), list(points), ordered=False)


def grids(*parts: Mapping[str, Any]) -> Zip:
    """Several grids one after the other, for parameters that only matter together with others.

    Args:
        *parts: each a product of its own parameters, ``{"solver": "sgd", "rate": [0.1, 1.0]}``. A parameter that a
            part does not name takes the trial's default there.

    >>> both = grids({"solver": "exact"}, {"solver": "sgd", "rate": [0.1, 1.0]})
    >>> both.columns["solver"]
    ['exact', 'sgd', 'sgd']
    """
    names = tuple(dict.fromkeys(name for part in parts for name in part))
    points = [
        tuple(dict(zip(part, row, strict=True)).get(name, DEFAULT) for name in names)
        for part in parts
        for row in itertools.product(*map(_listed, part.values()))
    ]
    return points_axis(names, points)


def product(exclude: Callable[..., bool], **columns: Any) -> Zip:
    """The product of several parameters without the points for which ``exclude(**point)`` holds.

    >>> product(lambda n, d: d > n, n=[10, 20], d=[10, 20]).columns
    {'n': [10, 20, 20], 'd': [10, 10, 20]}
    """
    rows = itertools.product(*map(_listed, columns.values()))
    return points_axis(tuple(columns), [row for row in rows if not exclude(**dict(zip(columns, row, strict=True)))])


def _listed(values: Any) -> Sequence[Value]:
    value = plain(values)
    return [value] if isinstance(value, (str, int, float, bool)) else [plain(v) for v in listed(values, "grid")]


def points_axis(names: tuple[str, ...], points: Sequence[tuple[Any, ...]], *, ordered: bool = True) -> Zip:
    """One axis through the given points; unordered ones are grouped by their static parameters."""
    if not points:
        raise ConfigError("the grid is empty. Give at least one point.")
    return Zip({name: [point[i] for point in points] for i, name in enumerate(names)}, ordered)
