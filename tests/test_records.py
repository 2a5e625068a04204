"""Records go to JSON and back, and refuse what they did not write."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from jaxml.records import Record


@dataclass(frozen=True, kw_only=True)
class Leaf(Record):
    word: Literal["yes", "no"]
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Tree(Record):
    leaves: list[Leaf]
    by_name: dict[str, Leaf | str]
    lines: list[list[float]] = field(default_factory=list)
    anything: Any = None


TREE = Tree(
    leaves=[Leaf(word="yes", share=0.5), Leaf(word="no")],
    by_name={"a": Leaf(word="no"), "b": "plain"},
    lines=[[1.0, 2.0], []],
    anything={"x": [1, None]},
)


def test_a_record_comes_back_as_it_was():
    assert Tree.from_json(json.loads(json.dumps(TREE.to_json()))) == TREE


def test_defaults_fill_what_an_older_file_lacks():
    assert Tree.from_json({"leaves": [], "by_name": {}}) == Tree(leaves=[], by_name={})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"leaves": [{"word": "maybe"}]}, r"Tree.leaves\[0\].word: expected Literal\['yes', 'no'\], got 'maybe'"),
        ({"leaves": [{"word": "yes", "share": True}]}, r"Tree.leaves\[0\].share: expected float, got True"),
        ({"leaves": {}}, r"Tree.leaves: expected list\[.*Leaf\], got {}"),
        ({"lines": [[1.0, "2"]]}, r"Tree.lines\[0\]\[1\]: expected float, got '2'"),
        ({"by_name": {"a": 3}}, "Tree.by_name.a: expected str, got 3"),
        ({"colour": 1}, "Tree: unknown field 'colour', expected only leaves, by_name, lines, anything"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(change, message):
    with pytest.raises(ValueError, match=message):
        Tree.from_json(TREE.to_json() | change)


def test_a_missing_field_is_named():
    with pytest.raises(ValueError, match=r"Leaf: .*missing.*'word'"):
        Leaf.from_json({})
