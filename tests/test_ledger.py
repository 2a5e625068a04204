"""The ledger's file: whole lines, a chain that shows what was removed, and crashes that cost one line at most."""

import itertools
import json
import os
import subprocess
import sys

import pytest

from jaxml.errors import ConfigError, StoreError
from jaxml.runs import ledger
from jaxml.runs.chain import START


def note(text):
    return {"entry": "note", "text": text}


@pytest.fixture
def path(tmp_path):
    where = tmp_path / "runs" / "ledger.jsonl"
    for text in "abcd":
        ledger.append(where, note(text))
    return where


def texts(path):
    return [entry.get("text") for entry in ledger.read(path).entries]


def test_every_line_holds_the_hash_of_the_one_before(path):
    import hashlib

    lines = path.read_bytes().splitlines()
    assert json.loads(lines[0])["previous"] == START
    for before, line in itertools.pairwise(lines):
        assert json.loads(line)["previous"] == hashlib.sha256(before).hexdigest()
    held = ledger.read(path)
    assert not held.breaks
    assert held.entries[-1]["sha256"] == hashlib.sha256(lines[-1]).hexdigest()
    assert held.entries[-1]["line"] == 4
    assert ledger.read(path.with_name("none.jsonl")).entries == []


def test_two_writers_interleave_whole_lines(tmp_path):
    path = tmp_path / "ledger.jsonl"
    code = (
        "import sys; from pathlib import Path; from jaxml.runs.ledger import append\n"
        "for i in range(200): append(Path(sys.argv[1]), {'entry': 'note', 'text': f'{sys.argv[2]}{i}' + 'x' * i})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "ab"]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    held = ledger.read(path)
    assert not held.breaks
    assert len(held.entries) == 400
    for name in "ab":
        mine = [entry["text"].rstrip("x") for entry in held.entries if entry["text"].startswith(name)]
        assert mine == [f"{name}{i}" for i in range(200)]


@pytest.mark.parametrize("kept", [1, 40, -2])
def test_a_torn_last_line_is_noticed_cut_off_and_noted(path, kept):
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole[: -len(last)] + last[:kept])
    held = ledger.read(path)
    assert held.torn == last[:kept].decode()
    assert not held.breaks
    assert [entry["text"] for entry in held.entries] == ["a", "b", "c"]
    ledger.append(path, note("e"))
    held = ledger.read(path)
    assert (held.torn, held.breaks) == ("", [])
    assert [entry["entry"] for entry in held.entries] == ["note"] * 3 + ["torn", "note"]
    assert held.entries[3]["text"] == last[:kept].decode()


def test_half_a_character_is_cut_off_too(path):
    with path.open("ab") as file:
        file.write(b'{"entry": "\xc3')
    ledger.append(path, note("e"))
    assert texts(path) == ["a", "b", "c", "d", '{"entry": "\\udcc3', "e"]
    assert not ledger.read(path).breaks


@pytest.mark.parametrize(
    ("change", "line", "why"),
    [
        (lambda lines: lines[:1] + lines[2:], 2, "a line before it was removed or altered"),
        (lambda lines: lines[1:], 1, "an earlier line was removed"),
        (lambda lines: [lines[0], lines[1].replace(b'"b"', b'"B"'), *lines[2:]], 3, "removed or altered"),
        (lambda lines: [lines[0], b"?", *lines[1:]], 2, "no entry of a ledger"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2, "removed or altered"),
        (lambda lines: [b'{"entry": "broken", "time": "", "previous": ""}', *lines], 1, "no entry of a ledger"),
    ],
)
def test_what_was_removed_or_altered_breaks_the_chain_until_that_is_recorded_for_good(path, change, line, why):
    path.write_bytes(b"".join(each + b"\n" for each in change(path.read_bytes().splitlines())))
    held = ledger.read(path)
    assert held.breaks[0].line == line
    assert why in held.why_broken
    ledger.append(path, note("e"))
    assert ledger.read(path).why_broken == held.why_broken
    recorded = ledger.mend(path)
    assert recorded
    assert [each["why"] for each in recorded["breaks"]] == [each.why for each in held.breaks]
    assert not ledger.read(path).breaks
    assert ledger.mend(path) is None
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:-2], lines[-1], b""]))  # another one, later
    assert ledger.read(path).breaks


def test_another_machines_ledger_is_taken_up_once_and_whole(path, tmp_path):
    other = tmp_path / "other.jsonl"
    for text in "xy":
        ledger.append(other, note(text))
    taken = ledger.merge(path, other)
    assert taken
    assert taken["head"] == ledger.read(other).entries[-1]["sha256"]
    assert ledger.merge(path, other) is None
    ledger.append(other, note("z"))
    taken = ledger.merge(path, other)
    assert taken
    assert [entry["text"] for entry in taken["entries"]] == ["z"]
    held = ledger.read(path)
    assert not held.breaks
    assert [(e["text"], e.get("from")) for e in held.everything if e["entry"] == "note"] == [
        *[(text, None) for text in "abcd"],
        *[(text, str(other)) for text in "xyz"],
    ]
    third = tmp_path / "third.jsonl"
    ledger.merge(third, path)  # with what it had merged itself
    assert sum(entry["entry"] == "note" for entry in ledger.read(third).everything) == 7
    other.write_bytes(other.read_bytes().replace(b'"x"', b'"X"'))
    with pytest.raises(ConfigError, match=r"line 2: a line before it was removed or altered\. Merge a ledger that is"):
        ledger.merge(path, other)
    with pytest.raises(ConfigError, match="there are no entries"):
        ledger.merge(path, tmp_path / "none.jsonl")


def test_an_entry_that_depends_on_the_others_is_made_under_the_lock(path):
    entry = ledger.append(path, lambda held: note(str(len(held.entries))))
    assert entry
    assert (entry["text"], entry["line"]) == ("4", 5)
    assert ledger.append(path, lambda held: None) is None
    assert len(ledger.read(path).entries) == 5


def test_what_cannot_be_written_leaves_the_file_as_it_was(path, monkeypatch):
    before, write = path.read_bytes(), os.write
    left = [30]

    def full(handle, data):
        if not left[0]:
            raise OSError(28, "No space left on device")
        taken, left[0] = write(handle, bytes(data)[: left[0]]), 0
        return taken

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match="the ledger cannot be written: No space left on device"):
        ledger.append(path, note("e"))
    monkeypatch.undo()
    assert path.read_bytes() == before
    with pytest.raises(StoreError, match="cannot be written"):
        ledger.append(path.parent, note("e"))
