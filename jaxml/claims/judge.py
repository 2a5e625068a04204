"""From what a run holds to its findings: every kind's hypotheses go up to the one rule, its decisions come back."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.claims.finding import Finding
from jaxml.claims.kind import Given, Grid
from jaxml.claims.kinds import KINDS
from jaxml.claims.measure import Asked, Quantities
from jaxml.claims.rule.decide import decide_cells
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
        results: outputs and estimands over the grid's axes and ``seed``; negative seeds are for tuning. None where the
            experiment has no trial.
        evidence: by claim, what its kind collected besides.

    Returns:
        One finding per claim, in order.

    Raises:
        ConfigError: when a claim asks for what the results do not hold.
    """
    given = Given(grid, None if results is None else Quantities(results), evidence or {})
    asked = {id: KINDS[claim.kind].measure(id, claim, given) for id, claim in claims.items()}
    primary = [each for several in asked.values() for each in several if each.role is None]
    decided = dict(zip(map(id, primary), _decide(primary, grid), strict=True))
    findings = []
    for name, claim in claims.items():
        # Controls are decided one by one: each stands on its own level.
        pairs = [(each, decided.get(id(each)) or _decide([each], grid)[0]) for each in asked[name]]
        findings.append(KINDS[claim.kind].conclude(name, claim, given, pairs))
    return findings


def _decide(asked: Sequence[Asked], grid: Grid) -> list[Any]:
    if not asked:
        return []
    return decide_cells(
        np.stack([each.effects.theta for each in asked]),
        margin=np.asarray([each.margin for each in asked]),
        looks=tuple(grid.looks),
        alpha=grid.alpha,
        correction=np.asarray([each.ratio or 0.0 for each in asked]),
        nonfinite=np.stack([each.effects.failed for each in asked]),
    )
