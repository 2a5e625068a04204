"""From labelled results to the numbers of a figure: mean and 95 % interval over the reported seeds, point by point."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.claims.population import Population
from jaxml.claims.words import number, phrase

if TYPE_CHECKING:
    import xarray

MOST_PANELS, MOST_POINTS = 12, 400


@dataclass(frozen=True)
class Series:
    """The numbers of one figure.

    Attributes:
        figure: what the experiment asked for: title, y, x, lines, panels, log_x, log_y.
        rows: one per point that can be drawn: panel, line, x, mean, low, high, seeds.
        panels: labels in order; one empty label when there is one panel.
        lines: labels in order.
        numeric: whether x is a number.
        notes: what the reader must know: which mean, what was left out and why.
    """

    figure: Mapping[str, Any]
    rows: list[dict[str, Any]]
    panels: list[str]
    lines: list[str]
    numeric: bool
    notes: list[str]


def read_series(
    results: "xarray.Dataset", figure: Mapping[str, Any], splits: Sequence[Mapping[str, Any]] = ()
) -> Series:
    """The numbers of a figure; what cannot be drawn becomes a note, never an error.

    On a logarithmic left axis the mean is geometric: mean and interval are taken of the logarithms.

    Args:
        results: outputs and metrics; seeds below 0 served tuning and are left out.
        figure: an `experiment.Figure` as a mapping.
        splits: where seeds draw from one data set, see `jaxml.claims.population`.
    """
    empty = Series(figure, [], [""], [""], True, [])
    asked = [figure[role] for role in ("y", "x", "lines", "panels") if figure.get(role)]
    missing = [name for name in asked if name not in results.variables and name not in results.dims]
    if missing:
        empty.notes.append(f"Nothing to draw: the results hold no {', '.join(map(repr, missing))}.")
        return empty
    try:
        values = chosen(results, figure)
    except LookupError as error:
        empty.notes.append(f"Nothing to draw: {error.args[0]}.")
        return empty
    results = values.to_dataset(name=figure["y"])
    named = {*map(str, results.coords), *map(str, results.dims)}
    dims = {role: _dim(results, figure[role]) for role in ("x", "lines", "panels") if figure.get(role) in named}
    if dims.get("x") not in values.dims:
        empty.notes.append(f"Nothing to draw: '{figure['y']}' does not vary along '{figure['x']}'.")
        return empty
    dims = {role: dim for role, dim in dims.items() if dim in values.dims}
    rest = [str(d) for d in values.dims if d not in (*dims.values(), "seed") and values.sizes[d] > 1]
    values, notes = _within_reach(values, dims, rest)
    held = {str(n): c.values.tolist() for n, c in results.coords.items() if c.ndim == 1}
    words = {name: distinct(column) for name, column in held.items()}
    panel_names = [(dims["panels"], figure["panels"])] if "panels" in dims else []
    panel_names += [(dim, name) for dim in rest for name in _names(results, dim)]
    table = _summary(values, results, splits, bool(figure.get("log_y")))
    rows, lines, panels, dropped = [], {}, {}, {}
    for place, (mean, low, high, seeds) in table:
        x = _at(held, figure["x"], place[dims["x"]])
        line = str(_at(words, figure["lines"], place[dims["lines"]])) if "lines" in dims else ""
        panel = ", ".join(f"{phrase(name)} {_at(words, name, place[dim])}" for dim, name in panel_names)
        lines[line] = panels[panel] = None
        if not math.isfinite(mean) or (figure.get("log_x") and not isinstance(x, str) and x < 0):
            dropped[panel] = dropped.get(panel, 0) + 1
            continue
        rows.append({"panel": panel, "line": line, "x": x, "mean": mean, "low": low, "high": high, "seeds": seeds})
    notes = [*_notes(values, figure, rows, panels, dropped), *notes]
    drawn = [panel for panel in panels if any(row["panel"] == panel for row in rows)]
    numeric = all(isinstance(row["x"], (int, float)) and not isinstance(row["x"], bool) for row in rows)
    return Series(figure, rows, drawn or [""], list(lines), numeric, notes)


def chosen(results: "xarray.Dataset", figure: Mapping[str, Any]) -> "xarray.DataArray":
    """What a figure draws: its quantity on the reported seeds, where it is asked for, at the settings that are tuned.

    Raises:
        LookupError: with a sentence, where the results hold nothing of the kind.
    """
    for name, wanted in (figure.get("at") or {}).items():
        if name not in results.coords:
            raise LookupError(f"there is no axis '{name}'")
        column = results[name].values
        ends = {"largest": max, "smallest": min}
        wanted = ends[wanted](column.tolist()) if wanted in ends and wanted not in column else wanted
        kept = np.flatnonzero([value == wanted for value in column.tolist()])
        if not len(kept):
            raise LookupError(f"'{name}' is nowhere {wanted!r}")
        results = results.isel({_dim(results, name): kept})
        if len(kept) == 1:
            results = results.squeeze(_dim(results, name), drop=True)

    def finite(name: str) -> "xarray.DataArray":
        values = results[name].astype(float)
        failed = results.get("nonfinite")
        return values if failed is None or not set(failed.dims) <= set(values.dims) else values.where(~failed)

    values = finite(figure["y"])
    if "seed" not in values.dims:
        return values.expand_dims("seed")
    if tune := figure.get("tune"):
        over = tune["over"]
        sign, goal = (1, tune["minimise"]) if "minimise" in tune else (-1, tune["maximise"])
        scores = sign * finite(goal)
        scores = scores.sel(seed=scores.seed[scores.seed < 0]).mean("seed", skipna=False).fillna(np.inf)
        values = values.isel({over: scores.argmin(over)}).drop_vars(over, errors="ignore")
    return values.sel(seed=values.seed[values.seed >= 0])


def _dim(results: "xarray.Dataset", name: str) -> str:
    """The axis that carries a coordinate: itself, or the zipped axis it belongs to."""
    return name if name in results.dims else str(results[name].dims[0])


def _within_reach(values: Any, dims: Mapping[str, str], rest: list[str]) -> tuple[Any, list[str]]:
    """Axes beyond x, lines and panels become panels while these stay few; others are held at their first value."""
    notes, count = [], values.sizes[dims["panels"]] if "panels" in dims else 1
    for dim in tuple(rest):
        count *= values.sizes[dim]
        if count > MOST_PANELS:
            count //= values.sizes[dim]
            rest.remove(dim)
            first = values[dim].values.tolist()[0] if dim in values.coords else 0
            notes.append(f"Shown at {phrase(dim)} {number(first)}.")
            values = values.isel({dim: 0})
    size = values.sizes[dims["x"]]
    if size > MOST_POINTS:
        kept = np.unique(np.linspace(0, size - 1, MOST_POINTS).round().astype(int))
        notes.append(f"{len(kept)} of {size} points along {phrase(dims['x'])} are drawn.")
        values = values.isel({dims["x"]: kept}).assign_coords({"_position": (dims["x"], kept)})
    return values, notes


def _summary(values: Any, results: Any, splits: Sequence[Mapping[str, Any]], log: bool) -> Iterator[tuple[Any, Any]]:
    """Mean, ends of the interval and number of finite seeds, for every point."""
    from scipy.special import stdtrit

    dims = [str(d) for d in values.dims if d != "seed"]
    data = values.transpose(*dims, "seed").values
    finite = np.isfinite(data)
    seeds = finite.sum(-1)
    if log:
        bad = (finite & (data <= 0)).any(-1)
        data = np.log(np.where(finite & (data > 0), data, 1.0))
    else:
        bad = np.zeros(seeds.shape, bool)
        data = np.where(finite, data, 0.0)
    count = np.maximum(seeds, 1)
    mean = data.sum(-1) / count
    sd = np.sqrt(np.where(finite, (data - mean[..., None]) ** 2, 0.0).sum(-1) / np.maximum(seeds - 1, 1))
    half = stdtrit(np.maximum(seeds - 1, 1), 0.975) * sd * np.sqrt(1 / count + _overlap(values, results, dims, splits))
    half = np.where(seeds > 1, half, np.nan)
    mean = np.where((seeds > 0) & ~bad, mean, np.nan)
    columns = [np.exp(np.clip(c, -690, 690)) if log else c for c in (mean, mean - half, mean + half)]
    original = values["_position"].values if "_position" in values.coords else None
    thinned = values["_position"].dims[0] if original is not None else None
    for index in np.ndindex(*seeds.shape):
        place = dict(zip(dims, index, strict=True))
        if thinned is not None and original is not None:
            place[thinned] = int(original[place[thinned]])
        yield place, (*(float(c[index]) for c in columns), int(seeds[index]))


def _overlap(values: Any, results: Any, dims: Sequence[str], splits: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """What a point's interval is widened by where its seeds draw from one data set and tell of a law, else 0."""
    ratio = np.zeros([values.sizes[d] for d in dims])
    for split in splits:
        here = np.ones(ratio.shape, bool)
        for name, wanted in split["where"].items():
            if name in values.coords and values[name].dims:
                shape = [-1 if d == values[name].dims[0] else 1 for d in dims]
                here &= (values[name].values == wanted).reshape(shape)
            elif name in values.coords:
                here &= bool(values[name].values == wanted)
        ratio = np.where(here, Population.model_validate({**split, "where": {}}).ratio, ratio)
    return ratio


