"""Two frozen specs held against each other: which trials they share, and what differs in what they claim of them.

Pure functions of plain values, as spec.json and the ledger hold them.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Spec = Mapping[str, Any]
_SAID_BESIDE = ("source", "reason")
"""What explains a claim and changes neither what it says nor how it is decided."""
_OF_CODE = ("experiment_sha256", "modules_sha256")


@dataclass(frozen=True)
class Change:
    """One thing that differs between two claims.

    Attributes:
        what: its name, such as "margin".
        before: its value in the earlier one, in words; empty where it was not there.
        now: its value in the later one.

    >>> change = Change("margin", "0.1", "0.05")
    >>> change.words, change.was
    ('margin 0.1 -> 0.05', 'the margin was 0.1')
    """

    what: str
    before: str
    now: str

    @property
    def words(self) -> str:
        """Both values."""
        if not self.before or not self.now:
            what = f"{self.what} {self.before or self.now}".strip()
            return f"{what} {'removed' if self.before else 'added'}"
        return f"{self.what} {self.before} -> {self.now}"

    @property
    def was(self) -> str:
        """The earlier value."""
        if self.before and self.now:
            return f"the {self.what} {'were' if self.what == 'looks' else 'was'} {self.before}"
        return f"it had {'the' if self.before else 'no'} {f'{self.what} {self.before or self.now}'.strip()}"


def claims_of(spec: Spec) -> dict[str, Mapping[str, Any]]:
    """The claims of a spec whose verdicts hang on a draw, by id. What is exact comes out alike however often tried."""
    return {id: each for id, each in spec["claims"].items() if each.get("kind", "contrast") in _drawn()}


@functools.cache
def _drawn() -> frozenset[str]:
    from jaxml.claims.kinds import KINDS

    return frozenset(name for name, kind in KINDS.items() if kind.seeded or kind.of_this_machine)


def share_trials(a: Spec, b: Spec) -> bool:
    """Whether some trial of the one draws the same random numbers, at the same point of the grid, as one of the other.

    Code does not count: what it computes from those numbers was seen, whatever was edited since. A parameter that only
    one of the two knows does not count either.
    """
    if a.get("without_trials") or b.get("without_trials"):
        return False
    alike = all(a[name] == b[name] for name in ("master_key", "precision"))
    same_trial = any(a[name] == b[name] for name in ("experiment", "experiment_sha256"))
    same_trial = same_trial or not claims_of(a).keys().isdisjoint(claims_of(b))  # an experiment that was copied
    return alike and same_trial and all(set(x) & set(y) for _, x, y in _shared_axes(a, b))


def same_code(a: Spec, b: Spec) -> bool:
    """Whether the trial and every local module that it imports are the same files."""
    return all(a.get(name) == b.get(name) for name in _OF_CODE)


def changes(a: Spec, b: Spec, id: str, other: str | None = None, *, text_only: bool = False) -> list[Change]:
    """What differs between a claim of an earlier spec and one of a later spec; empty where it is the same claim.

    Args:
        a: the earlier spec.
        b: the later one.
        id: of the claim in the earlier one.
        other: of the claim in the later one, the same by default.
        text_only: leave out the grid, the looks and the error rate.
    """
    texts = (_text(claims_of(a)[id]), _text(claims_of(b)[other or id]))
    found = list(_differing(*texts))
    return found if text_only else [*found, *_grid_changes(a, b)]


def dropped(a: Spec, b: Spec) -> list[str]:
    """The grid points that the earlier spec has and the later one has not, as ``n=50``, axis by axis."""
    found = []
    for names, before, now in _shared_axes(a, b):
        found += [_point(names, point) for point in before if point not in now]
    return found


def _grid_changes(a: Spec, b: Spec) -> Iterator[Change]:
    for names, before, now in _shared_axes(a, b):
        gone, new = [p for p in before if p not in now], [p for p in now if p not in before]
        yield from (Change("cell", _point(names, point), "") for point in gone)
        yield from (Change("cell", "", _point(names, point)) for point in new)
    for key, what in (("looks", "looks"), ("alpha", "alpha"), ("tuning_seeds", "number of tuning seeds")):
        if a[key] != b[key]:
            yield Change(what, _shown(a[key]), _shown(b[key]))
    if a["population"] != b["population"]:
        yield Change("population", _shown(a["population"]) or "none", _shown(b["population"]) or "none")


def _shared_axes(a: Spec, b: Spec) -> Iterator[tuple[tuple[str, ...], list[Any], list[Any]]]:
    """Parameters that both know, with the values that each of the two gives them."""
    first, second = _axes(a), _axes(b)
    together = [names for names in first if names in second]
    yield from ((names, first[names], second[names]) for names in together)
    rest = [n for names in first for n in names if names not in second]
    for name in rest:
        before, now = _column(first, name), _column(second, name)
        if now:
            yield (name,), before, now


def _axes(spec: Spec) -> dict[tuple[str, ...], list[Any]]:
    """Every axis as its parameters and its points; what is fixed is an axis of one point."""
    found: dict[tuple[str, ...], list[Any]] = {(name,): [(value,)] for name, value in spec["fixed"].items()}
    for points in spec["axes"].values():
        found[tuple(points[0])] = [tuple(point.values()) for point in points]
    return found


def _column(axes: Mapping[tuple[str, ...], list[Any]], name: str) -> list[Any]:
    for names, points in axes.items():
        if name in names:
            return list(dict.fromkeys((point[names.index(name)],) for point in points))
    return []


def _text(claim: Mapping[str, Any]) -> dict[str, Any]:
    """What a claim says and how it is decided, lists of named parts by name."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: plain(v) for k, v in value.items() if k not in _SAID_BESIDE and v is not None and v != {}}
        if isinstance(value, list) and value and all(isinstance(v, Mapping) and "name" in v for v in value):
            return {each["name"]: plain({k: v for k, v in each.items() if k != "name"}) for each in value}
        return value

    return plain(claim)


def _differing(a: Any, b: Any, path: tuple[str, ...] = ()) -> Iterator[Change]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in [*a, *(key for key in b if key not in a)]:
            if key not in a or key not in b:
                yield _whole((*path, key), a.get(key), b.get(key))
            else:
                yield from _differing(a[key], b[key], (*path, key))
    elif a != b:
        yield Change(_named(path), _shown(a), _shown(b))


def _whole(path: tuple[str, ...], a: Any, b: Any) -> Change:
    """A part that only one of the two has; of a control its name will do."""
    if path[:1] == ("controls",):
        return Change("", *(_named(path) if each is not None else "" for each in (a, b)))
    return Change(_named(path), _shown(a), _shown(b))


def _named(path: tuple[str, ...]) -> str:
    """A place in a claim, in words."""
    if path[:1] == ("controls",) and len(path) > 2:
        rest = f" {_named(path[3:])}" if path[3:] else ""
        return f"{path[1]} control '{path[2]}'{rest}"
    arm = path[:2] if path[:1] == ("arms",) and len(path) > 2 else ()
    rest = " ".join(part for part in path[len(arm) :] if part != "value").replace("_", " ")
    return f"{arm[1]} arm's {rest}" if arm else rest


def _point(names: tuple[str, ...], point: tuple[Any, ...]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in zip(names, point, strict=True))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value))
    text = f"{value:.12g}" if isinstance(value, float) else str(value)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f"'{text}'" if " " in text else text
