"""A decision tree written as the definition says, one row, one threshold and one node at a time."""

import itertools
import math

import numpy as np


def score(rows, targets, weights, l2, entropy):
    weight = sum(weights[i] for i in rows)
    sums = [sum(weights[i] * targets[i][k] for i in rows) for k in range(len(targets[0]))]
    if entropy:
        return sum(s * math.log(s / weight) for s in sums if s > 0)
    return sum(s * s for s in sums) / (weight + l2) if weight + l2 > 0 else 0.0


def thresholds(column):
    values = sorted({v for v in column if not math.isnan(v)})
    return [(a + b) / 2 for a, b in itertools.pairwise(values)] + [math.inf]


def candidates(X, rows, features):
    """Every split in the order of preference among ties: missing right, then features, then thresholds."""
    for missing_left in (False, True):
        for j in features:
            absent = {i for i in rows if math.isnan(X[i][j])}
            if missing_left and not absent:
                continue
            for t in thresholds(X[:, j]):
                left = [i for i in rows if (i in absent and missing_left) or X[i][j] <= t]
                yield j, t, left, missing_left


def middle(X, rows, weights, best):
    """Of all thresholds that part the rows with weight as the best one does, the middle one.

    Where all present entries go left, that is infinity: it parts them from the missing ones.
    """
    j, missing_left = best[0], best[3]
    active = lambda side: {i for i in side if weights[i] > 0}  # noqa: E731
    alike = [c for c in candidates(X, rows, [j]) if c[3] == missing_left and active(c[2]) == active(best[2])]
    return alike[-1] if alike[-1][1] == math.inf else alike[(len(alike) - 1) // 2]


def grow(X, targets, weights, *, depth, l2=0.0, min_leaf_weight=0.0, min_gain=0.0, entropy=False, rows=None):
    """Leaf value of every row and the gains of all splits."""
    rows = list(range(len(X))) if rows is None else rows
    active = [i for i in rows if weights[i] > 0]
    weight = sum(weights[i] for i in active)
    value = np.array([sum(weights[i] * targets[i][k] for i in active) for k in range(len(targets[0]))])
    leaf = dict.fromkeys(rows, value / (weight + l2))
    best, best_gain = None, -math.inf
    if depth > 0:
        for candidate in candidates(X, rows, range(X.shape[1])):
            left = set(candidate[2])
            sides = [[i for i in active if (i in left) == goes_left] for goes_left in (True, False)]
            if any(not side or sum(weights[i] for i in side) < min_leaf_weight for side in sides):
                continue
            parts = [score(side, targets, weights, l2, entropy) for side in sides]
            gain = sum(parts) - score(active, targets, weights, l2, entropy)
            if gain > best_gain + 1e-9:
                best, best_gain = candidate, gain
    if best is None or best_gain <= min_gain + 1e-9:
        return leaf, []
    gains = [(best[0], best_gain)]
    left = middle(X, rows, weights, best)[2]
    for side in (left, [i for i in rows if i not in set(left)]):
        rules = {"l2": l2, "min_leaf_weight": min_leaf_weight, "min_gain": min_gain, "entropy": entropy}
        below, more = grow(X, targets, weights, depth=depth - 1, rows=side, **rules)
        leaf |= below
        gains += more
    return leaf, gains
