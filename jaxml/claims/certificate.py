"""The stability certificate of a run: its claims decided again under other settings, as plain records.

Standard library only, like the verdict cards that it marks.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from jaxml.claims.card import Verdicts
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
        cells: how many primary cells came out otherwise; a claim may stand though some of its cells do not.
        skipped: why there was nothing to change; empty when it was.
        failed: why it could not be computed; empty when it was.
    """

    name: str
    setting: str
    flips: dict[str, list[str]] = field(default_factory=dict)
    cells: int = 0
    skipped: str = ""
    failed: str = ""

    @property
    def outcome(self) -> str:
        """In plain words."""
        if self.skipped or self.failed:
            return self.skipped or f"not computed: {self.failed}"
        flips = "; ".join(f"{claim} was {old}, is {new}" for claim, (old, new) in self.flips.items())
        cells = f"{self.cells} {'cell' if self.cells == 1 else 'cells'} came out otherwise" if self.cells else ""
        return "; ".join(part for part in (flips or "every verdict stands", cells) if part)


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
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read: {error}. Delete it and certify the run again.") from None


def marked(verdicts: Verdicts, certificate: Certificate | None) -> Verdicts:
    """The verdicts with the flag *fragile* on every claim that another master key decides otherwise."""
    fragile = certificate.fragile if certificate else {}
    cards = [dataclasses.replace(card, fragile=fragile.get(card.id)) for card in verdicts.claims]
    return dataclasses.replace(verdicts, claims=cards)


def flips(before: Verdicts, now: Verdicts) -> tuple[dict[str, list[str]], int]:
    """Claims whose verdict differs, and the number of primary cells whose decision does."""
    new = {card.id: card for card in now.claims}
    found, cells = {}, 0
    for card in before.claims:
        other = new[card.id]
        if card.verdict.verdict != other.verdict.verdict:
            found[card.id] = [card.verdict.verdict, other.verdict.verdict]
        pairs = zip(card.cells, other.cells, strict=True)
        cells += sum(a.decision.verdict != b.decision.verdict for a, b in pairs)
    return found, cells
