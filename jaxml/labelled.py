"""Results made elsewhere, as the labelled data set that claims are held against: each trial once, and none missing."""

import itertools
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxml.errors import ConfigError, nearest
from jaxml.sweep.grid import Axis

if TYPE_CHECKING:
    import xarray

_FAILED = ("", "nan", "na", "n/a", "null", "none")
"""What stands in a table for the outcome of a trial that failed."""


def labelled(
    results: Any, outcomes: Sequence[str], seed: str, axes: Sequence[str] = (), named: Sequence[str] = ()
) -> "xarray.Dataset":
    """Outcomes over axes and ``seed``; tuning seeds are negative, the others count from 0.

    Args:
        results: a data set, a table, or the path of either, see `jaxml.judge`.
        outcomes: the variables or columns that are asked for.
        seed: the dimension or the column of the seeds.
        axes: the columns that are settings; by default those that are `named` and neither outcome nor seed.
        named: whatever claims name.

    Raises:
        ConfigError: when the results do not hold them, or not each trial once.
    """
    import xarray

    if isinstance(results, (str, os.PathLike)):
        results = _read(Path(results))
    elif isinstance(results, Mapping) and not isinstance(results, xarray.Dataset):
        results = _frame(results)
    if isinstance(results, xarray.Dataset):
        return _numbered(_of_dataset(results, outcomes, seed))
    if not hasattr(results, "columns"):
        raise ConfigError(f"results: expected a data set, a table or the path of one, got {type(results).__name__}.")
    axes = axes or [name for name in results.columns if name in named and name not in (*outcomes, seed)]
    return _numbered(_of_table(results, outcomes, seed, axes))


def axes_of(held: "xarray.Dataset") -> list[Axis]:
    """The axes of labelled results: each dimension but the seeds, with all that is written along it."""
    found = []
    for dim in (str(dim) for dim in held.dims if dim != "seed"):
        along = {str(name): held[name].values.tolist() for name in held.coords if held[name].dims == (dim,)}
        found.append(
            Axis(dim, tuple(dict(zip(along, point, strict=True)) for point in zip(*along.values(), strict=True)))
        )
    return found


def _read(path: Path) -> Any:
    """A data set or a table from a file.

    Raises:
        ConfigError: when there is none, or it cannot be read.
    """
    import pandas
    import xarray

    if not path.exists():
        raise ConfigError(f"{path}: there is no such file.")
    try:
        if path.suffix in (".csv", ".tsv"):
            separator = "\t" if path.suffix == ".tsv" else ","
            frame = pandas.read_csv(path, sep=separator, keep_default_na=False, encoding="utf-8-sig")
            return frame
        if path.suffix in (".jsonl", ".ndjson"):
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            return pandas.DataFrame([json.loads(line) for line in lines if line.strip()])  # pandas would round numbers
        if path.suffix == ".parquet":
            return pandas.read_parquet(path)
        if path.suffix == ".db":
            return pandas.DataFrame(_mlflow_runs(path))
        if path.suffix in (".nc", ".cdf"):
            with xarray.open_dataset(path) as found:
                return found.load()
        if path.suffix == ".zarr":
            return xarray.open_zarr(path, consolidated=False).load()
    except ImportError:
        raise ConfigError(f"{path}: Parquet needs pyarrow: pip install pyarrow.") from None
    except (OSError, ValueError, TypeError) as error:
        more = " NetCDF 4 needs the package h5netcdf." if path.suffix == ".nc" else ""
        raise ConfigError(f"{path}: cannot be read: {str(error).splitlines()[0]}.{more}") from None
    raise ConfigError(
        f"{path}: expected a table (.csv, .tsv, .jsonl, .parquet, .db) or a data set (.nc, .zarr). From anything else, "
        "make a DataFrame and hand it to jaxml.judge."
    )


def _mlflow_runs(path: Path) -> list[dict[str, Any]]:
    """The runs in the SQLite database of an MLflow store, one trial each: parameters, last metrics, experiment.

    A run that only holds others is none. A parameter is what its text says: a number, true, or a word.

    Raises:
        ConfigError: when MLflow is not installed, cannot read the store, or a run has a parameter and a metric of one
            name.
    """
    from jaxml.config.document import parse_value

    try:
        import mlflow  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ConfigError(f"{path}: the store of MLflow needs MLflow: pip install 'jaxml[mlflow]'.") from None
    try:
        client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{path.absolute()}")
        names = {each.experiment_id: each.name for each in client.search_experiments()}
        runs, page = [], None
        while page != "":
            found = client.search_runs(list(names), page_token=page)
            runs += found
            page = found.token or ""
    except mlflow.MlflowException as error:
        raise ConfigError(f"{path}: MLflow cannot read this: {error}") from None
    parents, rows = {run.data.tags.get("mlflow.parentRunId") for run in runs}, []
    for run in runs:
        if run.info.run_id in parents:
            continue
        both = run.data.params.keys() & run.data.metrics.keys()
        if both:
            raise ConfigError(f"{path}: {min(both)!r} is a parameter and a metric of run {run.info.run_name!r}.")
        params = {name: _said(parse_value, value) for name, value in run.data.params.items()}
        rows.append({"experiment": names[run.info.experiment_id], **params, **run.data.metrics})
    return rows


def _said(parse: Any, text: str) -> Any:
    try:
        value = parse(text)
    except ConfigError:
        return text
    return value if isinstance(value, (bool, int, float, str)) else text


