"""What the page shows of a claim besides its words: charts of its cells, and its maps."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxml.claims.finding import Finding, Verdicts
from jaxml.claims.kinds import tell
from jaxml.claims.mapped import Mapped
from jaxml.claims.told import Told
from jaxml.claims.words import varying
from jaxml.report.boundary import Panel, map_panels
from jaxml.report.maps import Spec, cell_charts

FEW = 24
"""So many cells are listed openly; more are folded away."""


@dataclass(frozen=True)
class Card:
    """One claim.

    Attributes:
        told: the claim in words.
        folded: whether its rows are folded away.
        charts: captions and charts of its cells.
        is_map: whether those charts are maps.
        maps: its maps over freed parameters.
    """

    told: Told
    folded: bool
    charts: list[tuple[str, Spec]]
    is_map: bool
    maps: list[Panel]


def make_cards(verdicts: Verdicts, maps: Sequence[Mapped] = ()) -> list[Card]:
    """All claims of a run, with the maps of the run."""
    return [_make_card(told, told.finding, verdicts.decided, maps) for told in tell(verdicts)]


def _make_card(told: Told, finding: Finding, decided: bool, maps: Sequence[Mapped]) -> Card:
    charts = cell_charts(told, exploratory=not decided) if told.unit else []
    return Card(
        told=told,
        folded=bool(charts) or len(told.rows) > FEW,
        charts=charts,
        is_map=len(varying(finding.cells)) > 1,
        maps=map_panels(told, maps, decided=decided),
    )