def _at(columns: Mapping[str, Sequence[Any]], name: str, index: int) -> Any:
    """What a coordinate holds at a position, or the position itself for a curve's axis."""
    return columns[name][index] if name in columns else index


def _names(results: Any, dim: str) -> list[str]:
    """The coordinates along an axis; a zipped axis has several, a curve's may have none."""
    return [str(name) for name in results.coords if results[name].dims == (dim,)] or [dim]


def distinct(values: Sequence[Any]) -> list[str]:
    """Labels of a coordinate, with as many digits as it takes to tell its values apart.

    >>> distinct([0.5, 1.0]), distinct([0.50001, 0.50002])
    (['0.5', '1'], ['0.50001', '0.50002'])
    """
    short = [number(value) for value in values]
    return short if len(set(short)) == len(set(values)) else [str(value) for value in values]


def _coincident(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Lines that hide each other, being the same everywhere."""
    drawn: dict[str, list[Any]] = {}
    for row in rows:
        drawn.setdefault(row["line"], []).append((row["panel"], row["x"], row["mean"]))
    alike: dict[tuple[Any, ...], list[str]] = {}
    for line, points in drawn.items():
        alike.setdefault(tuple(points), []).append(line)
    return [lines for lines in alike.values() if len(lines) > 1]


def _notes(
    values: Any, figure: Mapping[str, Any], rows: Any, panels: Mapping[str, Any], dropped: Mapping[str, int]
) -> list[str]:
    seeds = values.sizes["seed"]
    kind = "Geometric mean" if figure.get("log_y") else "Mean"
    notes = [f"{kind} and 95 % interval over {seeds} reported seeds." if seeds > 1 else f"{kind} of one seed."]
    kept = {row["panel"] for row in rows}
    nothing = [panel for panel in panels if panel not in kept]
    if nothing and any(nothing):
        notes.append(f"No finite values for {'; '.join(nothing)}.")
    elif nothing:
        notes.append("No finite values.")
    lost = sum(count for panel, count in dropped.items() if panel in kept)
    if lost:
        logarithmic = figure.get("log_y") or figure.get("log_x")
        why = "not finite, or not above 0 on a logarithmic axis" if logarithmic else "not finite"
        notes.append(f"{lost} {'point is' if lost == 1 else 'points are'} not drawn: {why}.")
    fewer = sum(row["seeds"] < seeds for row in rows)
    if fewer:
        notes.append(
            f"{fewer} {'point rests' if fewer == 1 else 'points rest'} on fewer seeds, the others being not finite."
        )
    notes += [f"{' and '.join(lines)} coincide." for lines in _coincident(rows)]
    if figure.get("log_x") and any(row["x"] == 0 for row in rows):
        notes.append("0 has no place on a logarithmic axis and stands apart on the left.")
    return notes
