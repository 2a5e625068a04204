"""Holm's procedure, look by look: the hypotheses of a run that share the error of one direction."""

import numpy as np

from jaxml.claims.rule.spending import look_levels

LEAST = 1e-15
"""No error is smaller, see `look_levels`."""


class Family:
    """What supports, or what refutes, the hypotheses of a run that are no controls.

    Hypotheses that are of use only together count as one: each is tested at the level of all of them, since a false
    decision needs that of the one that is false (Berger 1982).

    Attributes:
        first: one-sided level of each hypothesis at the first look.
    """

    def __init__(
        self, units: np.ndarray, alone: np.ndarray, looks: tuple[int, ...], alpha: float, shares: np.ndarray
    ) -> None:
        """`units` are numbers that rise along the hypotheses; `alone` marks those that belong to no family.

        `shares` are those of alpha at which each is tested: its p-values count as so many times as large.
        """
        starts = np.concatenate([[True], (np.diff(units) != 0) | alone[1:] | alone[:-1]])
        self.unit, self.alone = np.cumsum(starts) - 1, alone
        self.start = np.flatnonzero(starts)
        together = max(int(np.sum(~alone[self.start])), 1)
        errors = alpha / (together - np.arange(together))
        self.tails = look_levels(looks, errors) / 2
        self.weights = np.ones((len(looks), len(alone)))
        for share in np.unique(shares[shares < 1]):
            # Not simply 1 / share: of several looks, a smaller error leaves each slightly less than its share.
            own = look_levels(looks, np.maximum(share * errors, LEAST)) / 2
            self.weights[:, shares == share] = np.max(self.tails / own, axis=1, keepdims=True)
        self.first = np.where(alone, self.tails[0, -1], self.tails[0, 0]) / self.weights[0]

    def decided(self, look: int, p: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which hypotheses pass at a look, and the one-sided level of each.

        Args:
            look: from 0.
            p: p-values of what is open, shape (runs, hypotheses), infinite elsewhere.
            before: what passed at earlier looks.
        """
        tails, alone, weights = self.tails[look], self.alone, self.weights[look]
        p = p * weights
        if len(self.start) == p.shape[1]:
            worst, done = np.where(alone, np.inf, p), before & ~alone
        else:
            worst = np.maximum.reduceat(np.where(alone, np.inf, np.where(before, 0.0, p)), self.start, axis=1)
            done = np.logical_and.reduceat(before & ~alone, self.start, axis=1)
            worst = np.where(done, np.inf, worst)
        passed, level = step_down(worst, done.sum(-1), tails)
        level = level[:, self.unit]
        # The last of a family is tested at the whole error, as one that is alone.
        level = np.where(alone, tails[-1], level)
        decided = np.where(alone, p <= tails[-1], passed[:, self.unit] & np.isfinite(p) | (p <= level))
        return decided, level / weights


def step_down(p: np.ndarray, done: np.ndarray, tails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Holm's procedure along the last axis: which p-values are rejected, and each hypothesis's own one-sided level.

    `done` of the family's hypotheses were rejected at earlier looks; `tails[j]` is the level after j rejections. What
    does not belong to the family has p-value inf.

    Reference: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    last = len(tails) - 1
    order = np.argsort(p, -1, kind="stable")
    rank = np.argsort(order, -1, kind="stable")
    own = tails[np.minimum(done[:, None] + np.arange(p.shape[-1]), last)]
    passed = np.cumprod(np.take_along_axis(p, order, -1) <= own, -1).astype(bool)
    level = np.where(passed, own, tails[np.minimum(done + passed.sum(-1), last)][:, None])
    return np.take_along_axis(passed, rank, -1), np.take_along_axis(level, rank, -1)
