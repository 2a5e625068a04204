"""Where a run came from, in rows for the page: its grid, what it cost, what it ran on."""

import math
from collections.abc import Mapping
from typing import Any

from jaxml.claims.labels import Labels
from jaxml.claims.words import number, phrase


def grid_of(spec: Mapping[str, Any], labels: Labels) -> list[tuple[str, int, str]]:
    """Axes with their number of values and the values, those that have a name with it."""

    def shown(name: str, value: Any) -> str:
        label = labels.get(name, {}).get(value)
        return f"{label} ({number(value)})" if label else number(value)

    found = []
    for axis, points in spec.get("axes", {}).items():
        values = [
            ", ".join(shown(k, v) if len(point) == 1 else f"{phrase(k)} {shown(k, v)}" for k, v in point.items())
            for point in points
        ]
        some = values if len(values) <= 12 else [*values[:5], "…", *values[-3:]]
        found.append((phrase(axis), len(points), ("; " if any(len(p) > 1 for p in points) else ", ").join(some)))
    return found


def cost_of(cost: Mapping[str, Any], spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the run took, in the words of the page."""
    points = math.prod(len(points) for points in spec.get("axes", {}).values())
    seeds = int(spec.get("seeds", 0)) + int(spec.get("tuning_seeds", 0))
    if spec.get("without_trials"):
        return [("Trials", "none: no claim needs one")]
    found = [("Trials", f"{points * seeds:,} ({points:,} grid points × {seeds:,} seeds)")]
    names = {
        "lanes": "Lanes a chunk",
        "compiles": "Programs compiled",
        "trace_seconds": "Tracing",
        "compile_seconds": "Compiling",
        "run_seconds": "Running",
    }
    for key, value in cost.items():
        if key != "spec_sha256" and isinstance(value, (int, float, str)):
            found.append(
                (
                    names.get(key, phrase(key).capitalize()),
                    f"{number(value)} s" if key.endswith("_seconds") else number(value),
                )
            )
    return found


def flat(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values; nested ones on one line."""
    found = []
    for name, value in environment.items():
        if name == "command" or value in (None, {}, ""):
            continue
        if isinstance(value, Mapping):
            parts = [k if v is True else f"{k} {v}" for k, v in value.items() if k != "diff" and v not in (None, False)]
            value = ", ".join(parts)
        found.append((phrase(name), str(value)))
    return found
