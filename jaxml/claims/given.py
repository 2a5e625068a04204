"""What claims are held against before anything runs, and what a finished run holds for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jaxml.claims.population import Population
from jaxml.sweep.grid import Axis

if TYPE_CHECKING:
    from jaxml.claims.quantities import Quantities


@dataclass(frozen=True)
class Grid:
    """What claims are held against before anything runs: axes, seeds for tuning, looks, error rate, split ratios.

    A smoke run decides nothing, so that less than a kind's least will do.
    """

    axes: Sequence[Axis]
    tuning_seeds: int = 0
    looks: tuple[int, ...] = (16, 32, 64)
    alpha: float = 0.05
    population: Sequence[Population] = ()
    smoke: bool = False


@dataclass(frozen=True)
class Given:
    """What a finished run holds for its claims."""

    grid: Grid
    held: "Quantities | None" = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
