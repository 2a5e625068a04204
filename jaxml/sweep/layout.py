"""How a grid lies in its store: the points in the order they were first asked for, so that a grid can grow.

The layout is kept twice, at the group and at the status array, so that one damaged file does not lose it.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.errors import StoreError, TrialError
from jaxml.sweep.fingerprint import differences, joined
from jaxml.sweep.grid import Axis
from jaxml.sweep.plan import Plan
from jaxml.sweep.trace import STATUS, Output, check_outputs


@dataclass(frozen=True)
class Layout:
    """The points of every axis and the seeds in stored order, the size of a file, and the sizes before extensions."""

    axes: Mapping[str, Sequence[Mapping[str, Any]]]
    seeds: tuple[int, ...]
    block: tuple[int, ...]
    cuts: tuple[tuple[int, ...], ...]
    identity: Mapping[str, Any]

    @staticmethod
    def joined(held: "Layout | None", plan: Plan, identity: Mapping[str, Any]) -> "Layout":
        """The layout that holds both what a store has and what a plan asks for, new points last."""
        asked: dict[str, Sequence[Any]] = {axis.name: axis.points for axis in plan.axes}
        if held is None:
            return Layout(asked, plan.seeds, plan.block, ((),) * len(plan.shape), identity)
        axes = {
            name: _union(held.axes[name], points, lambda point: tuple(point.items())) for name, points in asked.items()
        }
        seeds = tuple(_union(held.seeds, plan.seeds, lambda seed: seed))
        sizes = [(len(held.axes[name]), len(axes[name])) for name in axes] + [(len(held.seeds), len(seeds))]
        cuts = tuple((*cut, old) if new > old else cut for cut, (old, new) in zip(held.cuts, sizes, strict=True))
        return Layout(axes, seeds, held.block, cuts, joined(held.identity, identity))

    def outputs(self) -> dict[str, Output]:
        """Everything that some static point of the store returns.

        Raises:
            StoreError: when one lacks an output that cannot be NaN there, or two disagree on the length of an axis.
        """
        found = {
            name: Output(tuple(shape), np.dtype(dtype), tuple(axes))
            for name, (axes, shape, dtype) in self.identity["outputs"].items()
        }
        try:
            check_outputs(found, self.identity["outputs at"])
        except TrialError as error:
            raise StoreError(f"the store and the points that are new in it: {error}") from None
        return found

    def plan(self, asked: Plan) -> Plan:
        """The plan of everything in the store, cut into chunks no larger than those asked for."""
        axes = tuple(Axis(name, tuple(points)) for name, points in self.axes.items())
        return replace(asked, axes=axes, seeds=self.seeds, cuts=self.cuts).with_lanes_at_most(asked.lanes)

    def positions(self, axes: Mapping[str, Sequence[Mapping[str, Any]]], seeds: Sequence[int]) -> dict[str, list[int]]:
        """Where points and seeds stand in the store.

        Raises:
            KeyError: when one is not there.
        """

        def found(wanted: Iterable[Any], held: Iterable[Any]) -> list[int]:
            places = {key: i for i, key in enumerate(held)}
            return [places[key] for key in wanted]

        def rows(points: Iterable[Mapping[str, Any]]) -> Iterator[Any]:
            return (tuple(point.items()) for point in points)

        places = {name: found(rows(points), rows(self.axes[name])) for name, points in axes.items()}
        return {**places, "seed": found(seeds, self.seeds)}

    def to_json(self) -> dict[str, Any]:
        return {
            "sweep": {
                "axes": {name: [dict(point) for point in points] for name, points in self.axes.items()},
                "seeds": list(self.seeds),
                "block": list(self.block),
                "cuts": [list(cut) for cut in self.cuts],
                "identity": self.identity,
            }
        }

    @staticmethod
    def read(path: Path | str) -> "Layout":
        """The layout of a store that is known to be sound."""
        import zarr

        return Layout.from_json(dict(zarr.open_group(path, mode="r").attrs))

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Layout":
        held = data["sweep"]
        cuts = tuple(tuple(cut) for cut in held["cuts"])
        return Layout(held["axes"], tuple(held["seeds"]), tuple(held["block"]), cuts, held["identity"])

    def write(self, path: Path | str, attributes: Mapping[str, Any]) -> None:
        """Keep the layout at the group and, once there is one, at the status array."""
        import zarr

        group = zarr.open_group(path, mode="a")
        group.attrs.put({**attributes, **self.to_json()})
        with contextlib.suppress(FileNotFoundError):  # there is none yet: the store creates it with the layout inside
            zarr.open_array(path, path=STATUS, mode="r+").attrs.put(self.to_json())


def _union(held: Sequence[Any], asked: Sequence[Any], key: Callable[[Any], Any]) -> list[Any]:
    """What is held, in its order, then what is new."""
    return list({key(item): item for item in (*held, *asked)}.values())


def read_layout(path: Path | str, identity: Mapping[str, Any], repaired: list[str]) -> Layout | None:
    """Read the layout of a store, from its copy where the first is damaged; None when there is no store yet.

    Raises:
        StoreError: when both are damaged, or the store belongs to another computation.
    """
    import zarr

    def attributes(part: str | None) -> Mapping[str, Any] | None:
        opened = zarr.open_group(path, mode="r") if part is None else zarr.open_array(path, path=part, mode="r")
        return dict(opened.attrs)

    held, troubles = None, []
    for part, file in ((None, "zarr.json"), (STATUS, f"{STATUS}/zarr.json")):
        try:
            found = Layout.from_json(attributes(part) or {})
            held = held or found
        except FileNotFoundError:
            continue
        except Exception:
            troubles.append(file)
    if held is None:
        if troubles:
            raise StoreError(
                f"{path}: {' and '.join(troubles)} cannot be read, so nothing says which sweep this is. "
                "Delete the directory to compute it again."
            )
        return None
    for file in troubles:
        repaired.append(f"{file} was damaged and is written again")
        if isinstance(path, Path):
            (path / file).unlink(missing_ok=True)
    changes = differences(held.identity, identity)
    if changes:
        raise StoreError(
            f"{path} holds the results of another sweep: {'; '.join(changes)}. "
            "Give a new path, or undo the change to go on with this one."
        )
    return held


def remove_partial_files(path: Path) -> None:
    """Sweep up what a killed process had begun to write and never renamed."""
    for file in path.rglob("*.partial"):
        file.unlink(missing_ok=True)


class Lock:
    """An exclusive hold on a directory, which the kernel lets go when the process ends, however it ends."""

    def __init__(self, path: Path):
        import fcntl

        self._handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise StoreError(
                f"{path}: another process is writing here. Wait for it to end, or give another path."
            ) from None

    def release(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
