"""Which earlier entries of a ledger matter for a run, and what follows from them: pure functions, no file is touched.

The order of the entries is what counts: a design that was frozen before its data were seen stays confirmatory however
often it is run; one that was changed afterwards decides nothing on the same data; one that is tried on other data, or
in another design, is a new attempt.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxml.claims.attempt import Attempt, Before
from jaxml.runs.designs import Change, Spec, changes, claims_of, dropped, same_code, share_trials

Entry = Mapping[str, Any]
MOST = 3
"""So many changes are named in one sentence."""


@dataclass(frozen=True)
class Tried:
    """A claim as one confirmatory run tried it.

    Attributes:
        id: of the claim, in that run.
        spec: of the run.
        of: the entry of the catalogue that it names; empty where it names none.
        numbers: SHA-256 of the numbers that decided it; empty where the run did not finish.
        verdict: what it came to; empty likewise.
        run: the name of the run.
        time: when it began.
    """

    id: str
    spec: Spec
    of: str = ""
    numbers: str = ""
    verdict: str = ""
    run: str = ""
    time: str = ""


def that_showed_data(entries: Sequence[Entry]) -> list[Entry]:
    """The entries without those of runs that stopped before their first result."""
    ends = {entry["run"]: entry for entry in entries if entry["entry"] == "ended"}
    return [entry for entry in entries if not ends.get(entry.get("run", ""), {}).get("unseen")]


def why_amended(entries: Sequence[Entry], spec: Spec) -> str:
    """Why a run decides nothing: its claims are not those with which its data were seen first. Empty where they are.

    Args:
        entries: of the ledger, before the run's own.
        spec: of the run.
    """
    for entry in that_showed_data(entries):
        if entry["entry"] not in ("registered", "started") or not share_trials(entry["spec"], spec):
            continue
        decides_nothing = bool(entry.get("why"))
        found = list(differences(entry["spec"], spec, text_only=decides_nothing))
        if not found and not decides_nothing:
            return ""
        if found and entry["entry"] == "started":
            return (
                f"{_listed(found)} in {entry['run']}; its data had been seen then. Fresh seeds (another master_key) "
                "make it confirmatory again"
            )
    return ""


def registration(entries: Sequence[Entry], spec: Spec, config: str) -> tuple[str, str]:
    """When the design of a run was registered, and why it decides nothing where it is another one; both may be empty.

    Args:
        entries: of the ledger, before the run's own.
        spec: of the run.
        config: its name.
    """
    mine = [entry for entry in entries if entry["entry"] == "registered" and entry["config"] == config]
    if not mine:
        return "", ""
    before, date = mine[-1]["spec"], mine[-1]["time"][:10]
    if before == spec:
        return date, ""
    found = list(differences(before, spec))
    if before["master_key"] != spec["master_key"]:
        found.append(("", [Change("master key", str(before["master_key"]), str(spec["master_key"]))]))
    if not same_code(before, spec):
        found.append(("", [Change("experiment's code", "another", "this")]))
    what = _listed(found) if found else "something else in its spec was different"
    return "", f"it is not what was registered on {date}: {what}. Register it again before its data are seen"


def attempts(entries: Sequence[Entry], spec: Spec, config: str, of: Mapping[str, str]) -> "dict[str, Counting]":
    """What is known of every claim of a run that seeds decide, before its numbers are known.

    Args:
        entries: of the ledger, before the run's own.
        spec: of the run.
        config: its name.
        of: the entry of the catalogue that each claim names.
    """
    tried = list(all_tried(entries))
    names = {entry["run"]: entry["config"] for entry in entries if entry["entry"] == "started"}
    found = {}
    for id in claims_of(spec):
        me = Tried(id, spec, of.get(id, ""))
        found[id] = Counting(me, [each for each in tried if same_claim(each, me, names[each.run] == config)])
    return found


@dataclass(frozen=True)
class Counting:
    """Earlier tries of a claim, to be counted once the numbers of this one are known."""

    me: Tried
    earlier: Sequence[Tried]

    def attempt(self, numbers: str, note: Callable[[str], str] = lambda run: "") -> Attempt:
        """Which attempt it is.

        Args:
            numbers: SHA-256 of the numbers that decide it.
            note: what became of a run's directory, by the run's name.
        """
        me = Tried(self.me.id, self.me.spec, self.me.of, numbers)
        groups: list[list[Tried]] = []
        for each in [*self.earlier, me]:
            mine = next((group for group in groups if any(same_try(other, each) for other in group)), None)
            groups.append([each]) if mine is None else mine.append(each)
        number = next(i for i, group in enumerate(groups, 1) if group[-1] is me)
        before = [group[-1] for group in groups[: number - 1]]
        if not before:
            return Attempt()
        return Attempt(
            number=number,
            before=[Before(run=b.run, date=b.time[:10], verdict=b.verdict, note=note(b.run)) for b in before],
            changed=what_changed(before[-1], me),
            dropped=list(dict.fromkeys(point for b in before for point in dropped(b.spec, me.spec))),
        )


def all_tried(entries: Sequence[Entry]) -> Iterator[Tried]:
    """Every claim of every confirmatory run that showed data, in order, with what it came to."""
    entries = that_showed_data(entries)
    ends = {entry["run"]: entry for entry in entries if entry["entry"] == "ended"}
    for entry in entries:
        if entry["entry"] != "started" or entry["why"]:
            continue
        end = ends.get(entry["run"], {"claims": {}})["claims"]
        for id in claims_of(entry["spec"]):
            came = end.get(id, {})
            yield Tried(
                id,
                entry["spec"],
                entry.get("of", {}).get(id, ""),
                came.get("numbers", ""),
                came.get("verdict", ""),
                entry["run"],
                entry["time"],
            )


def same_claim(a: Tried, b: Tried, same_config: bool) -> bool:
    """Whether a later run tries the claim of an earlier one again: by its id, or copied, or renamed."""
    first, second = claims_of(a.spec)[a.id], claims_of(b.spec)[b.id]
    measured_alike = all(first.get(name) == second.get(name) for name in ("kind", "metric", "arms"))
    if same_config:
        renamed = a.id not in claims_of(b.spec) and b.id not in claims_of(a.spec)
        return a.id == b.id or (renamed and measured_alike)
    copied = measured_alike or a.spec["experiment"] == b.spec["experiment"] or (a.of and a.of == b.of)
    if a.id == b.id and copied:
        return True
    return not changes(a.spec, b.spec, a.id, b.id, text_only=True)


def same_try(a: Tried, b: Tried) -> bool:
    """Whether two tries of a claim are one: the same design on the same draws, by the same code or to the same bit."""
    if not share_trials(a.spec, b.spec) or changes(a.spec, b.spec, a.id, b.id):
        return False
    return same_code(a.spec, b.spec) or (a.numbers == b.numbers != "")


def differences(a: Spec, b: Spec, *, text_only: bool = False) -> Iterator[tuple[str, list[Change]]]:
    """What differs between the claims of two specs, claim by claim; one that only has another id is the same claim."""
    first, second = claims_of(a), claims_of(b)
    gone, new = [id for id in first if id not in second], [id for id in second if id not in first]
    for id in [*gone]:
        same = next((other for other in new if not changes(a, b, id, other, text_only=text_only)), None)
        if same is not None:
            gone.remove(id)
            new.remove(same)
    for id in first:
        if id in second and (found := changes(a, b, id, text_only=text_only)):
            yield id, found
    yield from (("", [Change("claim", id, "")]) for id in gone)
    yield from (("", [Change("claim", "", id)]) for id in new)


def what_changed(before: Tried, me: Tried) -> list[str]:
    """What is otherwise in a later try of a claim, each in a few words."""
    found = [each.words for each in changes(before.spec, me.spec, before.id, me.id)]
    found += [] if before.id == me.id else [f"id {before.id} -> {me.id}"]
    if before.spec["master_key"] != me.spec["master_key"]:
        found.append("another master key")
    if not same_code(before.spec, me.spec):
        found.append("the experiment's code")
    return found


def _listed(found: Sequence[tuple[str, Sequence[Change]]]) -> str:
    """Changes as a part of a sentence; what several claims share is said once."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for id, several in found:
        groups.setdefault(tuple(each.was for each in several), []).append(id)
    parts = []
    for words, ids in groups.items():
        more = f" and {len(words) - MOST} more" if len(words) > MOST else ""
        named = [id for id in ids if id]
        who = f"claim{'s' if len(named) > 1 else ''} {', '.join(named)}: " if named else ""
        parts.append(f"{who}{', '.join(words[:MOST])}{more}")
    return "; ".join(parts)
