"""Where a claim comes from: how it relates to an entry of a project's catalogue of statements, and what it leaves open.

It is documentation, kept beside the frozen spec and not inside of it: what is decided is the claim's own statement, and
a relation that turns out to be wrong can be put right without computing anything again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jaxml.errors import ConfigError, nearest
from jaxml.records import Record

FILE = "catalogue.yaml"
"""Beside ``experiments/``: sections of entries, ``id: title``. A project need not have one."""

Relation = Literal["written", "weaker", "stronger", "reversed", "part"]

RELATIONS: dict[str, str] = {
    "written": "as written",
    "weaker": "a weaker form",
    "stronger": "a stronger form",
    "reversed": "turned round, so that what supports the one speaks against the other",
    "part": "a part of it",
}


@dataclass(frozen=True, kw_only=True)
class Lineage(Record):
    """What a claim has to do with an entry of the catalogue.

    Attributes:
        of: the id of the entry; empty where none is named, and `relation` is None then.
        relation: how the claim's statement relates to it.
        title: what the entry says.
        does_not_show: what the claim leaves open, in words.

    >>> Lineage(of="R9", relation="weaker", title="L1 makes the parameters sparse").words
    'R9 (L1 makes the parameters sparse), a weaker form'
    """

    of: str = ""
    relation: Relation | None = None
    title: str = ""
    does_not_show: str = ""

    @property
    def words(self) -> str:
        """For a card; empty where the claim names no entry."""
        if self.relation is None:
            return ""
        return f"{self.of}{f' ({self.title})' if self.title else ''}, {RELATIONS[self.relation]}"


def read_catalogue(root: Path) -> dict[str, dict[str, str]]:
    """The entries of a project's catalogue, ``section -> id -> title``; empty where there is none.

    Raises:
        ConfigError: when it is not sections of titles, or an id stands in it twice.
    """
    import yaml

    path = root / FILE
    if not path.is_file():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is built
    try:
        held = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    sections: list[Any] = list(held.values()) if isinstance(held, dict) else [None]
    if not all(isinstance(section, dict) and all(map(_is_text, section.values())) for section in sections):
        raise ConfigError(f"{path}: expected sections of entries, such as {{text: {{R1: what is said}}}}.")
    ids = [str(id) for section in sections for id in section]
    twice = [id for id in ids if ids.count(id) > 1]
    if twice:
        raise ConfigError(f"{path}: '{twice[0]}' is defined twice. Keep one.")
    return {str(name): {str(id): title for id, title in section.items()} for name, section in held.items()}


def _is_text(title: Any) -> bool:
    return isinstance(title, str)


def lineages(claims: Mapping[str, Any], root: Path) -> dict[str, Lineage]:
    """The lineage of every claim that states one, or what it does not show, by claim.

    Args:
        claims: by id.
        root: the project.

    Raises:
        ConfigError: for an id that the project's catalogue does not hold.
    """
    stated = {id: claim for id, claim in claims.items() if claim.of is not None}
    titles = {id: title for section in read_catalogue(root).values() for id, title in section.items()} if stated else {}
    for id, claim in stated.items():
        if titles and claim.of not in titles:
            raise ConfigError(f"claims.{id}.of: {FILE} has no entry '{claim.of}'. {_near(claim.of, titles)}")
    return {
        id: Lineage(
            of=claim.of or "",
            relation=claim.relation,
            title=titles.get(claim.of or "", ""),
            does_not_show=claim.does_not_show or "",
        )
        for id, claim in claims.items()
        if claim.of is not None or claim.does_not_show
    }


def _near(id: str, titles: Mapping[str, str]) -> str:
    """The closest ids; a catalogue is too long to be listed."""
    near = nearest(id, titles)
    return near if near.startswith("Did") else f"It has {len(titles)} others, such as '{next(iter(titles))}'."
