"""A run as an MLflow file store, the folder that ``mlflow ui --backend-store-uri`` opens; MLflow itself is not needed.

One MLflow run holds what was decided, and below it stands one for every grid point: its parameters, and the mean and
the standard deviation of every output over the reported seeds, curves step by step.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from jaxml.runs.directory import RunDirectory

if TYPE_CHECKING:
    import xarray

_FINISHED, _LOCAL = 3, 4  # MLflow's codes for a run's status and the type of its source


def write_mlflow(directory: RunDirectory, target: Path) -> Path:
    """Write a run into an MLflow file store, which may hold others; written twice, it stands there once.

    Args:
        directory: a run.
        target: the folder of the store, commonly called ``mlruns``.

    Raises:
        OSError: when it cannot be written.
    """
    spec, verdicts = directory.spec(), directory.verdicts()
    millis = int((directory.path / "spec.json").stat().st_mtime * 1000)
    group = target / str(int(_digest(spec["name"])[:15], 16))
    _yaml(group, name=spec["name"], experiment_id=group.name, artifact_location=group.absolute().as_uri())
    parent = _Run(group, directory.path.name, directory.path.name, millis)
    parent.write("tags", {"jaxml.status": verdicts.status, "jaxml.spec_sha256": verdicts.spec_sha256})
    parent.write("tags", {f"verdict.{card.id}": verdicts.verdict_of(card) for card in verdicts.claims})
    parent.write("params", {"experiment": spec["experiment"], "seeds": spec["seeds"], **spec["fixed"]})
    results = directory.results()
    results = results.sel(seed=results.seed[results.seed >= 0])
    axes = list(spec["axes"])
    for place in np.ndindex(*(len(spec["axes"][axis]) for axis in axes)):
        point = {
            name: value for axis, i in zip(axes, place, strict=True) for name, value in spec["axes"][axis][i].items()
        }
        label = ", ".join(f"{name}={value}" for name, value in point.items()) or "one point"
        child = _Run(group, label, f"{directory.path.name}/{label}", millis, parent.id)
        child.write("params", point)
        child.write("metrics", _metrics(results.isel(dict(zip(axes, place, strict=True))), millis))
    return target


class _Run:
    """The folder of one MLflow run; the same identity always gives the same folder."""

    def __init__(self, group: Path, name: str, identity: str, millis: int, parent: str = ""):
        self.id = _digest(identity)[:32]
        self._path = group / self.id
        _yaml(
            self._path,
            run_id=self.id,
            run_uuid=self.id,
            run_name=name,
            experiment_id=group.name,
            artifact_uri=(self._path / "artifacts").absolute().as_uri(),
            status=_FINISHED,
            start_time=millis,
            end_time=millis,
            source_type=_LOCAL,
            user_id="jaxml",
            tags=[],
        )
        (self._path / "artifacts").mkdir(exist_ok=True)
        self.write("tags", {"mlflow.runName": name} | ({"mlflow.parentRunId": parent} if parent else {}))

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """One file for each name; names that MLflow refuses are bent."""
        (self._path / kind).mkdir(exist_ok=True)
        for name, value in values.items():
            (self._path / kind / re.sub(r"[^\w\-. ]", "_", name)).write_text(str(value), encoding="utf-8")


def _metrics(here: "xarray.Dataset", millis: int) -> dict[str, str]:
    """Lines of time, value and step, for the mean and the standard deviation over seeds of every output."""
    found: dict[str, str] = {}
    for name, values in here.data_vars.items():
        if "seed" not in values.dims:
            continue
        for suffix, table in (("", values.mean("seed")), ("_sd", values.astype(float).std("seed"))):
            steps = np.ravel(table.values)
            found[f"{name}{suffix}"] = "".join(f"{millis} {float(value)} {i}\n" for i, value in enumerate(steps))
    return found


def _yaml(path: Path, **values: Any) -> None:
    path.mkdir(parents=True, exist_ok=True)
    (path / "meta.yaml").write_text(yaml.safe_dump({"lifecycle_stage": "active", **values}), encoding="utf-8")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
