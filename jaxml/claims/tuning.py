"""What each arm of a claim picks along its tuned axes, and whether its grid was wide enough for that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.claims.cells import Indices
from jaxml.claims.spec import Seeded, Tuning
from jaxml.claims.words import number, phrase
from jaxml.errors import ConfigError
from jaxml.sweep.grid import Axis

if TYPE_CHECKING:
    from jaxml.claims.quantities import Quantities

BEATS = 2.0
"""By so many standard errors an end of the grid must beat its neighbour for the grid to be too narrow."""


@dataclass(frozen=True)
class Pick:
    """What an arm picked.

    Attributes:
        at: positions along the tuned axes; where every seed picks for itself, those picked most often.
        each: positions of every reported seed, shape (axes, seeds); None where all share one.
        edge: the ends of the grid that were picked, in words.
        narrow: why the grid does not hold what the arm would pick; empty where nothing says so.
    """

    at: Indices
    each: np.ndarray | None = None
    edge: tuple[str, ...] = ()
    narrow: str = ""


def pick(held: "Quantities", here: Indices, claim: Seeded, axes: Sequence[Axis], where: str) -> Pick:
    """What one arm picks in one cell, on the tuning seeds.

    A point with a trial that failed is never picked over others. An end of a numeric axis with three values or more is
    told; where it beats its neighbour by two standard errors of their paired difference, a wider grid would surely hold
    a better point, and what the arm could do is not known.

    Args:
        held: the results.
        here: the arm's cell.
        claim: the claim, which tunes.
        axes: the grid.
        where: the place named in errors.

    Raises:
        ConfigError: when the goal has other axes than those that are tuned.
    """
    tune = claim.tune
    assert tune is not None
    left, column = held.at(tune.goal, here, where)
    if set(left) != {*tune.over, "seed"}:
        raise ConfigError(f"{where}.tune: '{tune.goal}' has the axes {left} where it is to pick along {tune.over}.")
    values = column[..., held.seeds < 0].transpose([left.index(name) for name in (*tune.over, "seed")])
    losses = loss(values, tune)
    shape, each = losses.shape[:-1], None
    if tune.per == "seed":
        flat = own_draws(losses, int((held.seeds >= 0).sum()), where).mean(-1).reshape(-1, (held.seeds >= 0).sum())
        best = flat.argmin(0)
        each = np.stack(np.unravel_index(best, shape))
        chosen = np.unravel_index(np.bincount(best, minlength=flat.shape[0]).argmax(), shape)
    else:
        chosen = np.unravel_index(losses.mean(-1).argmin(), shape)
    at = {name: int(index) for name, index in zip(tune.over, chosen, strict=True)}
    edge, narrow = [], ""
    by_name = {axis.name: axis for axis in axes}
    for place, name in enumerate(tune.over):
        found = _end(by_name[name], at[name])
        if found is None or found[1] == tune.ends.get(name):
            continue
        neighbour, end, told = found
        edge.append(f"{told}, the {end} of its grid")
        beside = tuple(neighbour if i == place else at[n] for i, n in enumerate(tune.over))
        if _beats(losses[tuple(at.values())], losses[beside]):
            other = number(by_name[name].values(name)[neighbour])
            narrow = f"{edge[-1]}, does better than {other} on the tuning seeds: extend the grid"
    return Pick(at, each, tuple(edge), narrow)


def _beats(end: np.ndarray, neighbour: np.ndarray) -> bool:
    """Whether losses, paired by seed, are surely smaller at the end."""
    if not (np.isfinite(end).all() and np.isfinite(neighbour).all()):
        return False
    gain = neighbour - end
    error = gain.std(ddof=1) / np.sqrt(gain.size) if gain.size > 1 else 0.0
    return bool(gain.mean() > BEATS * error)


def loss(values: np.ndarray, tune: Tuning) -> np.ndarray:
    """What tuning minimises; infinite where a trial failed."""
    losses = values * (1 if tune.minimise else -1)
    return np.where(np.isfinite(losses), losses, np.inf)


def own_draws(losses: np.ndarray, seeds: int, where: str) -> np.ndarray:
    """The draws on which each seed tunes, from those of all: shape (..., seeds, draws of one).

    Seed i has the draws -1 - k i, ..., -k (i + 1), whatever seeds are added later.

    Raises:
        ConfigError: when the tuning seeds are not so many for each reported one.
    """
    draws = losses.shape[-1]
    if draws % seeds or not draws:
        raise ConfigError(
            f"{where}.tune.per: each of {seeds} seeds tunes on draws of its own; tuning_seeds is {draws}. Make it a "
            f"multiple of seeds, for example {seeds}."
        )
    return losses[..., ::-1].reshape(*losses.shape[:-1], seeds, draws // seeds)


def taken(column: np.ndarray, left: Sequence[str], over: Sequence[str], each: np.ndarray) -> np.ndarray:
    """The values at every seed's own pick, shape (seeds,), from reported values whose last axis is the seed."""
    ordered = column.transpose([*(left.index(name) for name in over), len(left) - 1])
    return ordered[(*each, np.arange(ordered.shape[-1]))]


def words(picks: Mapping[str, Pick]) -> list[str]:
    """The ends that arms picked, as a card says them."""
    return [f"the {side} arm picked {edge}" for side, found in picks.items() for edge in found.edge]


def _end(axis: Axis, at: int) -> tuple[int, str, str] | None:
    """The neighbour of an end of a numeric axis, which end it is, and its value in words; None for no end."""
    values: list[Any] = list(axis.values(axis.name)) if axis.name in axis.parameters else []
    if len(values) < 3 or any(isinstance(v, (bool, str)) for v in values):
        return None
    order = sorted(range(len(values)), key=values.__getitem__)
    rank = order.index(at)
    if 0 < rank < len(order) - 1:
        return None
    end = "smallest" if rank == 0 else "largest"
    return order[1 if rank == 0 else -2], end, f"{phrase(axis.name)} {number(values[at])}"
