"""The search for a counter-example inside a declared domain: what was found, as plain records.

Standard library only.
"""

from dataclasses import dataclass
from typing import Any

from jaxml.claims.verdict import Decision
from jaxml.records import Record


@dataclass(frozen=True, kw_only=True)
class CounterExample(Record):
    """A point of the domain at which the claim is refuted on fresh seeds.

    Attributes:
        point: the parameters.
        distance: from the reference, each side of the domain being 1 long.
        theta: the effect of every fresh seed.
        decision: of this point among all that were tested on fresh seeds.
    """

    point: dict[str, Any]
    distance: float
    theta: list[float]
    decision: Decision


@dataclass(frozen=True, kw_only=True)
class Falsification(Record):
    """What a search came to.

    Attributes:
        claim: its id.
        statement: what it says.
        at: the setting of everything outside the domain.
        domain: low, high and log of every side.
        reference: from where distances are measured.
        margin: the smallest effect that matters.
        points: points drawn evenly over the domain.
        failing: how many of them the rule refutes on the seeds of the search.
        volume: upper 95 % bound on the share of the domain where that is so.
        gradient: what the gradient was used for, or why not.
        computed: points computed in all.
        seeds: seeds of every point of the search.
        tested: points tested again on fresh seeds.
        found: the refuted one that lies nearest to the reference; None when none was.
        scale: of the effects and the margin.
        direction: which way the claim points.
        compared: whether the effect is that of one arm over another.
    """

    claim: str
    statement: str
    at: dict[str, Any]
    domain: dict[str, dict[str, Any]]
    reference: dict[str, Any]
    margin: float
    points: int
    failing: int
    volume: float
    gradient: str
    computed: int
    seeds: int
    tested: int
    found: CounterExample | None
    scale: str = "difference"
    direction: str = "larger"
    compared: bool = True