def _frame(columns: Mapping[str, Any]) -> Any:
    import pandas

    try:
        return pandas.DataFrame(dict(columns))
    except ValueError as error:
        raise ConfigError(f"results: no table can be made of these columns: {error}.") from None


def _of_table(frame: Any, outcomes: Sequence[str], seed: str, axes: Sequence[str]) -> "xarray.Dataset":
    """A table with one row for each trial as a data set."""
    import numpy as np
    import pandas
    import xarray

    for what, names in (("outcome", outcomes), ("seed", [seed]), ("setting", axes)):
        for name in names:
            if name not in frame.columns:
                raise ConfigError(f"results: there is no column '{name}' ({what}). {nearest(name, frame.columns)}")
    place = [*axes, seed]
    for name in place:
        empty = frame[name].isna() | frame[name].map(lambda value: isinstance(value, str) and not value.strip())
        if empty.any():
            raise ConfigError(
                f"results: '{name}' is empty in {_row(frame, int(np.flatnonzero(empty)[0]))}. Fill it in."
            )
    twice = np.flatnonzero(frame.duplicated(place))
    if len(twice):
        second = frame.iloc[twice[0]]
        first = frame[(frame[place] == second[place]).all(axis=1)].iloc[0]
        apart = [str(n) for n in frame.columns if n not in (*place, *outcomes) and first[n] != second[n]]
        advice = f"They differ in {apart[0]!r}: add it to 'axes' if it is a setting." if apart else "Keep one."
        raise ConfigError(f"results: {len(twice)} trials are there twice, such as {_at(second, place)}. {advice}")
    values = {name: _ordered(frame[name]) for name in place}
    points = math.prod(map(len, values.values()))
    if points > len(frame):
        sizes = " x ".join(f"{len(found)} {name}" for name, found in values.items())
        raise ConfigError(
            f"results: {points - len(frame):,} of {points:,} trials ({sizes}) are missing, such as "
            f"{_lacking(frame, values)}. Every setting needs every seed; a trial that failed has a row with an empty "
            "outcome."
        )
    index = [pandas.Index(values[name]).get_indexer(frame[name]) for name in place]
    shape, held = [len(values[name]) for name in place], {}
    for name in outcomes:
        column = np.full(shape, np.nan)
        column[tuple(index)] = _numbers(frame, name)
        held[name] = (["seed" if dim == seed else dim for dim in place], column)
    return xarray.Dataset(held, {"seed" if name == seed else name: column for name, column in values.items()})


def _of_dataset(results: "xarray.Dataset", outcomes: Sequence[str], seed: str) -> "xarray.Dataset":
    """The outcomes of a data set, each place once."""
    import pandas

    for name in outcomes:
        if name not in results.data_vars:
            raise ConfigError(f"results: there is no variable '{name}' (outcome). {nearest(name, results.data_vars)}")
        if seed not in results[name].dims:
            raise ConfigError(f"results: '{name}' has no dimension '{seed}'. {nearest(seed, results[name].dims)}")
    marks = ["nonfinite"] if "nonfinite" in results else []
    held = results[[*outcomes, *marks]]
    for dim in held.dims:
        along = [name for name in held.coords if held[name].dims == (dim,)]
        if not along:
            raise ConfigError(
                f"results: dimension '{dim}' has no coordinates. Label it, so that claims can name its values."
            )
        if pandas.DataFrame({str(name): held[name].values for name in along}).duplicated().any():
            raise ConfigError(f"results: dimension '{dim}' holds a point twice. Keep one.")
    return held if seed == "seed" else held.rename({seed: "seed"})


def _numbered(held: "xarray.Dataset") -> "xarray.Dataset":
    """Seeds in their order; those that are no whole numbers are counted as they come."""
    import numpy as np

    seeds = held.seed.values
    if seeds.dtype.kind in "iu" or (seeds.dtype.kind == "f" and np.all(seeds == np.round(seeds))):
        return held.assign_coords(seed=seeds.astype(np.int64)).sortby("seed")
    return held.assign_coords(seed=np.arange(len(seeds)))


def _ordered(column: Any) -> list[Any]:
    """The values of a column: numbers rising, anything else as it comes."""
    found = column.unique().tolist()
    return sorted(found) if column.dtype.kind in "iufb" else found


def _numbers(frame: Any, name: str) -> Any:
    """An outcome as numbers; what is empty failed."""
    import pandas

    column = frame[name]
    if column.dtype.kind in "iufb":
        return column.to_numpy("float64")
    found: Any = pandas.to_numeric(column, errors="coerce")
    wrong = [
        value == value and str(value).strip().lower() not in _FAILED and number != number
        for value, number in zip(column, found, strict=True)
    ]
    if any(wrong):
        at = wrong.index(True)
        raise ConfigError(f"results: '{name}' must be a number, got {column.iloc[at]!r} in {_row(frame, at)}.")
    return found.to_numpy("float64")


def _lacking(frame: Any, values: Mapping[str, Sequence[Any]]) -> str:
    """One trial that is not there: along the rows of the table until one breaks the product."""
    there = set(frame[list(values)].itertuples(index=False, name=None))
    point = next(point for point in itertools.product(*values.values()) if point not in there)
    return ", ".join(f"{name} {value}" for name, value in zip(values, point, strict=True))


def _at(row: Any, place: Sequence[str]) -> str:
    return ", ".join(f"{name} {row[name]}" for name in place)


def _row(frame: Any, position: int) -> str:
    return f"row {position + 1} of {len(frame)}"
