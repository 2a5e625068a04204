"""How the trees of gradient boosting split, exactly."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.shared.stumps import ROUNDS, ROWS, STUMP, Rounds, apart, boosted, leaves, rows
from jaxml import Experiment, Suite
from jaxml.learn import decision_tree, predict_tree

Case = dict[str, Any]
logistic = jax.jit(lambda X, y: boosted(X, y, "logistic"))


@jax.jit
def by_gini(X: Any, y: Any) -> Any:
    """What a classification tree says, which splits by Gini, added in each round."""
    share = predict_tree(decision_tree(None, X, y.astype(int), classes=2, **STUMP).params, X)[:, 1]
    return jnp.arange(ROUNDS + 1.0)[:, None] * share[None]


def impurity(y: np.ndarray, parts: Iterable[np.ndarray]) -> float:
    """The Gini impurity of labels in some parts, each times its rows."""
    return sum(2 * part.sum() * y[part].mean() * (1 - y[part].mean()) for part in parts if part.any())


def gini(*, rounds: int) -> Suite:
    """Do the first trees part the rows so that the Gini impurity of their labels is least?"""

    def least(f: Rounds, c: Case) -> bool:
        x, y, stages = c["X"][:, 0], c["y"], np.asarray(f(**c))
        best = min(impurity(y, [x <= cut, x > cut]) for cut in x)
        return all(impurity(y, leaves(stages[t + 1] - stages[t])) <= best + 1e-9 for t in range(rounds))

    parted: Callable[..., Any] = lambda right: np.outer(np.arange(ROUNDS + 1), right)  # noqa: E731
    return Suite(
        subject=logistic,
        reference=by_gini if rounds > 1 else None,
        draw=lambda generator: (
            rows(generator) | {"y": generator.permutation([0.0, 1.0, *generator.integers(0, 2, ROWS - 2)])}
        ),
        valid=lambda c: apart(c) and set(c["y"].tolist()) == {0.0, 1.0},
        properties={"the purest two parts": least},
        mutants={
            "in halves": lambda X, y: parted(X[:, 0] > np.median(X)),
            "not at all": lambda X, y: np.zeros((ROUNDS + 1, ROWS)),
            "at the mean": lambda X, y: parted(X[:, 0] > X.mean()),
        },
    )


experiment = Experiment(suites={"first_tree_by_gini": lambda: gini(rounds=1), "trees_by_gini": lambda: gini(rounds=2)})
