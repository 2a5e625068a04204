"""The stability certificate of a run: its claims decided again under other settings, as plain records.

Standard library only, like the verdict cards that it marks.
"""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from jaxml.claims.finding import Verdicts
from jaxml.claims.verdict import Decision
from jaxml.errors import RunError
from jaxml.records import Record

FILE = "certificate.json"
MASTER_KEY = "master key"


@dataclass(frozen=True, kw_only=True)
class Check(Record):
    """One setting changed, everything decided again.

    Attributes:
        name: what was changed.
        setting: to what.
        flips: claim -> the verdict of the run and the one under this setting, wherever they differ.
        cells: how many cells came out otherwise; a claim may stand though some of its cells do not.
        checks: how many controls and mutants did.
        skipped: why there was nothing to change; empty when it was.
        failed: why it could not be computed; empty when it was.
        seeds: on how many seeds it was tried, those of the first look; 0 for all.
        seconds: what it took.
        moved: the furthest that any effect moved, in standard errors; None where none has any.
    """

    name: str
    setting: str
    flips: dict[str, list[str]] = field(default_factory=dict)
    cells: int = 0
    checks: int = 0
    skipped: str = ""
    failed: str = ""
    seeds: int = 0
    seconds: float = 0.0
    moved: float | None = None

    @property
    def outcome(self) -> str:
        """In plain words."""
        if self.skipped or self.failed:
            return self.skipped or f"not computed: {self.failed}"
        flips = "; ".join(f"{claim} was {old}, is {new}" for claim, (old, new) in self.flips.items())
        counts = {"cell": self.cells, "check": self.checks}
        others = [f"{n} {name}{'' if n == 1 else 's'} came out otherwise" for name, n in counts.items() if n]
        if self.moved is not None:
            least = 1e-4
            moved = f"up to {self.moved:.2g}" if self.moved >= least else f"less than {least}"
            others.append(f"effects move by {moved} standard errors")
        on = f" with the first {self.seeds} seeds" if self.seeds else ""
        return "; ".join([(flips or "every verdict stands") + on, *others])


@dataclass(frozen=True, kw_only=True)
class Certificate(Record):
    """All checks of a run.

    >>> check = Check(name=MASTER_KEY, setting="again", flips={"R9": ["supported", "inconclusive"]})
    >>> Certificate(checks=[check]).fragile
    {'R9': "inconclusive under the master key 'again'"}
    """

    checks: list[Check]

    @property
    def fragile(self) -> dict[str, str]:
        """Claim -> what another master key made of it, for the claims whose verdict it flipped."""
        return {
            claim: f"{new} under the master key '{check.setting}'"
            for check in self.checks
            if check.name == MASTER_KEY
            for claim, (_, new) in check.flips.items()
        }


def read_certificate(run: Path) -> Certificate | None:
    """The certificate in a run directory, None when there is none.

    Raises:
        RunError: when the file cannot be read.
    """
    path = run / FILE
    if not path.is_file():
        return None
    try:
        return Certificate.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read: {error}. Delete it and certify the run again.") from None


def marked(verdicts: Verdicts, certificate: Certificate | None) -> Verdicts:
    """The verdicts with the flag *fragile* on every claim that another master key decides otherwise."""
    fragile = certificate.fragile if certificate else {}
    findings = [dataclasses.replace(each, fragile=fragile.get(each.id)) for each in verdicts.findings]
    return dataclasses.replace(verdicts, findings=findings)


def compared(name: str, setting: str, before: Verdicts, now: Verdicts) -> Check:
    """What another setting made of a run's claims."""
    new = {finding.id: finding for finding in now.findings}
    flips, cells, checks, moves = {}, 0, 0, []
    for finding in before.findings:
        other = new[finding.id]
        if finding.verdict.verdict != other.verdict.verdict:
            flips[finding.id] = [finding.verdict.verdict, other.verdict.verdict]
        for a, b in zip(finding.cells, other.cells, strict=True):
            moves += _moved(a.decision, b.decision)
        cells += sum(a.decision.verdict != b.decision.verdict for a, b in zip(finding.cells, other.cells, strict=True))
        checks += sum(a.passed != b.passed for a, b in zip(finding.checks, other.checks, strict=True))
    return Check(
        name=name, setting=setting, flips=flips, cells=cells, checks=checks, moved=max(moves) if moves else None
    )


def _moved(before: Decision, now: Decision) -> list[float]:
    """How far the estimate of a cell moved, in its standard errors; nothing where it has none."""
    if before.estimate is None or now.estimate is None or not before.sd:
        return []
    return [abs(now.estimate - before.estimate) / (before.sd / math.sqrt(before.seeds))]
