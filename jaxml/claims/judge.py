"""From what a run holds to its findings: every kind's hypotheses go up to the one rule, its decisions come back."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jaxml.claims.finding import Finding
from jaxml.claims.given import Given, Grid
from jaxml.claims.kinds import KINDS
from jaxml.claims.quantities import Quantities
from jaxml.claims.rule.hypothesis import decide
from jaxml.claims.spec import Claim

if TYPE_CHECKING:
    import xarray


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
    given = Given(grid, None if results is None else Quantities(results), evidence or {})
    asked = {id: KINDS[claim.kind].measure(id, claim, given) for id, claim in claims.items()}
    everything = [each for several in asked.values() for each in several]
    decisions = decide([each.hypothesis for each in everything], looks=grid.looks, alpha=grid.alpha)
    decided = iter(zip(everything, decisions, strict=True))
    findings = []
    for name, claim in claims.items():
        findings.append(KINDS[claim.kind].conclude(name, claim, given, [next(decided) for _ in asked[name]]))
    return findings
