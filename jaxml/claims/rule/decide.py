"""One cell at a time is the idea; all cells of thousands of runs at once is the arithmetic."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxml.claims.rule.intervals import mean_and_sd, median_interval, union_bounds, union_tails
from jaxml.claims.rule.power import check_correction, check_looks, pocock_level, seeds_needed
from jaxml.claims.verdict import Decision, Label, Later, Verdict

FAILED_SHARE = 0.05
"""A cell with more non-finite trials than this in an arm is invalid."""

SUPPORTED, REFUTED, OPEN, INVALID = 1, -1, 0, 2
_NAMES: dict[int, Verdict] = {SUPPORTED: "supported", REFUTED: "refuted", OPEN: "inconclusive", INVALID: "invalid"}
_COLUMNS = ("estimate", "sd", "low", "high", "median", "median_low", "median_high", "probability_positive")


def decide_cells(
    theta: Any,
    *,
    margin: Any,
    looks: Sequence[int],
    alpha: float = 0.05,
    correction: Any = None,
    nonfinite: Any = None,
) -> list[Decision]:
    """Decide the primary cells of one run.

    Args:
        theta: shape (cells, n), the paired differences with the seeds in order, on the claim's scale, oriented so
            that the claim says theta > 0. A failed trial has been scored as the worst before.
        margin: delta > 0, the smallest effect of interest; a number, or one for each cell.
        looks: the declared seed counts at which the run may be judged, for example (16, 32, 64).
        alpha: two-sided error of the whole run.
        correction: n_test / n_train where the seeds are splits of one data set, a number or one for each cell
            (0 for none).
        nonfinite: which trials were not finite: a share for each cell, the larger of the two arms, shape (cells,);
            or marks for each seed, shape (cells, n) or (cells, arms, n), judged at each look by its own seeds.

    Returns:
        One `Decision` for each cell, in order.

    Raises:
        ValueError: for shapes that do not fit, a margin that is not positive, or unusable looks.

    What it is not: a test of theta = 0. An effect that is surely positive and surely below the margin is refuted.

    Reference: Holm (1979); Pocock (1977); Murphy and Myors (1999), minimum-effect tests; Schuirmann (1987), TOST.

    >>> noise = np.random.default_rng(0).normal(size=64)
    >>> cells = decide_cells(np.stack([3 + noise, noise]), margin=1.0, looks=(16, 32, 64))
    >>> [(cell.verdict, cell.label, cell.seeds) for cell in cells]
    [('supported', None, 16), ('refuted', 'null', 16)]
    """
    values = np.asarray(theta, float)
    if values.ndim != 2:
        raise ValueError(
            f"decide_cells: 'theta' must have shape (cells, n), got {values.shape}. Use theta[None] for one cell."
        )
    given = check_looks("decide_cells", looks)
    state = decide_runs(
        values[None],
        margin=margin,
        looks=given,
        alpha=alpha,
        correction=correction,
        unusable=_unusable(values, nonfinite, given)[:, None],
    )
    cells = {name: column[0] for name, column in state.items()}
    margins = np.broadcast_to(np.asarray(margin, float), len(values))
    ratios = np.broadcast_to(check_correction("decide_cells", correction), len(values))
    return [
        _decision({name: column[i] for name, column in cells.items()}, values[i], margins[i], ratios[i], given)
        for i in range(len(values))
    ]


def decide_apart(
    theta: Any, *, margin: Any, looks: Sequence[int], alpha: float = 0.05, correction: Any = None, nonfinite: Any = None
) -> dict[str, np.ndarray]:
    """Decide cells one by one, each as if it were alone: no correction for their number.

    What comes out for a cell does not depend on which others are asked, as a map that is refined needs it.

    Args:
        theta: shape (cells, n); all other arguments as `decide_cells`.

    Returns:
        Arrays of shape (cells,), as `decide_runs` names them.

    What it is not: a verdict on a claim. One cell in forty with no effect beyond the margin comes out supported.

    >>> noise = np.random.default_rng(0).normal(size=(1_000, 16))
    >>> float(np.mean(decide_apart(1 + noise, margin=1.0, looks=(16,))["verdict"] == SUPPORTED)) < 0.04
    True
    """
    values, given = np.asarray(theta, float), check_looks("decide_apart", looks)
    state = decide_runs(
        values[:, None],
        margin=np.broadcast_to(np.asarray(margin, float), len(values))[:, None],
        looks=given,
        alpha=alpha,
        correction=np.broadcast_to(check_correction("decide_apart", correction), len(values))[:, None],
        unusable=_unusable(values, nonfinite, given)[:, :, None],
    )
    return {name: column[:, 0] for name, column in state.items()}


def decide_runs(
    theta: Any,
    *,
    margin: Any,
    looks: Sequence[int],
    alpha: float = 0.05,
    correction: Any = None,
    unusable: Any = None,
) -> dict[str, np.ndarray]:
    """Decide many independent runs at once; `decide_cells` is this for one run.

    Args:
        theta: shape (runs, cells, n); Holm's procedure couples the cells of a run.
        margin: delta > 0, broadcast to (runs, cells).
        looks: declared seed counts.
        alpha: two-sided error of each run.
        correction: n_test / n_train, broadcast to (runs, cells).
        unusable: marks of shape (looks, runs, cells): the look can decide nothing about the cell.

    Returns:
        Arrays of shape (runs, cells) by name: verdict (1 supported, -1 refuted, 0 inconclusive, 2 invalid), look
        (from 1, 0 when none was reached), seeds, estimate, sd, low, high, tail_low, tail_high, median,
        median_low, median_high, probability_positive, p_support, p_refute, vetoed.

    Raises:
        ValueError: as `decide_cells`.

    >>> noise = np.random.default_rng(0).normal(size=(1000, 1, 64))
    >>> verdicts = decide_runs(noise, margin=0.5, looks=(16, 32, 64))["verdict"]
    >>> round(float(np.mean(verdicts == -1)), 2)
    0.94
    """
    values = np.asarray(theta, float)
    if values.ndim != 3 or 0 in values.shape or values.shape[-1] < 2:
        raise ValueError(
            f"decide_runs: 'theta' must have shape (runs, cells, n) with at least one cell and n >= 2 seeds, got "
            f"{values.shape}. Declare a grid, and run more seeds."
        )
    margins = np.broadcast_to(np.asarray(margin, float), values.shape[:2])
    if not np.all((margins > 0) & np.isfinite(margins)):
        raise ValueError(
            f"decide_runs: 'margin' must be positive and finite, got {margin}. State the smallest effect of interest."
        )
    ratios = np.broadcast_to(check_correction("decide_runs", correction), values.shape[:2])
    walk = _Walk(values, margins, ratios, check_looks("decide_runs", looks), alpha)
    marks = np.zeros((len(walk.looks), *walk.shape), bool) if unusable is None else np.asarray(unusable, bool)
    for k, mark in enumerate(marks[: walk.reached]):
        walk.look(k, mark)
    return walk.outcome(marks[max(walk.reached - 1, 0)])


class _Walk:
    """The runs' state as the looks go by; every array has shape (runs, cells)."""

    def __init__(
        self, values: np.ndarray, margins: np.ndarray, ratios: np.ndarray, looks: tuple[int, ...], alpha: float
    ) -> None:
        self.values, self.margins, self.ratios, self.looks, self.alpha = values, margins, ratios, looks, alpha
        self.shape = values.shape[:2]
        self.reached = sum(look <= values.shape[-1] for look in looks)
        m = self.shape[1]
        self.tails = pocock_level(looks, alpha / (m - np.arange(m))) / 2
        self.verdict = np.full(self.shape, OPEN)
        # A cell that stays open keeps the last look reached; before the first, all its seeds, for the record.
        self.at = np.full(self.shape, self.reached)
        self.seeds = np.full(self.shape, looks[self.reached - 1] if self.reached else values.shape[-1])
        self.tail_low, self.tail_high = np.full((2, *self.shape), self.tails[0])
        self.p_support, self.p_refute = np.full((2, *self.shape), np.nan)
        self.vetoed = np.zeros(self.shape, bool)

    def look(self, k: int, unusable: np.ndarray) -> None:
        """Judge the open cells at look k."""
        values = self.values[..., : self.looks[k]]
        judged = (self.verdict == OPEN) & ~unusable & np.isfinite(values).all(-1)
        rows, margin, ratio = values[judged], self.margins[judged], self.ratios[judged]
        if not len(rows):
            return
        p_values = union_tails(rows, margin, ratio)
        _, low, high = median_interval(rows, level=self.alpha, correction=ratio)
        self.p_support[judged], self.p_refute[judged] = p_values
        self.vetoed[judged] = False
        for p, contradicted, outcome, tail in (
            (p_values.above, high < margin, SUPPORTED, self.tail_low),
            (p_values.below, low >= margin, REFUTED, self.tail_high),
        ):
            self.vetoed[judged] |= contradicted & (p <= self.tails[0])
            everywhere = np.full(self.shape, np.inf)
            everywhere[judged] = np.where(contradicted, np.inf, p)
            decided, level = _step_down(everywhere, np.sum(self.verdict == outcome, -1), self.tails)
            tail[judged] = level[judged]
            self.verdict[decided], self.at[decided], self.seeds[decided] = outcome, k + 1, self.looks[k]

    def outcome(self, unusable: np.ndarray) -> dict[str, np.ndarray]:
        """Estimates and intervals from the seeds that each decision used; NaN where those are not finite."""
        seen = np.arange(self.values.shape[-1]) < self.seeds[..., None]
        broken = np.any(seen & ~np.isfinite(self.values), -1)
        verdict = np.where((self.verdict == OPEN) & (unusable | broken), INVALID, self.verdict)
        out = {name: np.full(self.shape, np.nan) for name in _COLUMNS}
        for seeds in np.unique(self.seeds[~broken]):
            here = (self.seeds == seeds) & ~broken
            rows, margin, ratio = self.values[here][:, :seeds], self.margins[here], self.ratios[here]
            low, high = union_bounds(rows, self.tail_low[here], self.tail_high[here], ratio)
            # Rounding in the inversion of a p-value must not contradict the decision taken with it.
            low = np.where(verdict[here] == SUPPORTED, np.maximum(low, margin), low)
            high = np.where(verdict[here] == REFUTED, np.minimum(high, np.nextafter(margin, 0)), high)
            columns = (
                *mean_and_sd(rows),
                *(low, high),
                *median_interval(rows, level=self.alpha, correction=ratio),
                np.mean(rows > 0, -1),
            )
            for name, column in zip(_COLUMNS, columns, strict=True):
                out[name][here] = column
        names = ("seeds", "vetoed", "tail_low", "tail_high", "p_support", "p_refute")
        return out | {name: getattr(self, name) for name in names} | {"verdict": verdict, "look": self.at}


