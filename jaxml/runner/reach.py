"""Whether a claim can come out either way at all: by the rule and the declared looks, before there is any data."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from jaxml.claims.asking import JOINT
from jaxml.claims.kinds import KINDS
from jaxml.claims.rule.hypothesis import Hypothesis, at_least, decide, within
from jaxml.claims.spec import Seeded
from jaxml.config import Study
from jaxml.errors import ConfigError

if TYPE_CHECKING:
    from jaxml.claims.given import Grid

_FAR = 1e3
"""So many margins away is as clear as an effect without bounds can be."""


def check_reachable(study: Study) -> None:
    """Refuse a config whose claims cannot be supported, or cannot be refuted, whatever the trials give.

    The rule is asked with the clearest data there could be: all seeds at the best end of the metric's range, or next to
    it, then at the worst; of a metric without a range a thousand margins away.

    Raises:
        ConfigError: naming each claim, what cannot happen and what would make it possible.
    """
    found = list(unreachable(study))
    if found:
        raise ConfigError("\n".join(found) + "\nRun it anyway with --anyway: what is decided then is decided rightly.")


def unreachable(study: Study) -> Iterator[str]:
    """A sentence for every outcome that cannot happen."""
    config, grid = study.config, study.grid
    claims = {id: claim for id, claim in config.claims.items() if isinstance(claim, Seeded)}
    if not claims:
        return
    for outcome, end in (("supported", 1), ("refuted", -1)):
        decided: set[str] = set()
        for spread in (0.0, 0.1):
            asked = [(id, each) for id, claim in claims.items() for each in _clearest(id, claim, grid, end, spread)]
            found = decide([each for _, each in asked], looks=grid.looks, alpha=grid.alpha)
            open_ = {id for (id, _), decision in zip(asked, found, strict=True) if decision.verdict != outcome}
            decided |= claims.keys() - open_
        for id, claim in claims.items():
            if id not in decided:
                ends = "" if claim.range is None else f", whose range is {claim.range[0]:g} to {claim.range[1]:g}"
                yield (
                    f"claims.{id}: it can never come out {outcome}: {grid.looks[-1]} seeds with the clearest values of "
                    f"'{claim.metric}'{ends} leave its {_cells(id, claim, grid)} cells open at the margin "
                    f"{claim.margin.value:g}. Declare more seeds, fewer cells, or another margin."
                )


def _cells(id: str, claim: Seeded, grid: "Grid") -> int:
    return KINDS[claim.kind].plan(claim, grid, f"claims.{id}")["cells"]


def _clearest(id: str, claim: Seeded, grid: "Grid", end: int, spread: float) -> Iterator[Hypothesis]:
    """The claim in each of its cells, with data that could hardly speak more clearly for it, or against it.

    Where a range is declared, seeds that agree leave room for values not seen and seeds that differ a little do not, so
    both are tried: `spread` is a share of the way from the end to the margin.
    """
    seeds, margin = grid.looks[-1], abs(claim.margin.value) or 1.0
    same = claim.kind in ("equality", "boundary")
    low, high = claim.span or (-_FAR * margin, _FAR * margin)
    best, worst = (0.0 if same else high), (high if same else low)
    clearest = best if end > 0 else worst
    theta = clearest + (claim.margin.value - clearest) * spread * np.linspace(0.0, 1.0, seeds)
    theta = np.clip(theta, low, high)
    for _ in range(_cells(id, claim, grid)):
        yield Hypothesis(
            claim=f"claims.{id}",
            rows=theta[None],
            region=within(margin) if same else at_least(claim.margin.value),
            span=claim.span,
            upper=theta[None] if claim.kind == "boundary" else None,
            joint=JOINT.get(claim.quantifier),
        )
