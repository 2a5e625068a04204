"""What a kind of claim is: one file in `jaxml.claims.kinds` that answers the questions below.

A claim is checked, its evidence collected, its hypotheses measured; the one rule decides all of a run together; the
kind concludes, and says it in words. Everything else (loading, planning, certifying, tables, pages, exports) works on
`Finding` and `Told` and has no branch for a kind.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from jaxml.claims.finding import Finding
from jaxml.claims.spec import Claim, DependentSplits
from jaxml.claims.told import Told
from jaxml.sweep.grid import Axis

if TYPE_CHECKING:
    from jaxml.claims.asking import Asked
    from jaxml.claims.measure import Quantities
    from jaxml.claims.verdict import Decision

C = TypeVar("C", bound=Claim)


@dataclass(frozen=True)
class Grid:
    """What claims are held against before anything runs: axes, seeds for tuning, looks, error rate, split ratios."""

    axes: Sequence[Axis]
    tuning_seeds: int = 0
    looks: tuple[int, ...] = (16, 32, 64)
    alpha: float = 0.05
    splits: Sequence[DependentSplits] = ()


@dataclass(frozen=True)
class Bench:
    """Where evidence is collected that is no trial: the experiment, the key of its random cases, a way to report."""

    experiment: Any
    master_key: str
    notify: Callable[[str], None] = lambda message: None


@dataclass(frozen=True)
class Given:
    """What a finished run holds for its claims."""

    grid: Grid
    held: "Quantities | None" = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


class Kind(Generic[C]):
    """A kind of claim.

    Attributes:
        name: as configs write it under `kind`.
        Claim: the model of what a config says of such a claim.
        seeded: whether it is decided from the trials of a sweep.
    """

    name: ClassVar[str]
    Claim: ClassVar[type[Claim]]
    seeded: ClassVar[bool] = False

    def check(self, claim: C, grid: Grid, where: str) -> None:
        """Check the claim against the grid; nothing of the experiment is imported.

        Raises:
            ConfigError: naming the part of the claim that does not fit.
        """

    def check_experiment(self, claim: C, experiment: Any, where: str) -> None:
        """Check the claim against its experiment, once that is imported.

        Raises:
            ConfigError: naming what the experiment lacks.
        """

    def quantities(self, claim: C) -> Iterator[tuple[tuple[str, ...], str]]:
        """Every output of the trial or estimand that the claim asks for, after its place in the claim."""
        yield from ()

    def smoke(self, claim: C) -> tuple[C, str]:
        """The claim as a smoke run holds it, and what that leaves out, in words; empty where it is the same."""
        return claim, ""

    def plan(self, claim: C, grid: Grid, where: str) -> dict[str, Any]:
        """What deciding it takes, as plain values: cells, controls, cases."""
        raise NotImplementedError

    def planned(self, plan: Mapping[str, Any]) -> str:
        """`plan` in words, for one line of a table."""
        raise NotImplementedError

    def collect(self, claim: C, bench: Bench) -> dict[str, Any] | None:
        """Evidence that is no trial, as plain values, gathered once in a run; None where there is none.

        Raises:
            TrialError: when the experiment breaks the contract of what is collected.
        """
        return None

    def measure(self, id: str, claim: C, given: Given) -> "list[Asked]":
        """The hypotheses that the rule decides: those of the claim, then those of its controls.

        Raises:
            ConfigError: when the results do not hold what the claim asks for.
        """
        return []

    def conclude(self, id: str, claim: C, given: Given, decided: "Sequence[tuple[Asked, Decision]]") -> Finding:
        """The verdict from the decisions, in the order of `measure`."""
        raise NotImplementedError

    def tell(self, finding: Finding, decided: bool) -> Told:
        """The finding in words; where nothing may be decided, without verdicts."""
        raise NotImplementedError
