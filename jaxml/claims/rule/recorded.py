"""What was decided as records: the interval on the side of the claim, a label where it means something, the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxml.claims.rule.intervals import union_bounds
from jaxml.claims.rule.power import seeds_of_each
from jaxml.claims.rule.rows import COLUMNS, FAILED_SHARE, INVALID, OPEN, REFUTED, SUPPORTED
from jaxml.claims.rule.walk import Walk
from jaxml.claims.verdict import Decision, Label, Later, Row, Verdict

_NAMES: dict[int, Verdict] = {SUPPORTED: "supported", REFUTED: "refuted", OPEN: "inconclusive", INVALID: "invalid"}


@dataclass(frozen=True)
class Said:
    """How a hypothesis is worded.

    Attributes:
        kind: at_least, at_most (its rows and values were turned) or within.
        difference: theta is the difference of two arms, so that 0 means "no effect".
        names: of its rows, where it has several.
        every: all rows must hold, else any.
        censored: what is decided is the median of a theta that is known between bounds.
    """

    kind: Literal["at_least", "at_most", "within"] = "at_least"
    difference: bool = False
    names: tuple[str, ...] = ()
    every: bool = True
    censored: bool = False


def recorded(walk: Walk, said: Sequence[Said]) -> list[Decision]:
    """One record for each hypothesis of the walk's only run."""
    cells, rows = ({name: column[0] for name, column in part.items()} for part in walk.outcome())
    shown = cells["shown"]
    value, ratio = walk.values[0][shown], walk.ratios[0][shown]
    needed = _seeds_needed(cells, value, ratio, np.asarray([each.kind == "within" for each in said]))
    plain = [{name: column[i] for name, column in cells.items()} for i in range(len(said))]
    decisions = []
    for i, (cell, each) in enumerate(zip(plain, said, strict=True)):
        theta = walk.scored.low[0, shown[i], : walk.counts[i]]
        turned = cell
        if each.kind == "at_most":
            turned = _turned(cell) | {"probability_positive": np.mean(theta[: cell["seeds"]] < 0)}
        known = {name: _finite(turned[name]) for name in (*COLUMNS, "p_support", "p_refute")}
        low, high = known["low"], known["high"]
        verdict, label = _NAMES[int(cell["verdict"])], None
        if (
            verdict == "refuted"
            and each.difference
            and each.kind == "at_least"
            and low is not None
            and high is not None
        ):
            label = "reversed" if high <= -value[i] else "equivalent" if low > -value[i] else "negligible"
        first = walk.layout.first[i]
        own = range(first, first + walk.layout.count[i])
        worded = float(-value[i] if each.kind == "at_most" else value[i])
        decisions.append(
            Decision(
                **known,
                verdict=verdict,
                label=label,
                seeds=int(cell["seeds"]),
                look=int(cell["look"]) or None,
                level=float(cell["tail_low"] + cell["tail_high"]),
                half_width_over_margin=None
                if low is None or high is None or not worded
                else (high - low) / 2 / abs(worded),
                seeds_needed=needed[i],
                reason=_reason(turned, verdict, label, each, worded, walk.looks, int(shown[i] - first)),
                later=None if each.censored else _later(cell, theta, value[i], ratio[i], each.kind),
                row=int(shown[i] - first) if len(own) > 1 else None,
                rows=[_row(rows, r, each) for r in own] if len(own) > 1 else [],
            )
        )
    return decisions


def _finite(number: Any) -> float | None:
    return float(number) if np.isfinite(number) else None


def _turned(cell: dict[str, Any]) -> dict[str, Any]:
    """The columns with the sign of theta turned back."""
    swapped = {"low": "high", "high": "low", "median_low": "median_high", "median_high": "median_low"}
    turned = {name: -cell[other] for name, other in swapped.items()}
    return cell | turned | {"estimate": -cell["estimate"], "median": -cell["median"]}


def _row(rows: dict[str, np.ndarray], number: int, said: Said) -> Row:
    row = {name: column[number] for name, column in rows.items()}
    row = _turned(row) if said.kind == "at_most" else row
    return Row(**{name: _finite(row[name]) for name in ("estimate", "low", "high", "p_support", "p_refute")})


