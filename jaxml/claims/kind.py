"""What a kind of claim is: one file in `jaxml.claims.kinds` that answers the questions below.

A claim is checked, its evidence collected, its hypotheses measured; the one rule decides all of a run together; the
kind concludes, and says it in words. Everything else (loading, planning, certifying, tables, pages, exports) works on
`Finding` and `Told` and has no branch for a kind.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from jaxml.claims.finding import Finding
from jaxml.claims.given import Given, Grid
from jaxml.claims.spec import Claim
from jaxml.claims.told import Told

if TYPE_CHECKING:
    from jaxml.claims.asking import Asked
    from jaxml.claims.verdict import Decision

C = TypeVar("C", bound=Claim)

TAKEN = "JAXML_EVIDENCE_OF"
"""The environment variable with which `jaxml run --certify` has evidence of this machine taken over from a run."""


@dataclass(frozen=True)
class Bench:
    """Where evidence is collected that is no trial.

    Attributes:
        experiment: what the config names.
        master_key: the key of random cases.
        notify: called with one sentence at each stage.
        name: of the experiment, and `root`, the project that holds it, for processes that import it again.
        root: see `name`.
        precision: of the run.
        seeds: how many units of replication a kind collects that has its own.
        keep: a folder for what an interrupted run has finished; None where there is none.
    """

    experiment: Any
    master_key: str
    notify: Callable[[str], None] = lambda message: None
    name: str = ""
    root: Path = Path()
    precision: str = "float32"
    seeds: int = 0
    keep: Path | None = None


class Kind(Generic[C]):
    """A kind of claim.

    Attributes:
        name: as configs write it under `kind`.
        Claim: the model of what a config says of such a claim.
        seeded: whether it is decided from the trials of a sweep.
        of_this_machine: whether its evidence speaks of the machine, so that no other setting is tried on it.
    """

    name: ClassVar[str]
    Claim: ClassVar[type[Claim]]
    seeded: ClassVar[bool] = False
    of_this_machine: ClassVar[bool] = False

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
        """Every output of the trial or metric that the claim asks for, after its place in the claim."""
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
