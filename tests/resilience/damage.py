"""Every file of a run deleted, cut short, with a flipped bit, swapped or replaced by something hostile."""

import itertools
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import jaxml
from jaxml.cli.listing import list_runs
from jaxml.errors import JaxmlError
from jaxml.runner import judge_again
from jaxml.runs.comparison import compare
from jaxml.runs.directory import SEALED, RunDirectory
from tests.resilience.project import Count, Project, differences

Damage = Callable[[Path], object]


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    if data:
        data[len(data) // 2] ^= 1
    file.write_bytes(data)


def _instead(make: Callable[[Path], object]) -> Damage:
    def damage(file: Path) -> None:
        file.unlink()
        make(file)

    return damage


DAMAGE: dict[str, Damage] = {
    "deleted": Path.unlink,
    "cut short": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "a bit flipped": _flip,
}
HOSTILE: dict[str, Damage] = {
    "a folder": _instead(Path.mkdir),
    "a pipe": _instead(lambda file: os.mkfifo(file)),
    "a link to itself": _instead(lambda file: file.symlink_to(file)),
    "a link out of the run": _instead(lambda file: file.symlink_to("/etc/passwd")),
    "zero bytes": lambda file: file.write_bytes(b"\0" * 4096),
    "nested a hundred thousand deep": lambda file: file.write_text("[" * 100_000),
    "other JSON": lambda file: file.write_text('{"spec": [], "sha256": 7, "status": {}, "maps": 0}'),
}


def finished(run: RunDirectory, kinds: dict[str, Damage], name: str) -> list[Count]:
    """Damage each file of a finished run, one at a time, and read it: refused with its name, or the same verdicts."""
    count, before = Count(f"finished run, {name}"), run.verdicts().words
    files = _files(run.path)
    if kinds is HOSTILE:  # one chunk of each array is as good as another
        files = list({file.parent if file.name.isdigit() else file: file for file in files}.values())
    for file in files:
        for what, damage in kinds.items():
            with _kept(file):
                damage(file)
                _read(run, file.relative_to(run.path), what, before, count)
    return [count]


def swapped(run: RunDirectory) -> list[Count]:
    """Swap chunk files within their array: each is sound, and stands in the other's place."""
    count = Count("finished run, two chunks of an array swapped")
    held = [file for file in _files(run.path) if "results.zarr" in file.parts and "c" in file.parts]
    chunks = [file for file in held if not file.suffix]  # not the lists beside them
    for a, b in itertools.pairwise(chunks):
        texts = a.read_bytes(), b.read_bytes()
        if a.parts[-5] == b.parts[-5] and texts[0] != texts[1]:
            with _kept(a), _kept(b):
                a.write_bytes(texts[1])
                b.write_bytes(texts[0])
                _read(run, a.relative_to(run.path), "swapped", {}, count)
    return [count]


def unfinished(project: Project, reference: RunDirectory, most: int, chance: random.Random) -> list[Count]:
    """Damage a run that was killed, and continue it: equal to the bit, or an error that says what is wrong."""
    count = Count("killed run, damaged and continued")
    runs = project.root / "continued"
    cases = [(file.relative_to(reference.path), what) for file in _files(reference.path) for what in DAMAGE]
    for name, what in chance.sample(cases, min(most, len(cases))):
        shutil.rmtree(runs, ignore_errors=True)
        run = RunDirectory(runs / reference.path.name)
        shutil.copytree(reference.path, run.path)
        shutil.copy(reference.path.parent / "ledger.jsonl", runs)
        (run.path / "manifest.sha256").unlink()
        run.set_status("running")
        if (run.path / name).is_file():
            DAMAGE[what](run.path / name)
        try:
            done = jaxml.run(project.root / "configs/toy.yaml", runs=runs).directory
        except JaxmlError as error:
            count.add("refused with the reason") if run.path.name in str(error) else count.fail(
                f"{name} {what}: {error}"
            )
        except Exception as error:
            count.fail(f"{name} {what}: {error!r}")
        else:
            wrong = differences(done, reference)
            end = "equal to the bit" if done == run else "begun anew, equal to the bit"
            count.fail(f"{name} {what}: not equal: {wrong}") if wrong else count.add(end)
    return [count]


def _read(run: RunDirectory, name: Path, what: str, before: dict[str, str], count: Count) -> None:
    begin = time.monotonic()
    sealed = name.parts[0] in (*SEALED, "manifest.sha256")
    try:
        list_runs(run.path.parent)
        for read in (run.verdicts, lambda: compare(run, run), lambda: judge_again(run)):
            try:
                read()
            except JaxmlError as error:
                if not sealed or str(name) not in str(error):
                    count.fail(f"{name} {what}: {error}")
                    return
            else:
                if sealed and name.name != "verdicts.json":
                    count.fail(f"{name} {what}: read without a word")
                    return
        if not sealed and run.verdicts().words != before:
            count.fail(f"{name} {what}: other verdicts")
            return
    except Exception as error:
        count.fail(f"{name} {what}: {error!r}")
        return
    if time.monotonic() - begin > 20:
        count.fail(f"{name} {what}: took {time.monotonic() - begin:.0f} s")
    count.add("refused by name" if sealed else "no part of the verdict")


def _files(run: Path) -> list[Path]:
    return sorted(path for path in run.rglob("*") if path.is_file())


class _kept:
    """A file as it was, afterwards; and verdicts and manifest, which reading may write anew."""

    def __init__(self, file: Path):
        run = next(parent for parent in file.parents if (parent / "results.zarr").is_dir())
        self._texts = {path: path.read_bytes() for path in {file, run / "verdicts.json", run / "manifest.sha256"}}

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        for path, text in self._texts.items():
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif os.path.lexists(path):
                path.unlink()
            path.write_bytes(text)
