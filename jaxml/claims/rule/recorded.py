"""What was decided as records: the interval on the side of the claim, a label where it means something, the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxml.claims.rule.bounded import off_the_mode
from jaxml.claims.rule.power import seeds_of_each
from jaxml.claims.rule.primary import ends, too_few
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
    value, ratio, span = walk.values[0][shown], walk.ratios[0][shown], walk.scored.span[:, 0, shown]
    theta = walk.scored.low[0, shown]
    kinds, censored = np.asarray([each.kind for each in said]), np.asarray([each.censored for each in said])
    off = _off_the_mode(theta, cells["seeds"], censored | np.isfinite(span[0]))
    cells["needed"] = _seeds_needed(cells, np.where(off >= 0, np.nan, value), ratio, kinds == "within")
    cells["contradicted"] = ~censored & _contradicted(cells, theta, walk.counts, value, kinds == "within")
    turned = _turned(cells, theta, kinds == "at_most")
    known = {name: _plain(turned[name]) for name in (*COLUMNS, "p_support", "p_refute")}
    plain = [dict(zip(turned, row, strict=True)) for row in zip(*(c.tolist() for c in turned.values()), strict=True)]
    decisions = []
    for i, (cell, each) in enumerate(zip(plain, said, strict=True)):
        held = {name: column[i] for name, column in known.items()}
        low, high, verdict = held["low"], held["high"], _NAMES[cell["verdict"]]
        label = _label(verdict, each, low, high, float(value[i]))
        first, count = walk.layout.first[i], walk.layout.count[i]
        row = int(shown[i] - first)
        worded = float(-value[i] if each.kind == "at_most" else value[i])
        known_width = None if low is None or high is None or not worded else (high - low) / 2 / abs(worded)
        later = None
        if cell["contradicted"]:
            later = _later(cell, theta[i, : walk.counts[i]], ratio[[i]], span[:, [i]], each.kind)
        decisions.append(
            Decision(
                **held,
                verdict=verdict,
                label=label,
                seeds=cell["seeds"],
                look=cell["look"] or None,
                level=cell["tail_low"] + cell["tail_high"],
                half_width_over_margin=known_width,
                seeds_needed=cell["needed"] or None,
                reason=_reason(cell, verdict, label, each, worded, walk.looks, row, int(off[i])),
                later=later,
                row=row if count > 1 else None,
                rows=[_row(rows, r, each) for r in range(first, first + count)] if count > 1 else [],
            )
        )
    return decisions


def _label(verdict: Verdict, said: Said, low: float | None, high: float | None, value: float) -> Label | None:
    if verdict != "refuted" or not said.difference or said.kind != "at_least" or low is None or high is None:
        return None
    return "reversed" if high <= -value else "equivalent" if low > -value else "negligible"


def _finite(number: Any) -> float | None:
    return float(number) if np.isfinite(number) else None


def _plain(column: np.ndarray) -> list[float | None]:
    return [
        value if known else None for value, known in zip(column.tolist(), np.isfinite(column).tolist(), strict=True)
    ]


def _turned(cells: dict[str, np.ndarray], theta: np.ndarray, turn: np.ndarray) -> dict[str, np.ndarray]:
    """The columns with the sign of theta turned back where "at most" is meant."""
    if not turn.any():
        return cells
    swapped = {"low": "high", "high": "low", "median_low": "median_high", "median_high": "median_low"}
    found = {name: np.where(turn, -cells[other], cells[name]) for name, other in swapped.items()}
    found |= {name: np.where(turn, -cells[name], cells[name]) for name in ("estimate", "median")}
    used = np.arange(theta.shape[1]) < cells["seeds"][:, None]
    above = np.sum((theta < 0) & used, -1) / np.maximum(cells["seeds"], 1)
    return cells | found | {"probability_positive": np.where(turn, above, cells["probability_positive"])}


def _turned_row(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"low": -row["high"], "high": -row["low"], "estimate": -row["estimate"]}


def _row(rows: dict[str, np.ndarray], number: int, said: Said) -> Row:
    row = {name: column[number] for name, column in rows.items()}
    row = _turned_row(row) if said.kind == "at_most" else row
    return Row(**{name: _finite(row[name]) for name in ("estimate", "low", "high", "p_support", "p_refute")})


def _seeds_needed(cells: dict[str, np.ndarray], value: np.ndarray, ratio: np.ndarray, within: np.ndarray) -> np.ndarray:
    """For what is open: the seeds that would decide it if the estimate is right; 0 where there is no answer."""
    out = np.zeros(len(value), int)
    estimate, sd = cells["estimate"], cells["sd"]
    asked = np.flatnonzero((cells["verdict"] == OPEN) & (sd > 0) & np.isfinite(estimate) & np.isfinite(value))
    if len(asked):
        at, v, sd = np.where(within, abs(estimate), estimate)[asked], value[asked], sd[asked]
        found = seeds_of_each(
            abs(at - v) / sd,
            level=2 * np.minimum(cells["tail_low"], cells["tail_high"])[asked],
            correction=ratio[asked],
            other_sd=np.where(within[asked] & (at < v), at + v, np.inf) / sd,
        )
        out[asked] = [seeds or 0 for seeds in found]
    return out


def _off_the_mode(theta: np.ndarray, seeds: np.ndarray, known: np.ndarray) -> np.ndarray:
    """How many seeds differ from the most frequent value, where they are too few to say anything; else -1."""
    out = np.full(len(theta), -1)
    for number in np.unique(seeds[seeds > 1]):
        here = np.flatnonzero((seeds == number) & ~known & np.isfinite(theta[:, :number]).all(-1))
        rows = theta[here, :number]
        few = too_few(rows)
        out[here[few]] = off_the_mode(rows[few])
    return out


def _contradicted(
    cells: dict[str, np.ndarray], theta: np.ndarray, counts: np.ndarray, value: np.ndarray, within: np.ndarray
) -> np.ndarray:
    """Where the mean of the seeds beyond those that decided lies on the other side of the margin."""
    place, seeds, verdict = np.arange(theta.shape[1]), cells["seeds"], cells["verdict"]
    rest = (place >= seeds[:, None]) & (place < counts[:, None])
    later, number = np.where(rest, theta, 0.0), rest.sum(-1)
    asked = np.isin(verdict, (SUPPORTED, REFUTED)) & (number >= 2) & np.isfinite(later).all(-1)
    mean = np.where(asked, later.sum(-1), 0.0) / np.maximum(number, 1)
    rounding = 1e-9 * np.maximum(abs(value), np.abs(np.where(asked[:, None], later, 0.0)).max(-1))
    room = np.where(within, value - abs(mean), mean - value)
    return asked & np.where(verdict == SUPPORTED, room < -rounding, room >= rounding)


def _later(cell: dict[str, Any], theta: np.ndarray, ratio: np.ndarray, span: np.ndarray, kind: str) -> Later | None:
    """The seeds beyond those that decided."""
    seeds = cell["seeds"]
    rest = theta[None, seeds:]
    tail_low, tail_high = (np.asarray([cell[name]]) for name in ("tail_low", "tail_high"))
    low, high = (float(end[0]) for end in ends(rest, tail_low, tail_high, ratio, span))
    if not np.isfinite(low):
        return None
    mean = float(rest.mean())
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
    off: int,
) -> str:
    seeds, look, silent = int(cell["seeds"]), int(cell["look"]), off >= 0
    if verdict == "invalid":
        if np.isnan(cell["low"]):
            return f"theta is not finite in the first {seeds} seeds: score failed trials as the worst"
        return f"more than {FAILED_SHARE:.0%} of an arm's trials are not finite"
    if verdict == "inconclusive" and not look:
        return f"{seeds} seeds, and the first declared look needs {looks[0]}"
    interval = "the median's interval " if said.censored else "interval "
    interval += f"[{cell['low']:.4g}, {cell['high']:.4g}]"
    if silent and verdict == "inconclusive":
        differ = (
            f"only {off} of {seeds} seeds differ from the most frequent value" if off else f"all {seeds} seeds agree"
        )
        return f"{differ}, which says nothing of rarer ones: declare the metric's range, or decide a number"
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