def _seeds_needed(
    cells: dict[str, np.ndarray], value: np.ndarray, ratio: np.ndarray, within: np.ndarray
) -> list[int | None]:
    """For what is open: the seeds that would decide it if the estimate is right."""
    out: list[int | None] = [None] * len(value)
    estimate, sd = cells["estimate"], cells["sd"]
    asked = np.flatnonzero((cells["verdict"] == OPEN) & (sd > 0) & np.isfinite(estimate))
    if len(asked):
        at, v, sd = np.where(within, abs(estimate), estimate)[asked], value[asked], sd[asked]
        found = seeds_of_each(
            abs(at - v) / sd,
            level=2 * np.minimum(cells["tail_low"], cells["tail_high"])[asked],
            correction=ratio[asked],
            other_sd=np.where(within[asked] & (at < v), at + v, np.inf) / sd,
        )
        for i, seeds in zip(asked, found, strict=True):
            out[i] = seeds
    return out


def _later(cell: dict[str, Any], theta: np.ndarray, value: float, ratio: float, kind: str) -> Later | None:
    """The seeds beyond those that decided, where they do not bear the decision out."""
    seeds, verdict = int(cell["seeds"]), int(cell["verdict"])
    rest = theta[seeds:]
    if verdict not in (SUPPORTED, REFUTED) or len(rest) < 2 or not np.isfinite(rest).all():
        return None
    mean, rounding = float(rest.mean()), 1e-9 * max(abs(value), float(np.abs(rest).max()))
    room = value - abs(mean) if kind == "within" else mean - value
    if room >= -rounding if verdict == SUPPORTED else room < rounding:
        return None
    ends = union_bounds(rest[None], cell["tail_low"], cell["tail_high"], np.asarray([ratio]))
    low, high = (float(end[0]) for end in ends)
    mean, low, high = (-mean, -high, -low) if kind == "at_most" else (mean, low, high)
    return Later(first=seeds + 1, last=len(theta), estimate=mean, low=low, high=high)


def _reason(
    cell: dict[str, Any],
    verdict: Verdict,
    label: Label | None,
    said: Said,
    value: float,
    looks: tuple[int, ...],
    row: int,
) -> str:
    seeds, look = int(cell["seeds"]), int(cell["look"])
    if verdict == "invalid":
        if np.isnan(cell["low"]):
            return f"theta is not finite in the first {seeds} seeds: score failed trials as the worst"
        return f"more than {FAILED_SHARE:.0%} of an arm's trials are not finite"
    if verdict == "inconclusive" and not look:
        return f"{seeds} seeds, and the first declared look needs {looks[0]}"
    interval = "the median's interval " if said.censored else "interval "
    interval += f"[{cell['low']:.4g}, {cell['high']:.4g}]"
    if cell["vetoed"] and verdict == "inconclusive":
        return (
            f"the median's interval [{cell['median_low']:.4g}, {cell['median_high']:.4g}] contradicts the mean's "
            f"[{cell['low']:.4g}, {cell['high']:.4g}]: mend the skew by a transform of the scale"
        )
    if cell["sd"] == 0:
        interval = f"all {seeds} seeds gave {cell['estimate']:.4g}, which"
    margin = f"the margin {value:.4g}" if said.difference else f"{value:.4g}"
    where = {
        ("at_least", "supported"): f"lies at or above {margin}",
        ("at_least", "refuted"): f"lies below {margin}",
        ("at_least", "inconclusive"): f"holds {margin}",
        ("at_most", "supported"): f"lies at or below {value:.4g}",
        ("at_most", "refuted"): f"lies above {value:.4g}",
        ("at_most", "inconclusive"): f"holds {value:.4g}",
        ("within", "supported"): f"lies within ±{value:.4g}",
        ("within", "refuted"): f"lies outside of ±{value:.4g}",
        ("within", "inconclusive"): f"holds an end of ±{value:.4g}",
    }[said.kind, verdict]
    labelled: dict[Label | None, str] = {
        "reversed": f"lies at or below -{value:.4g}: the effect runs the other way",
        "equivalent": f"lies within ±{value:.4g}: no effect that matters, either way",
        "negligible": f"lies below {margin}: no effect that matters in the claimed direction",
    }
    reason = f"{_which(verdict, said, row)}{interval} {labelled.get(label, where)}"
    if verdict != "inconclusive":
        return reason
    after = "the last declared look" if look == len(looks) else f"look {look} of {len(looks)}"
    return f"{reason} after {after} ({seeds} seeds)"


def _which(verdict: Verdict, said: Said, row: int) -> str:
    """Of several rows, the one on which the decision rests."""
    if len(said.names) < 2:
        return ""
    number, name = len(said.names), said.names[row]
    if said.every:
        return f"{name} does not: " if verdict == "refuted" else f"the weakest of {number}, {name}: "
    return f"{name} does: " if verdict == "supported" else f"the strongest of {number}, {name}: "
