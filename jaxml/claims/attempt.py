"""What the ledger says of a claim before this run: which attempt it is, what the others came to, what was dropped."""

from dataclasses import dataclass, field

from jaxml.records import Record


@dataclass(frozen=True, kw_only=True)
class Before(Record):
    """An earlier attempt.

    Attributes:
        run: the name of its run directory.
        date: when it began, as 2026-11-28.
        verdict: what it came to; empty where it did not finish.
        note: what became of its run directory since; empty where it is as it was written.
    """

    run: str
    date: str
    verdict: str = ""
    note: str = ""

    @property
    def words(self) -> str:
        """In brackets on a card."""
        return ", ".join(part for part in (self.verdict or "not finished", self.date, self.note) if part)


@dataclass(frozen=True, kw_only=True)
class Attempt(Record):
    """Which attempt of a claim a run is. Attempt k is decided at the level alpha / 2^(k - 1), so that all together err
    at most 2 alpha however many there are.

    Attributes:
        number: 1 for the first.
        before: the earlier ones.
        changed: what is otherwise than in the one before.
        dropped: grid points that an earlier one had and this one has not.
        registered: when the claim was registered before there was data; empty where it was not.
        mended: when a break of the ledger was last recorded; empty where it never was broken.

    >>> before = [Before(run="20261128-...", date="2026-11-28", verdict="inconclusive")]
    >>> Attempt(number=2, before=before, dropped=["n=50"]).words("R9")
    'attempt 2 of R9 (before: inconclusive, 2026-11-28): judged at half the level; dropped: n=50'
    """

    number: int = 1
    before: list[Before] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    registered: str = ""
    mended: str = ""

    @property
    def share(self) -> float:
        """Of the declared error rate."""
        return 0.5 ** (self.number - 1)

    def words(self, id: str) -> str:
        """For a card; empty where there is nothing to say."""
        parts = [f"registered on {self.registered}"] if self.registered else []
        if self.number > 1:
            earlier = "; ".join(each.words for each in self.before)
            level = "half the level" if self.number == 2 else f"1/{2 ** (self.number - 1)} of the level"
            parts.append(f"attempt {self.number} of {id} (before: {earlier}): judged at {level}")
            parts += [f"changed: {', '.join(self.changed)}"] if self.changed else []
            parts += [f"dropped: {', '.join(self.dropped)}"] if self.dropped else []
        if self.mended:
            parts.append(f"the ledger was broken until {self.mended}, so that earlier attempts may be missing")
        return "; ".join(parts)
