"""The looks go by: what is decided at each, for all hypotheses of thousands of runs at once.

A hypothesis is made of rows, each the theta of all seeds in order. A row is *at least* a value, or *within* plus or
minus a value; "at most" is "at least" with both signs turned, before it comes here. A row's two p-values, of what
supports it and of what refutes it, become the hypothesis's: *every* row must hold, or *any* one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxml.claims.rule.intervals import median_interval
from jaxml.claims.rule.power import pocock_level
from jaxml.claims.rule.rows import (
    COLUMNS,
    INVALID,
    OPEN,
    REFUTED,
    SUPPORTED,
    Scored,
    agreeing,
    known_of,
    row_tails,
)


@dataclass(frozen=True)
class Layout:
    """Which rows belong to which hypothesis, the same in each run; every array has one entry for each hypothesis.

    Attributes:
        count: its rows, which lie side by side.
        within: its rows are to lie within plus or minus their value, else at or above it.
        every: every row must hold, else any one.
        compared: theta is the difference of two arms, so that the median may veto what the mean says.
        alone: it is decided as if there were no others: a control, a cell of a map.
    """

    count: np.ndarray
    within: np.ndarray
    every: np.ndarray
    compared: np.ndarray
    alone: np.ndarray

    @classmethod
    def single(cls, cells: int, *, alone: bool = False, compared: bool = True) -> "Layout":
        """One row for each hypothesis, at least a margin: by default the difference of two arms."""
        no, yes = np.zeros(cells, bool), np.ones(cells, bool)
        marks = {"compared": yes if compared else no, "alone": yes if alone else no}
        return cls(np.ones(cells, int), within=no, every=yes, **marks)

    @cached_property
    def first(self) -> np.ndarray:
        """The first row of each hypothesis."""
        return np.cumsum(self.count) - self.count

    @cached_property
    def owner(self) -> np.ndarray:
        """The hypothesis of each row."""
        return np.repeat(np.arange(len(self.count)), self.count)

    def largest(self, rows: np.ndarray) -> np.ndarray:
        """Shape (runs, rows) to (runs, hypotheses)."""
        return np.maximum.reduceat(rows, self.first, axis=1)

    def smallest(self, rows: np.ndarray) -> np.ndarray:
        """Shape (runs, rows) to (runs, hypotheses)."""
        return np.minimum.reduceat(rows, self.first, axis=1)

    def where(self, rows: np.ndarray, *, largest: np.ndarray) -> np.ndarray:
        """The row of each hypothesis with the largest p-value, or with the smallest: the first of them."""
        extreme = np.where(largest, self.largest(rows), self.smallest(rows))
        numbers = np.where(rows == extreme[:, self.owner], np.arange(rows.shape[1]), rows.shape[1])
        found = self.smallest(numbers)
        return np.where(found < rows.shape[1], found, self.first)  # without p-values, before the first look


class Walk:
    """The state as the looks go by; arrays have shape (runs, hypotheses), or (runs, rows) where they say so."""

    def __init__(
        self,
        scored: Scored,
        layout: Layout,
        values: np.ndarray,
        ratios: np.ndarray,
        looks: tuple[int, ...],
        alpha: float,
        counts: np.ndarray | None = None,
    ) -> None:
        self.scored, self.layout, self.values, self.ratios = scored, layout, values, ratios
        self.looks, self.alpha = looks, alpha
        self.shape = (len(scored.low), len(layout.count))
        self.within = np.broadcast_to(layout.within[layout.owner], scored.mended.shape)
        most = scored.low.shape[-1]
        self.counts = np.full(self.shape[1], most) if counts is None else counts
        """The seeds of each hypothesis; the rest of its rows is padding."""
        self.reached = np.sum(np.asarray(looks)[:, None] <= self.counts, 0)
        together = max(int(np.sum(~layout.alone)), 1)
        self.tails = pocock_level(looks, alpha / (together - np.arange(together))) / 2
        self.verdict = np.full(self.shape, OPEN)
        # What stays open keeps the last look reached; before the first, all its seeds, for the record.
        self.at = np.full(self.shape, self.reached)
        self.seeds = np.full(self.shape, np.where(self.reached, np.asarray(looks)[self.reached - 1], self.counts))
        self.tail_low, self.tail_high = np.full((2, *self.shape), np.where(layout.alone, self.tails[-1], self.tails[0]))
        self.p_support, self.p_refute = np.full((2, *self.shape), np.nan)
        self.row_support, self.row_refute = np.full((2, *scored.mended.shape), np.nan)
        self.vetoed, self.unusable = np.zeros((2, *self.shape), bool)

    def through(self, unusable: np.ndarray | None = None) -> "Walk":
        """Judge at each look that the seeds reach.

        Args:
            unusable: marks of shape (looks, runs, hypotheses): the look can decide nothing about the hypothesis.
        """
        marks = np.zeros((len(self.looks), *self.shape), bool) if unusable is None else np.asarray(unusable, bool)
        for k, mark in enumerate(marks[: max(self.reached, default=0)]):
            self._look(k, mark)
        self.unusable = np.take_along_axis(marks, np.maximum(self.reached - 1, 0)[None, None], 0)[0]
        return self

    def _look(self, k: int, unusable: np.ndarray) -> None:
        """Judge what is open at look k."""
        layout = self.layout
        low, known = (each[..., : self.looks[k]] for each in (self.scored.low, self.scored.known))
        judged = (self.verdict == OPEN) & ~unusable & (k < self.reached) & layout.smallest(np.asarray(known.all(-1)))
        rows = judged[:, layout.owner]
        if not judged.any():
            return
        self.row_support[rows], self.row_refute[rows] = row_tails(
            self.scored.part(rows, self.looks[k]), self.within[rows], self.values[rows], self.ratios[rows]
        )
        support = _combined(layout, self.row_support, every=layout.every)
        refute = _combined(layout, self.row_refute, every=~layout.every)
        self.p_support[judged], self.p_refute[judged] = support[judged], refute[judged]
        self.vetoed[judged] = False
        for p, contradicted, outcome, tail in (
            (support, self._contradicted(judged, low, SUPPORTED), SUPPORTED, self.tail_low),
            (refute, self._contradicted(judged, low, REFUTED), REFUTED, self.tail_high),
        ):
            self.vetoed |= contradicted & (p <= np.where(layout.alone, self.tails[-1], self.tails[0]))
            decided, level = self._decided(np.where(judged & ~contradicted, p, np.inf), self.verdict == outcome)
            tail[judged] = level[judged]
            self.verdict[decided], self.at[decided], self.seeds[decided] = outcome, k + 1, self.looks[k]

    def _contradicted(self, judged: np.ndarray, values: np.ndarray, outcome: int) -> np.ndarray:
        """Where the median's interval lies on the other side of the value."""
        here, first = judged & self.layout.compared, self.layout.first
        out = np.zeros(self.shape, bool)
        if here.any():
            ratio, value = self.ratios[:, first][here], self.values[:, first][here]
            _, low, high = median_interval(values[:, first][here], level=self.alpha, correction=ratio)
            out[here] = high < value if outcome == SUPPORTED else low >= value
        return out

    def _decided(self, p: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which p-values are small enough, and the one-sided level of each."""
        alone = self.layout.alone
        passed, level = step_down(np.where(alone, np.inf, p), np.sum(before & ~alone, -1), self.tails)
        # The last of a family is tested at the whole error, as one that is alone.
        return np.where(alone, p <= self.tails[-1], passed), np.where(alone, self.tails[-1], level)

    def outcome(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """What is known of each hypothesis, by the row on which it rests, and of each row.

        Estimates and intervals are from the seeds that the decision used; NaN where those are not finite.
        """
        layout, scored = self.layout, self.scored
        used = np.arange(scored.low.shape[-1]) < self.seeds[:, layout.owner, None]
        broken = layout.largest(np.any(used & ~scored.known, -1))
        verdict = np.where((self.verdict == OPEN) & (self.unusable | broken), INVALID, self.verdict)
        # "All" rests on its weakest row and falls with the one that surely fails; "any" mirrors it.
        weakest = layout.where(self.row_support, largest=layout.every)
        worst = layout.where(self.row_refute, largest=~layout.every)
        shown = np.where(verdict == REFUTED, worst, weakest)
        rests = np.arange(scored.low.shape[1]) == shown[:, layout.owner]
        said = verdict[:, layout.owner]
        levels = self._row_levels(verdict)
        rows = {name: np.full(scored.mended.shape, np.nan) for name in COLUMNS}
        for seeds in np.unique(self.seeds[~broken]):
            here = ((self.seeds == seeds) & ~broken)[:, layout.owner]
            ratio, within = self.ratios[here], self.within[here]
            part = scored.part(here, seeds)
            sides = [each[here] for each in levels]
            columns = known_of(part, within, said[here] == REFUTED, sides, ratio, alpha=self.alpha)
            columns["low"], columns["high"] = agreeing(
                columns["low"],
                columns["high"],
                verdict=np.where(rests[here] & np.isfinite(self.row_support[here]), said[here], INVALID),
                value=self.values[here],
                within=within,
                right=np.where(part.censored, columns["low"] > 0, columns["estimate"] > 0),
            )
            for name, column in columns.items():
                rows[name][here] = column
        rows |= {"p_support": self.row_support, "p_refute": self.row_refute}
        rows |= {"tail_low": levels[0], "tail_high": levels[1]}
        cells = {name: np.take_along_axis(column, shown, 1) for name, column in rows.items()}
        cells |= {name: getattr(self, name) for name in ("seeds", "vetoed", "p_support", "p_refute")}
        return cells | {"verdict": verdict, "look": self.at, "shown": shown}, rows

    def _row_levels(self, verdict: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One-sided error of each row's ends: where one of K rows decides, each is tested at a K-th of the level."""
        every, count, owner = self.layout.every, self.layout.count, self.layout.owner
        support = np.where(every, self.tail_low, self.tail_low / count)[:, owner]
        refute = np.where(every, self.tail_high / count, self.tail_high)[:, owner]
        # "Within" is supported by both ends and refuted by either: both are drawn at the level of what was decided.
        both = np.where(verdict == SUPPORTED, 1, np.where(verdict == REFUTED, -1, 0))[:, owner]
        both = np.where(both == 1, support, np.where(both == -1, refute, np.minimum(support, refute)))
        return np.where(self.within, both, support), np.where(self.within, both, refute)


def step_down(p: np.ndarray, done: np.ndarray, tails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Holm's procedure along the last axis: which p-values are rejected, and each hypothesis's own one-sided level.

    `done` of the family's hypotheses were rejected at earlier looks; `tails[j]` is the level after j rejections. What
    does not belong to the family has p-value inf.
    """
    last = len(tails) - 1
    order = np.argsort(p, -1, kind="stable")
    rank = np.argsort(order, -1, kind="stable")
    own = tails[np.minimum(done[:, None] + np.arange(p.shape[-1]), last)]
    passed = np.cumprod(np.take_along_axis(p, order, -1) <= own, -1).astype(bool)
    level = np.where(passed, own, tails[np.minimum(done + passed.sum(-1), last)][:, None])
    return np.take_along_axis(passed, rank, -1), np.take_along_axis(level, rank, -1)


def _combined(layout: Layout, p: np.ndarray, *, every: np.ndarray) -> np.ndarray:
    """The hypotheses' p-values from their rows': the largest where every row must pass, else K times the smallest.

    Reference: Berger (1982), intersection-union tests; Bonferroni for the union.
    """
    if len(layout.owner) == len(layout.count):
        return p
    return np.where(every, layout.largest(p), np.minimum(1.0, layout.count * layout.smallest(p)))
