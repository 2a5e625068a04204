"""How much each tree of gradient boosting counts, exactly."""

import itertools
from typing import Any

import numpy as np

from experiments.shared.stumps import RATE, ROUNDS, ROWS, Rounds, apart, leaves, ordered, rows, staged
from jaxml import Experiment, Suite


def shares(X: Any, y: Any) -> dict[str, Any]:
    """Of each tree of gradient boosting, its squared error on the residuals, and how much of it is added."""
    stages, found = np.asarray(staged(X, y)), []
    for before, after in itertools.pairwise(stages):
        tree = np.zeros(ROWS)
        for leaf in leaves(after - before):
            tree[leaf] = (y - before)[leaf].mean()
        found.append((((y - before - tree) ** 2).sum(), (after - before) @ tree / (tree @ tree)))
    return dict(zip(("error", "votes"), np.array(found).T, strict=True))


def tree_votes(*, constant: bool) -> Suite:
    """Does a tree of gradient boosting count more, the less it errs; or do all count as the learning rate says?"""
    same: Rounds = lambda f, c: (f(**c)["votes"], np.full(ROUNDS, RATE), 1e3)  # noqa: E731
    by = lambda how: lambda X, y: (found := shares(X, y)) | {"votes": how(found["error"])}  # noqa: E731
    return Suite(
        subject=shares,
        reference=None if constant else by(np.negative),
        draw=rows,
        valid=lambda c: apart(c) and np.ptp(c["y"]) > 0.1,
        properties={"as the rate says": same} if constant else {"who errs less counts more": ordered},
        mutants={
            "by its error": by(lambda error: error),
            "the later the less": by(lambda error: -np.arange(ROUNDS) * RATE),
            "a line search": by(np.ones_like),
        },
    )


experiment = Experiment(
    suites={"tree_votes": lambda: tree_votes(constant=False), "constant_votes": lambda: tree_votes(constant=True)}
)
