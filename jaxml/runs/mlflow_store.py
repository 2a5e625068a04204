"""A run written to MLflow by MLflow's own client, which must be installed: ``pip install 'jaxml[mlflow]'``.

One MLflow run holds what was decided, and below it stands one for every grid point: its parameters, and the mean and
the standard deviation of every output over the reported seeds, curves step by step.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.errors import ConfigError, StoreError
from jaxml.runs.directory import RunDirectory

if TYPE_CHECKING:
    import xarray

MOST = 1_000
"""Values that MLflow takes at a time."""


def write_mlflow(directory: RunDirectory, target: str | Path | None = None) -> str:
    """Write a run to an MLflow tracking store; written twice, it stands there once.

    Args:
        directory: a run.
        target: the store: a URI such as ``http://localhost:5000``, or the file of an SQLite database. By default what
            MLflow itself uses, ``MLFLOW_TRACKING_URI`` where it is set.

    Returns:
        The URI of the store.

    Raises:
        ConfigError: when MLflow is not installed, or `target` is a folder.
        StoreError: when MLflow refuses the store or cannot reach it.
    """
    try:
        import mlflow  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ConfigError("export: MLflow is not installed. Run: pip install 'jaxml[mlflow]'") from None
    uri = mlflow.get_tracking_uri() if target is None else _uri(target)
    try:
        _write(directory, mlflow.MlflowClient(tracking_uri=uri))
    except mlflow.MlflowException as error:
        raise StoreError(f"{uri}: MLflow cannot write here: {error}") from None
    return uri


def _uri(target: str | Path) -> str:
    """The URI of a store; a plain path is that of a database."""
    if Path(target).is_dir():
        raise ConfigError(f"export: {target} is a folder, and MLflow keeps a database. Name a file: {target}/mlflow.db")
    return str(target) if ":/" in str(target) else f"sqlite:///{Path(target).absolute()}"


def _write(directory: RunDirectory, client: Any) -> None:
    spec, verdicts = directory.spec(), directory.verdicts()
    name, millis = directory.path.name, int((directory.path / "spec.json").stat().st_mtime * 1000)
    held = client.get_experiment_by_name(spec["name"])
    group = held.experiment_id if held else client.create_experiment(spec["name"])
    _forget(client, group, name)
    results = directory.results()
    results = results.sel(seed=results.seed[results.seed >= 0])

    def add(label: str, tags: Mapping[str, str], params: Mapping[str, Any], here: "xarray.Dataset | None") -> str:
        from mlflow.entities import Metric, Param  # pyright: ignore[reportMissingImports]

        tags = {"jaxml.run": name, **{_bent(key): value for key, value in tags.items()}}
        run = client.create_run(group, start_time=millis, tags=tags, run_name=label).info.run_id
        given = [Param(_bent(key), str(value)) for key, value in params.items()]
        metrics = (Metric(key, value, millis, step) for key, value, step in _metrics(here))
        client.log_batch(run, metrics=list(islice(metrics, MOST - len(given))), params=given)
        while some := list(islice(metrics, MOST)):
            client.log_batch(run, metrics=some)
        client.set_terminated(run, "FINISHED", end_time=millis)
        return run

    decided = {f"verdict.{id}": word for id, word in verdicts.words.items()}
    tags = {"jaxml.status": verdicts.status, "jaxml.spec_sha256": verdicts.spec_sha256, **decided}
    params = {"experiment": spec["experiment"], "seeds": spec["seeds"], **spec["fixed"]}
    parent = add(name, tags, params, None)
    axes = spec["axes"]
    for place in np.ndindex(*map(len, axes.values())):
        point = {n: v for axis, i in zip(axes, place, strict=True) for n, v in axes[axis][i].items()}
        label = ", ".join(f"{n}={v}" for n, v in point.items()) or "one point"
        add(label, {"mlflow.parentRunId": parent}, point, results.isel(dict(zip(axes, place, strict=True))))


def _forget(client: Any, group: str, name: str) -> None:
    """Delete what an earlier export of the same run left."""
    page = None
    while page != "":
        found = client.search_runs([group], f"tags.`jaxml.run` = '{name}'", page_token=page)
        for run in found:
            client.delete_run(run.info.run_id)
        page = found.token or ""


def _metrics(here: "xarray.Dataset | None") -> Iterator[tuple[str, float, int]]:
    """Name, value and step, for the mean and the standard deviation over seeds of every output."""
    for name, values in {} if here is None else here.data_vars.items():
        if "seed" in values.dims:
            values = values.astype(float)
            for suffix, table in (("", values.mean("seed")), ("_sd", values.std("seed"))):
                yield from ((_bent(f"{name}{suffix}"), float(v), i) for i, v in enumerate(np.ravel(table.values)))


def _bent(name: str) -> str:
    """A name without what MLflow refuses."""
    return re.sub(r"[^\w\-. ]", "_", name)
