"""The axes of a figure, common to its panels: linear, logarithmic with a 0 drawn apart, or one place per word."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jaxml.claims.words import interval, number, phrase
from jaxml.report.series import Series

Spec = dict[str, Any]
APART, LEAST_APART = 0.16, 3.4
"""A 0 stands left of a logarithmic axis by this share of its length, and by this factor at least."""
DIGITS = ".6~g"
"""Of a tick: without a number Vega writes 100000000 and 1.5000000000000002e+33."""


def placed(series: Series) -> tuple[list[dict[str, Any]], Spec]:
    """The rows as Vega sees them, and the bottom axis; a 0 on a logarithmic axis is moved apart to the left."""
    title, digits = phrase(series.figure["x"]), _digits(series.rows)
    rows = [
        {
            "panel": row["panel"],
            "line": row["line"],
            "x": row["x"] if series.numeric else number(row["x"]),
            "mean": _rounded(row["mean"], digits),
            "low": _rounded(row["low"] if math.isfinite(row["low"]) else row["mean"], digits),
            "high": _rounded(row["high"] if math.isfinite(row["high"]) else row["mean"], digits),
            "joined": series.numeric,
            "at": number(row["x"]),
            "value": number(row["mean"]),
            "interval": interval(row["low"], row["high"]),
            "seeds": str(row["seeds"]),
        }
        for row in series.rows
    ]
    if not series.numeric or not rows:
        labels = list(dict.fromkeys(row["x"] for row in rows))
        return rows, {"field": "x", "type": "ordinal", "title": title, "sort": labels, "axis": {"labelAngle": 0}}
    values = sorted({float(row["x"]) for row in rows})
    positive = [value for value in values if value > 0]
    if not series.figure.get("log_x") or not positive:
        scale: Spec = {"domain": _widened(values[0], values[-1]), "nice": False, "zero": False}
        axis = ticks(values[0], values[-1], 8) | {"labelOverlap": True}
        return rows, {"field": "x", "type": "quantitative", "title": title, "scale": scale, "axis": axis}
    low, high = positive[0], positive[-1]
    x: Spec = {"field": "x", "type": "quantitative", "title": title}
    x["scale"] = {"type": "log", "domain": [low, high] if low < high else [low / 2, low * 2], "nice": False}
    x["axis"] = {"format": DIGITS, "labelOverlap": True}
    if len(marks := decades(low, high)) > 1:
        x["axis"]["values"] = marks
    if positive != values:
        gap = max(10 ** (APART * (math.log10(high) - math.log10(low))), LEAST_APART)
        apart = max(low / gap, 1e-306)
        x["scale"]["domain"][0] = max(apart / gap**0.25, 1e-307)
        for row in rows:
            if row["x"] == 0:
                row["x"], row["joined"] = apart, False
        x["axis"]["values"] = [apart, *decades(low, high)]
        x["axis"]["labelExpr"] = f"datum.value < {low / gap**0.5!r} ? '0' : datum.label"
    return rows, x


def _digits(rows: Sequence[Mapping[str, Any]]) -> int:
    """Significant digits that show a millionth of what the means span: more than a picture does, and few bytes."""
    means = [row["mean"] for row in rows]
    span, largest = (max(means) - min(means), max(map(abs, means))) if means else (0.0, 0.0)
    return min(6 + max(math.ceil(math.log10(largest / span)), 0), 17) if span > 0 and largest / span < 1e17 else 6


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def left_axis(series: Series, rows: Sequence[Mapping[str, Any]]) -> Spec:
    """The left axis, common to all panels."""
    axis: Spec = {"type": "quantitative", "title": phrase(series.figure["y"])}
    if not rows:
        return axis
    low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
    if series.figure.get("log_y"):
        axis["scale"] = {"type": "log", "domain": _stretched(low, high), "nice": False}
        axis["axis"] = {"format": DIGITS, "values": decades(*_stretched(low, high))}
    else:
        axis["scale"] = {"domain": _widened(low, high), "nice": False, "zero": False}
        axis["axis"] = ticks(low, high, 5)
    return axis


def ticks(low: float, high: float, count: int) -> Spec:
    """About so many ticks on a linear axis, with as many digits as tell neighbours apart, and none that rounding left.

    >>> ticks(0.0, 3e33, 5)["format"], ticks(1.0, 1.0 + 4e-8, 5)["format"]
    ('.6~g', '.10~g')
    """
    step, largest = (high - low) / count, max(abs(low), abs(high))
    digits = math.floor(math.log10(largest)) - math.floor(math.log10(step)) + 1 if step > 0 else 6
    return {"tickCount": count, "format": f".{min(max(digits, 6), 15)}~g"}


def _stretched(low: float, high: float) -> list[float]:
    """The ends of a logarithmic axis, with a little room."""
    room = 10 ** (0.04 * (math.log10(high) - math.log10(low))) if high > low else 2.0
    return [max(low / room, 1e-307), min(high * room, 1e307)]


def decades(low: float, high: float) -> list[float]:
    """Values to mark on a logarithmic axis: powers of ten, thinned to seven at most, or 1, 2, 5 for a short axis.

    >>> decades(0.03, 40), decades(0.2, 3)
    ([0.1, 1.0, 10.0], [0.2, 0.5, 1.0, 2.0])
    """
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        return [10.0**k for k in range(first, last + 1, -(-(last - first + 1) // 7))]
    fine = [m * 10.0**k for k in range(first - 1, last + 1) for m in (1, 2, 5)]
    return [float(f"{v:.6g}") for v in fine if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]


def _widened(low: float, high: float) -> list[float]:
    pad = 0.02 * (high - low) or abs(low) * 0.1 or 1.0
    return [low - pad if low < 0 or low - pad > 0 or low == high else low, high + pad]
