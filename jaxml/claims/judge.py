"""From what a run holds to its findings: every kind's hypotheses go up to the one rule, its decisions come back."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.claims.finding import Finding
from jaxml.claims.given import Given, Grid
from jaxml.claims.kinds import KINDS
from jaxml.claims.quantities import Quantities
from jaxml.claims.rule.hypothesis import decide
from jaxml.claims.spec import Claim

if TYPE_CHECKING:
    import xarray

    from jaxml.claims.asking import Asked


def judge(
    claims: Mapping[str, Claim],
    grid: Grid,
    results: "xarray.Dataset | None" = None,
    evidence: Mapping[str, Any] | None = None,
) -> list[Finding]:
    """Decide every claim of a run; Holm's correction runs over all their primary cells together.

    Args:
        claims: by id.
        grid: axes, looks and error rate.
        results: outputs and metrics over the grid's axes and ``seed``; negative seeds are for tuning. None where the
            experiment has no trial.
        evidence: by claim, what its kind collected besides.

    Returns:
        One finding per claim, in order.

    Raises:
        ConfigError: when a claim asks for what the results do not hold.
    """
    return measure(claims, grid, results, evidence).decided()


@dataclass(frozen=True)
class Measured:
    """The claims of a run, measured and not yet decided.

    Attributes:
        claims: by id.
        given: what the run holds.
        asked: by claim, its hypotheses and those of its controls.
    """

    claims: Mapping[str, Claim]
    given: Given
    asked: "Mapping[str, Sequence[Asked]]"

    @property
    def numbers(self) -> dict[str, str]:
        """SHA-256 of the numbers that decide each claim, to the bit; of claims that have such numbers."""
        found = {}
        for id, several in self.asked.items():
            digest = hashlib.sha256()
            for each in several:
                held = each.hypothesis
                for values in (held.rows, held.upper, held.failed):
                    if values is not None:
                        digest.update(f"{np.shape(values)}".encode())
                        digest.update(np.ascontiguousarray(values, float).tobytes())
            found[id] = digest.hexdigest()
        return {id: digest for id, digest in found.items() if self.asked[id]}

    def decided(self, shares: Mapping[str, float] | None = None) -> list[Finding]:
        """The findings, claim by claim.

        Args:
            shares: of the error rate, at which a claim is decided; 1 where it is not named.
        """
        grid = self.given.grid
        everything = [each for several in self.asked.values() for each in several]
        own = [(shares or {}).get(id, 1.0) for id, several in self.asked.items() for _ in several]
        decisions = decide([each.hypothesis for each in everything], looks=grid.looks, alpha=grid.alpha, shares=own)
        decided = iter(zip(everything, decisions, strict=True))
        return [
            KINDS[claim.kind].conclude(id, claim, self.given, [next(decided) for _ in self.asked[id]])
            for id, claim in self.claims.items()
        ]


def measure(
    claims: Mapping[str, Claim],
    grid: Grid,
    results: "xarray.Dataset | None" = None,
    evidence: Mapping[str, Any] | None = None,
) -> Measured:
    """Measure every claim of a run; arguments and errors as `judge`."""
    given = Given(grid, None if results is None else Quantities(results), evidence or {})
    return Measured(claims, given, {id: KINDS[claim.kind].measure(id, claim, given) for id, claim in claims.items()})
