"""Arrays of single rows, each the difference of two arms against its margin: cells of a run, of a map, of many runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxml.claims.rule.looks import check_looks, looks_of
from jaxml.claims.rule.power import check_correction
from jaxml.claims.rule.recorded import Said, recorded
from jaxml.claims.rule.rows import FAILED_SHARE, score, too_many
from jaxml.claims.rule.walk import Layout, Walk
from jaxml.claims.verdict import Decision


def decide_cells(
    theta: Any,
    *,
    margin: Any,
    looks: Sequence[int],
    alpha: float = 0.05,
    correction: Any = None,
    nonfinite: Any = None,
    compared: bool = True,
    span: tuple[float, float] | None = None,
) -> list[Decision]:
    """Decide the primary cells of one run; `hypothesis.decide` does it for every region and combination.

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
        compared: theta is the difference of two arms; else a quantity, whose margin need not be positive.
        span: the lowest and the highest value that theta can take, where it is bounded.

    Returns:
        One `Decision` for each cell, in order.

    Raises:
        ValueError: for shapes that do not fit, a margin that is not positive, or unusable looks.

    Note: not a test of theta = 0. An effect that is surely positive and surely below the margin is refuted.

    Reference: Holm (1979); Lan and DeMets (1983); Murphy and Myors (1999), minimum-effect tests; Schuirmann (1987).

    >>> noise = np.random.default_rng(0).normal(size=64)
    >>> cells = decide_cells(np.stack([3 + noise, noise]), margin=1.0, looks=(16, 32, 64))
    >>> [(cell.verdict, cell.label, cell.seeds) for cell in cells]
    [('supported', None, 16), ('refuted', 'equivalent', 16)]
    """
    values = np.asarray(theta, float)
    if values.ndim != 2:
        raise ValueError(
            f"decide_cells: 'theta' must have shape (cells, n), got {values.shape}. Use theta[None] for one cell."
        )
    given = looks_of(check_looks("decide_cells", looks), len(values))
    walk = walked(
        values[None],
        Layout.single(len(values)),
        margin=_margins("decide_cells", margin, compared),
        looks=given,
        alpha=alpha,
        correction=correction,
        unusable=_unusable(values, nonfinite, given)[:, None],
        span=span,
    )
    return recorded(walk, [Said(difference=compared)] * len(values))


def decide_apart(
    theta: Any,
    *,
    margin: Any,
    looks: Sequence[int],
    alpha: float = 0.05,
    correction: Any = None,
    nonfinite: Any = None,
    compared: bool = True,
    span: tuple[float, float] | None = None,
) -> dict[str, np.ndarray]:
    """Decide cells one by one, each as if it were alone: no correction for their number.

    What comes out for a cell does not depend on which others are asked, as a map that is refined needs it.

    Args:
        theta: shape (cells, n); all other arguments as `decide_cells`.

    Returns:
        Arrays of shape (cells,), as `decide_runs` names them.

    Note: not a verdict on a claim. One cell in forty with no effect beyond the margin comes out supported.

    >>> noise = np.random.default_rng(0).normal(size=(1_000, 16))
    >>> float(np.mean(decide_apart(1 + noise, margin=1.0, looks=(16,))["verdict"] == 1)) < 0.04
    True
    """
    values, given = np.asarray(theta, float), check_looks("decide_apart", looks)
    walk = walked(
        values[None],
        Layout.single(len(values), alone=True),
        margin=_margins("decide_apart", margin, compared),
        looks=given,
        alpha=alpha,
        correction=correction,
        unusable=_unusable(values, nonfinite, given)[:, None],
        span=span,
    )
    found = {name: column[0] for name, column in walk.outcome()[0].items()}
    return found | {name: np.where(np.isinf(found[name]), np.nan, found[name]) for name in ("low", "high")}


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
        median_low, median_high, probability_positive, p_support, p_refute, shown.

    Raises:
        ValueError: as `decide_cells`.

    >>> noise = np.random.default_rng(0).normal(size=(1000, 1, 64))
    >>> verdicts = decide_runs(noise, margin=0.5, looks=(16, 32, 64))["verdict"]
    >>> round(float(np.mean(verdicts == -1)), 2)
    0.94
    """
    values = np.asarray(theta, float)
    walk = walked(
        values,
        None,
        margin=_margins("decide_runs", margin, True),
        looks=looks_of(check_looks("decide_runs", looks), values.shape[1] if values.ndim == 3 else 1),
        alpha=alpha,
        correction=correction,
        unusable=unusable,
    )
    return walk.outcome()[0]


def walked(
    values: np.ndarray,
    layout: Layout | None,
    *,
    margin: Any,
    looks: tuple[int, ...],
    alpha: float = 0.05,
    correction: Any = None,
    unusable: Any = None,
    upper: np.ndarray | None = None,
    span: tuple[float, float] | None = None,
) -> Walk:
    """Take many runs through all looks that the seeds reach; its `verdict` costs less than its `outcome()`.

    Args:
        values: theta by rows, shape (runs, rows, n).
        layout: which rows make up which hypothesis; None where each has one.
        margin: the rows' values, broadcast to (runs, rows).
        looks: as `check_looks` returns them.
        alpha: two-sided error of each run.
        correction: n_test / n_train, broadcast to (runs, rows).
        unusable: marks of shape (looks, runs, hypotheses).
        upper: upper bounds of the rows, of which `values` are then the lower ones; None where theta is known.
        span: the range of theta, where it is bounded.
    """
    if values.ndim != 3 or 0 in values.shape or values.shape[-1] < 2:
        raise ValueError(
            f"decide_runs: 'theta' must have shape (runs, cells, n) with at least one cell and n >= 2 seeds, got "
            f"{values.shape}. Declare a grid, and run more seeds."
        )
    margins = np.broadcast_to(np.asarray(margin, float), values.shape[:2])
    layout = layout or Layout.single(values.shape[1])
    ratios = np.broadcast_to(check_correction("decide_runs", correction), values.shape[:2])
    ends = None if span is None else np.broadcast_to(np.reshape(span, (2, 1, 1)), (2, *values.shape[:2])).astype(float)
    scored = score(values, None, layout.within[layout.owner], looks[0], upper, ends)
    return Walk(scored, layout, margins, ratios, looks, alpha).through(unusable)


def _margins(where: str, margin: Any, compared: bool) -> Any:
    values = np.asarray(margin, float)
    if not np.isfinite(values).all() or (compared and not (values > 0).all()):
        raise ValueError(
            f"{where}: 'margin' must be positive and finite, got {margin}. State the smallest effect of interest."
        )
    return values


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
    return too_many(marks.reshape(cells, -1, n), looks)
