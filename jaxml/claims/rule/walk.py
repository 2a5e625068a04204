"""The looks go by: what is decided at each, for all hypotheses of thousands of runs at once.

A hypothesis is made of rows, each the theta of all seeds in order. A row is *at least* a value, or *within* plus or
minus a value; "at most" is "at least" with both signs turned, before it comes here. A row's two p-values, of what
supports it and of what refutes it, become the hypothesis's: *every* row must hold, or *any* one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxml.claims.rule.family import Family
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
        alone: it is decided as if there were no others: a control, a cell of a map.
        support: which hypotheses are of use only if all of them are supported, as those of a claim about all cells:
            numbers that rise along the hypotheses, the same for those that belong together. They count as one.
        refute: likewise for refutation, as those of a claim about some cell.
    """

    count: np.ndarray
    within: np.ndarray
    every: np.ndarray
    alone: np.ndarray
    support: np.ndarray
    refute: np.ndarray

    @classmethod
    def single(cls, cells: int, *, alone: bool = False) -> "Layout":
        """One row for each hypothesis, at least a margin."""
        no, yes, own = np.zeros(cells, bool), np.ones(cells, bool), np.arange(cells)
        return cls(np.ones(cells, int), within=no, every=yes, alone=yes if alone else no, support=own, refute=own)

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
        shares: np.ndarray | None = None,
    ) -> None:
        self.scored, self.layout, self.values, self.ratios = scored, layout, values, ratios
        self.looks, self.alpha = looks, alpha
        self.shape = (len(scored.low), len(layout.count))
        self.within = np.broadcast_to(layout.within[layout.owner], scored.mended.shape)
        most = scored.low.shape[-1]
        self.counts = np.full(self.shape[1], most) if counts is None else counts
        """The seeds of each hypothesis; the rest of its rows is padding."""
        self.reached = np.sum(np.asarray(looks)[:, None] <= self.counts, 0)
        shares = np.ones(self.shape[1]) if shares is None else shares
        self.families = [Family(units, layout.alone, looks, alpha, shares) for units in (layout.support, layout.refute)]
        self.verdict = np.full(self.shape, OPEN)
        # What stays open keeps the last look reached; before the first, all its seeds, for the record.
        self.at = np.full(self.shape, self.reached)
        self.seeds = np.full(self.shape, np.where(self.reached, np.asarray(looks)[self.reached - 1], self.counts))
        self.tail_low, self.tail_high = (np.full(self.shape, family.first) for family in self.families)
        self.p_support, self.p_refute = np.full((2, *self.shape), np.nan)
        self.row_support, self.row_refute = np.full((2, *scored.mended.shape), np.nan)
        self.unusable = np.zeros(self.shape, bool)

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
        known = self.scored.known[..., : self.looks[k]]
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
        for p, outcome, tail, family in (
            (support, SUPPORTED, self.tail_low, self.families[0]),
            (refute, REFUTED, self.tail_high, self.families[1]),
        ):
            decided, level = family.decided(k, np.where(judged, p, np.inf), self.verdict == outcome)
            tail[judged] = level[judged]
            self.verdict[decided], self.at[decided], self.seeds[decided] = outcome, k + 1, self.looks[k]

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
        cells |= {name: getattr(self, name) for name in ("seeds", "p_support", "p_refute")}
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


def _combined(layout: Layout, p: np.ndarray, *, every: np.ndarray) -> np.ndarray:
    """The hypotheses' p-values from their rows': the largest where every row must pass, else K times the smallest.

    Reference: Berger (1982), intersection-union tests; Bonferroni for the union.
    """
    if len(layout.owner) == len(layout.count):
        return p
    return np.where(every, layout.largest(p), np.minimum(1.0, layout.count * layout.smallest(p)))
