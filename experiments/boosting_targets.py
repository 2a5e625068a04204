"""What the trees of gradient boosting are fitted to, exactly."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.shared.stumps import RATE, ROUNDS, ROWS, STUMP, Rounds, apart, leaves, rows, staged
from jaxml import Experiment, Suite
from jaxml.learn import decision_tree, predict_tree

Case = dict[str, Any]


def targets_kept() -> Suite:
    """Is what each tree says, at any weights of the rows, a mean of the targets in its leaf?"""

    def means(f: Rounds, c: Case) -> bool:
        says, y = np.asarray(f(**c)), c["y"]
        slack = 1e-9 * (1 + np.abs(y).max())
        return all(
            bool(np.all((tree[leaf] >= y[leaf].min() - slack) & (tree[leaf] <= y[leaf].max() + slack)))
            for tree in says
            for leaf in leaves(tree)
        )

    weighted = jax.jit(
        jax.vmap(
            lambda w, X, y: predict_tree(decision_tree(None, X, y, sample_weight=w, **STUMP).params, X), (0, None, None)
        )
    )
    weights = np.array([[1.0] * ROWS, [1.0, 2.0, 3.0] * 2, [3.0, 1.0, 0.5] * 2])
    residuals: Rounds = lambda X, y: jnp.diff(staged(X, y), axis=0) / RATE  # noqa: E731
    return Suite(
        subject=residuals,
        reference=lambda X, y: weighted(weights, X, y),
        draw=rows,
        valid=apart,
        properties={"a mean of its targets": means},
        mutants={
            "the targets turned round": lambda X, y: -np.asarray(weighted(weights, X, y)),
            "twice the targets": lambda X, y: 2 * np.asarray(weighted(weights, X, y)),
            "nothing but 0": lambda X, y: np.zeros((ROUNDS, ROWS)),
        },
    )


experiment = Experiment(suites={"targets_kept": targets_kept})
