"""The kinds of claim, one file each; a config names one under `kind`, and means a contrast where it names none."""

from typing import Any

from jaxml.claims.finding import Verdicts
from jaxml.claims.kind import Kind
from jaxml.claims.kinds.boundary import BoundaryKind
from jaxml.claims.kinds.contrast import ContrastKind
from jaxml.claims.kinds.equality import EqualityKind
from jaxml.claims.kinds.fact import FactKind
from jaxml.claims.kinds.number import NumberKind
from jaxml.claims.kinds.program import ProgramKind
from jaxml.claims.kinds.several import SeveralKind
from jaxml.claims.kinds.suite import SuiteKind
from jaxml.claims.kinds.timing import TimingKind
from jaxml.claims.kinds.trend import TrendKind
from jaxml.claims.told import Told

KINDS: dict[str, Kind[Any]] = {
    kind.name: kind
    for kind in (
        ContrastKind(),
        EqualityKind(),
        SeveralKind(),
        TrendKind(),
        BoundaryKind(),
        SuiteKind(),
        NumberKind(),
        ProgramKind(),
        TimingKind(),
        FactKind(),
    )
}


def tell(verdicts: Verdicts) -> list[Told]:
    """Every claim of a run in words."""
    return [KINDS[finding.kind].tell(finding, verdicts.decided) for finding in verdicts.findings]