def _step_down(p: np.ndarray, done: np.ndarray, tails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Holm's procedure along the last axis: which p-values are rejected, and each cell's own one-sided level.

    `done` of the family's hypotheses were rejected at earlier looks; `tails[j]` is the level after j rejections.
    """
    m = p.shape[-1]
    order = np.argsort(p, -1, kind="stable")
    rank = np.argsort(order, -1, kind="stable")
    own = tails[np.minimum(done[:, None] + np.arange(m), m - 1)]
    passed = np.cumprod(np.take_along_axis(p, order, -1) <= own, -1).astype(bool)
    level = np.where(passed, own, tails[np.minimum(done + passed.sum(-1), m - 1)][:, None])
    return np.take_along_axis(passed, rank, -1), np.take_along_axis(level, rank, -1)


def _unusable(values: np.ndarray, nonfinite: Any, looks: tuple[int, ...]) -> np.ndarray:
    """Marks of shape (looks, cells): too large a share of an arm's trials failed."""
    cells, n = values.shape
    marks = np.asarray(np.zeros(cells) if nonfinite is None else nonfinite)
    if marks.shape == (cells,):
        return np.broadcast_to(marks > FAILED_SHARE, (len(looks), cells))
    if marks.ndim not in (2, 3) or marks.shape[0] != cells or marks.shape[-1] != n:
        raise ValueError(
            f"decide_cells: 'nonfinite' must have shape ({cells},), ({cells}, {n}) or ({cells}, arms, {n}), got "
            f"{marks.shape}. Give a share for each cell, or a mark for each seed."
        )
    arms = marks.reshape(cells, -1, n)
    return np.stack([arms[..., :seeds].mean(-1).max(-1) > FAILED_SHARE for seeds in looks])


def _decision(
    cell: Mapping[str, Any], theta: np.ndarray, margin: float, ratio: float, looks: tuple[int, ...]
) -> Decision:
    """One cell's columns as a record with its reason."""
    known = {
        name: float(cell[name]) if np.isfinite(cell[name]) else None for name in (*_COLUMNS, "p_support", "p_refute")
    }
    verdict, level = _NAMES[int(cell["verdict"])], float(cell["tail_low"] + cell["tail_high"])
    low, high, sd = known["low"], known["high"], known["sd"]
    label: Label | None = None
    if verdict == "refuted" and low is not None and high is not None:
        label = "reversed" if high <= -margin else "null" if low > -margin else "negligible"
    needed = None
    if verdict == "inconclusive" and sd and known["estimate"] is not None:
        effect = abs(known["estimate"] - margin) / sd
        needed = seeds_needed(effect, level=2 * float(min(cell["tail_low"], cell["tail_high"])), correction=ratio)
    return Decision(
        **known,
        verdict=verdict,
        label=label,
        seeds=int(cell["seeds"]),
        look=int(cell["look"]) or None,
        level=level,
        half_width_over_margin=None if low is None or high is None else (high - low) / 2 / margin,
        seeds_needed=needed,
        reason=_reason(cell, verdict, label, margin, looks),
        later=_later(cell, theta, margin, ratio),
    )


def _later(cell: Mapping[str, Any], theta: np.ndarray, margin: float, ratio: float) -> Later | None:
    """The seeds beyond those that decided, where they do not bear the decision out."""
    seeds, verdict = int(cell["seeds"]), int(cell["verdict"])
    rest = theta[seeds:]
    if verdict not in (SUPPORTED, REFUTED) or len(rest) < 2 or not np.isfinite(rest).all():
        return None
    mean, rounding = float(rest.mean()), 1e-9 * max(margin, float(np.abs(rest).max()))
    if (mean >= margin - rounding) if verdict == SUPPORTED else (mean < margin + rounding):
        return None
    low, high = union_bounds(rest[None], cell["tail_low"], cell["tail_high"], np.asarray([ratio]))
    return Later(first=seeds + 1, last=len(theta), estimate=mean, low=float(low[0]), high=float(high[0]))


def _reason(
    cell: Mapping[str, Any], verdict: Verdict, label: Label | None, margin: float, looks: tuple[int, ...]
) -> str:
    seeds, look = int(cell["seeds"]), int(cell["look"])
    if verdict == "invalid":
        if np.isnan(cell["estimate"]):
            return f"theta is not finite in the first {seeds} seeds: score failed trials as the worst"
        return f"more than {FAILED_SHARE:.0%} of an arm's trials are not finite"
    interval = f"interval [{cell['low']:.4g}, {cell['high']:.4g}]"
    if cell["sd"] == 0:
        interval = f"all {seeds} seeds gave {cell['estimate']:.4g}, which"
    if verdict == "supported":
        return f"{interval} lies at or above the margin {margin:.4g}"
    if verdict == "refuted":
        meaning: dict[Label | None, str] = {
            "reversed": f"lies at or below -{margin:.4g}: the effect runs the other way",
            "null": f"lies within ±{margin:.4g}: no effect that matters, either way",
            "negligible": f"lies below the margin {margin:.4g}: no effect that matters in the claimed direction",
        }
        return f"{interval} {meaning[label]}"
    if not look:
        return f"{seeds} seeds, and the first declared look needs {looks[0]}"
    if cell["vetoed"]:
        return (
            f"the median's interval [{cell['median_low']:.4g}, {cell['median_high']:.4g}] contradicts the mean's "
            f"[{cell['low']:.4g}, {cell['high']:.4g}]: mend the skew by a transform of the scale"
        )
    after = "the last declared look" if look == len(looks) else f"look {look} of {len(looks)}"
    return f"{interval} holds the margin {margin:.4g} after {after} ({seeds} seeds)"
