"""What differs between two runs: spec, environment, results, verdicts; and results written out for other tools."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.claims.finding import Verdicts
from jaxml.errors import ConfigError, StoreError
from jaxml.runs.directory import RunDirectory
from jaxml.runs.mlflow_store import write_mlflow

if TYPE_CHECKING:
    import xarray

FORMATS = {"csv": "results.csv", "netcdf": "results.nc", "mlflow": None}
"""What results are written as, and under which name beside them; MLflow has a store of its own."""


def compare(first: RunDirectory, second: RunDirectory) -> dict[str, Any]:
    """Only what differs.

    Returns:
        ``spec`` and ``environment``: dotted path -> the two values. ``results``: output -> the largest absolute
        difference, its mean with a 95 % interval over the seeds both runs share (paired), over the grid points
        both have. ``verdicts``: claim -> the two verdicts.

    Raises:
        RunError: when one of them cannot be read, or is not as it was written.
    """
    for run in (first, second):
        run.check()
    specs = [run.spec() for run in (first, second)]
    environments = [run.read_json("environment.json") for run in (first, second)]
    for environment in environments:
        environment.pop("command", None)
        environment.pop("git", None)
    return {
        "spec": differences(specs[0], specs[1]),
        "environment": differences(*environments),
        "results": _result_differences(first, second),
        "verdicts": changed_verdicts(first.verdicts(), second.verdicts()),
    }


def read_verdicts(path: Path) -> Verdicts:
    """The verdicts of an earlier run.

    Raises:
        ConfigError: when the file is missing or is not a verdicts.json.
        RunError: when it lies in a finished run that is not as it was written.
    """
    if path.name == "verdicts.json":
        RunDirectory(path.parent).check()
    try:
        return Verdicts.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path}: no verdicts can be read here: {error}") from None


def changed_verdicts(before: Verdicts, now: Verdicts) -> dict[str, tuple[Any, Any]]:
    """Claim -> the verdict it had and the one it has, wherever they differ."""
    return differences(before.words, now.words)


def differences(a: Any, b: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted path -> the two values, wherever two nested values differ.

    >>> differences({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": 4})
    {'b.c': (2, 3), 'd': (None, 4)}
    """
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        found: dict[str, tuple[Any, Any]] = {}
        for key in [*a, *(k for k in b if k not in a)]:
            found |= differences(a.get(key), b.get(key), f"{path}.{key}" if path else str(key))
        return found
    return {} if a == b else {path: (a, b)}


def _result_differences(first: RunDirectory, second: RunDirectory) -> dict[str, Any]:
    import xarray
    from scipy.stats import t

    try:
        a, b = xarray.align(first.results(), second.results(), join="inner")
    except ValueError as error:
        return {"": f"the grids cannot be laid over each other: {error}"}
    found = {}
    for name in a.data_vars:
        if name not in b or a[name].dims != b[name].dims or a[name].size == 0:
            continue
        gap = (b[name].astype(float) - a[name].astype(float)).dropna("seed", how="all")
        largest = float(np.abs(gap).max()) if gap.size else 0.0
        if largest:
            by_seed = gap.mean([dim for dim in gap.dims if dim != "seed"]).values
            spread = t.ppf(0.975, len(by_seed) - 1) * by_seed.std(ddof=1) / np.sqrt(len(by_seed))
            mean = float(by_seed.mean())
            found[str(name)] = {"largest": largest, "mean": mean, "low": mean - spread, "high": mean + spread}
    return found


def export(directory: RunDirectory, to: str, target: str | Path | None = None) -> str | Path:
    """Write the results for other tools.

    Args:
        directory: a run.
        to: one of `FORMATS`: a table with one row per trial and output axis, one NetCDF file, or MLflow runs.
        target: the file; beside the results by default. For MLflow, its tracking store, see `write_mlflow`.

    Raises:
        ConfigError: for another format.
        StoreError: when it cannot be written.
    """
    if to not in FORMATS:
        raise ConfigError(f"export: '{to}' is not one of {', '.join(FORMATS)}.")
    if to == "mlflow":
        return write_mlflow(directory, target)
    path = Path(target or directory.path / str(FORMATS[to]))
    try:
        results = directory.results()
        if not results.data_vars:
            raise ConfigError(f"export: {directory.path} holds no trials, so that there is no table to write.")
        if to == "csv":
            frame = table_of(results)
            for name in frame.select_dtypes(exclude=["number", "bool"]):
                frame[name] = frame[name].map(_no_formula)
            frame.rename(columns=_no_formula).to_csv(path, index=False)
        else:
            results.to_netcdf(path, engine="scipy")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}.") from None
    return path


def table_of(results: "xarray.Dataset") -> Any:
    """A row for each trial, or for each step of its curves; curves over other axes have rows of their own.

    One table of everything would hold the product of the axes, steps times layers.
    """
    import pandas

    grid = set(results["nonfinite"].dims) if "nonfinite" in results else set(results.dims)
    inner = {name: tuple(dim for dim in values.dims if dim not in grid) for name, values in results.data_vars.items()}
    kinds = list(dict.fromkeys(axes for axes in inner.values() if axes))
    if len(kinds) < 2:
        return results.to_dataframe().reset_index()
    parts = [[n for n in inner if inner[n] == kind and n != "nonfinite"] for kind in ((), *kinds)]
    marks = ["nonfinite"] * ("nonfinite" in results)
    return pandas.concat([results[part + marks].to_dataframe().reset_index() for part in parts if part])


def _no_formula(cell: Any) -> Any:
    """The text of a cell, quoted where a spreadsheet would compute it."""
    return f"'{cell}" if str(cell).startswith(("=", "+", "-", "@", "\t", "\r")) else cell
