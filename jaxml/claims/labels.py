"""Names of coded values: what the reader sees instead of `block 1` once the experiment says that 1 is a residual block.

Configs, results, specs and `verdicts.json` hold the values; only what is shown holds the names. Standard library only.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxml.claims.finding import CellResult, Check, Finding, Verdicts
from jaxml.claims.mapped import Mapped
from jaxml.errors import RunError

if TYPE_CHECKING:
    import xarray

FILE = "labels.json"
Labels = Mapping[str, Mapping[Any, str]]
"""Parameter -> value -> name."""


def labels_to_json(labels: Labels) -> dict[str, list[list[Any]]]:
    """Pairs of value and name: a JSON object would turn numbers into text."""
    return {parameter: [[value, name] for value, name in names.items()] for parameter, names in labels.items()}


def read_labels(run: Path) -> Labels:
    """The names that a run directory holds; none when it was written without.

    Raises:
        RunError: when the file cannot be read.
    """
    path = run / FILE
    if not path.is_file():
        return {}
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return {parameter: dict(pairs) for parameter, pairs in held.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read: {error}. Delete it to see the values instead.") from None


def named(values: Mapping[str, Any], labels: Labels) -> dict[str, Any]:
    """Parameters with their values by name.

    >>> named({"block": 1, "lam": 0.1}, {"block": {0: "plain", 1: "residual"}})
    {'block': 'residual', 'lam': 0.1}
    """
    return {name: labels.get(name, {}).get(value, value) for name, value in values.items()}


def coded(values: Mapping[str, Any], labels: Labels) -> dict[str, Any]:
    """The inverse of `named`, for what a reader types.

    >>> coded({"block": "plain", "lam": 0.1}, {"block": {0: "plain", 1: "residual"}})
    {'block': 0, 'lam': 0.1}
    """
    codes = {parameter: {name: value for value, name in names.items()} for parameter, names in labels.items()}
    return {name: codes.get(name, {}).get(value, value) for name, value in values.items()}


def named_verdicts(verdicts: Verdicts, labels: Labels) -> Verdicts:
    """The verdicts as they are shown."""
    return dataclasses.replace(verdicts, findings=[_finding(each, labels) for each in verdicts.findings])


def _finding(finding: Finding, labels: Labels) -> Finding:
    checks = [_check(check, labels) for check in finding.checks]
    cells = [_cell(cell, labels) for cell in finding.cells]
    return dataclasses.replace(finding, detail=_detail(finding.detail, labels), cells=cells, checks=checks)


def _check(check: Check, labels: Labels) -> Check:
    cell = None if check.cell is None else _cell(check.cell, labels)
    return dataclasses.replace(check, detail=_detail(check.detail, labels), cell=cell)


def _detail(detail: Mapping[str, Any], labels: Labels) -> dict[str, Any]:
    arms = {side: arm and named(arm, labels) for side, arm in detail.get("arms", {}).items()}
    return {**detail, "arms": arms} if arms else dict(detail)


def _cell(cell: CellResult, labels: Labels) -> CellResult:
    tuned = {side: named(point, labels) for side, point in cell.tuned.items()}
    return dataclasses.replace(cell, at=named(cell.at, labels), tuned=tuned)


def named_maps(maps: Sequence[Mapped], labels: Labels) -> list[Mapped]:
    """Maps as they are shown."""
    return [dataclasses.replace(each, at=named(each.at, labels)) for each in maps]


def named_results(results: "xarray.Dataset", labels: Labels) -> "xarray.Dataset":
    """Results whose coordinates hold the names."""
    import numpy as np

    found = {}
    for name in set(labels) & {str(coordinate) for coordinate in results.coords}:
        held = results[name]
        names = np.asarray([labels[name].get(value, value) for value in held.values.ravel().tolist()], object)
        found[name] = (held.dims, names.reshape(held.shape))
    return results.assign_coords(found)
