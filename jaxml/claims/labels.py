"""Names of coded values: what the reader sees instead of `block 1` once the experiment says that 1 is a residual block.

Configs, results, specs and `verdicts.json` hold the values; only what is shown holds the names. Standard library only.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxml.claims.card import CellResult, ClaimCard, Verdicts
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
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: cannot be read: {error}. Delete it to see the values instead.") from None


def named(values: Mapping[str, Any], labels: Labels) -> dict[str, Any]:
    """Parameters with their values by name; a control's cell puts the arm before the parameter.

    >>> named({"block": 1, "claimed block": 0, "lam": 0.1}, {"block": {0: "plain", 1: "residual"}})
    {'block': 'residual', 'claimed block': 'plain', 'lam': 0.1}
    """
    return {name: labels.get(name.rpartition(" ")[2], {}).get(value, value) for name, value in values.items()}


def coded(values: Mapping[str, Any], labels: Labels) -> dict[str, Any]:
    """The inverse of `named`, for what a reader types.

    >>> coded({"block": "plain", "lam": 0.1}, {"block": {0: "plain", 1: "residual"}})
    {'block': 0, 'lam': 0.1}
    """
    codes = {parameter: {name: value for value, name in names.items()} for parameter, names in labels.items()}
    return {name: codes.get(name, {}).get(value, value) for name, value in values.items()}


def named_verdicts(verdicts: Verdicts, labels: Labels) -> Verdicts:
    """The verdicts as they are shown."""
    return dataclasses.replace(verdicts, claims=[_card(card, labels) for card in verdicts.claims])


def _card(card: ClaimCard, labels: Labels) -> ClaimCard:
    arms = {side: None if arm is None else named(arm, labels) for side, arm in card.arms.items()}
    controls = [dataclasses.replace(control, cell=_cell(control.cell, labels)) for control in card.controls]
    return dataclasses.replace(card, arms=arms, cells=[_cell(cell, labels) for cell in card.cells], controls=controls)


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
