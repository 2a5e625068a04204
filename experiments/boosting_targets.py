"""What the trees of gradient boosting are fitted to, how they split and how they count, exactly.

The scores of the rows are read after each round. Trees have one split, so that rows whose scores move alike lie in one
leaf.
"""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import decision_tree, gradient_boosting, predict_tree, staged_boosted

Case = dict[str, Any]
Rounds = Callable[..., Any]
ROWS, ROUNDS, RATE = 6, 3, 0.5
STUMP: dict[str, Any] = {"max_depth": 1, "missing": False}


def boosted(X: Any, y: Any, loss: Any) -> Any:
    """The scores of the rows before the first round of gradient boosting and after each, at a rate of one half."""
    options: dict[str, Any] = {"l2": 0.0, "rounds": ROUNDS, "learning_rate": RATE, "loss": loss}
    params = gradient_boosting(None, X, y, **STUMP, **options).params
    return jnp.concatenate([jnp.full((1, ROWS), params.start), staged_boosted(params, X)])


staged = jax.jit(lambda X, y: boosted(X, y, "half_squared"))
logistic = jax.jit(lambda X, y: boosted(X, y, "logistic"))


def leaves(moved: np.ndarray) -> list[np.ndarray]:
    """The rows whose scores moved alike."""
    rounded = np.round(moved, 9)
    return [rounded == value for value in np.unique(rounded)]


def rows(generator: np.random.Generator, size: int) -> Case:
    """A feature and targets."""
    return {"X": generator.normal(size=(ROWS, 1)), "y": generator.normal(size=ROWS)}


def apart(c: Case) -> bool:
    """Whether a split can part any two rows."""
    return len(set(c["X"][:, 0])) == ROWS


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
        sizes=(1,),
        properties={"a mean of its targets": means},
        mutants={
            "the targets turned round": lambda X, y: -np.asarray(weighted(weights, X, y)),
            "twice the targets": lambda X, y: 2 * np.asarray(weighted(weights, X, y)),
            "nothing but 0": lambda X, y: np.zeros((ROUNDS, ROWS)),
        },
    )


def shares(X: Any, y: Any) -> dict[str, Any]:
    """Of each tree of gradient boosting, its squared error on the residuals, and how much of it is added."""
    stages, found = np.asarray(staged(X, y)), []
    for before, after in itertools.pairwise(stages):
        tree = np.zeros(ROWS)
        for leaf in leaves(after - before):
            tree[leaf] = (y - before)[leaf].mean()
        found.append((((y - before - tree) ** 2).sum(), (after - before) @ tree / (tree @ tree)))
    return dict(zip(("error", "votes"), np.array(found).T, strict=True))


def ordered(f: Rounds, c: Case) -> bool:
    """Whether of any two rounds the learner that errs less counts more."""
    error, vote = (f(**c)[name] for name in ("error", "votes"))
    pairs = [(s, t) for s in range(ROUNDS) for t in range(ROUNDS) if error[s] < error[t] - 1e-6]
    return all(vote[s] > vote[t] + 1e-9 for s, t in pairs)


def tree_votes(*, constant: bool) -> Suite:
    """Does a tree of gradient boosting count more, the less it errs; or do all count as the learning rate says?"""
    same: Rounds = lambda f, c: (f(**c)["votes"], np.full(ROUNDS, RATE), 1e3)  # noqa: E731
    by = lambda how: lambda X, y: (found := shares(X, y)) | {"votes": how(found["error"])}  # noqa: E731
    return Suite(
        subject=shares,
        reference=None if constant else by(np.negative),
        draw=rows,
        valid=lambda c: apart(c) and np.ptp(c["y"]) > 0.1,
        sizes=(1,),
        properties={"as the rate says": same} if constant else {"who errs less counts more": ordered},
        mutants={
            "by its error": by(lambda error: error),
            "the later the less": by(lambda error: -np.arange(ROUNDS) * RATE),
            "a line search": by(np.ones_like),
        },
    )


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
        draw=lambda generator, size: (
            rows(generator, size) | {"y": generator.permutation([0.0, 1.0, *generator.integers(0, 2, ROWS - 2)])}
        ),
        valid=lambda c: apart(c) and set(c["y"].tolist()) == {0.0, 1.0},
        sizes=(1,),
        properties={"the purest two parts": least},
        mutants={
            "in halves": lambda X, y: parted(X[:, 0] > np.median(X)),
            "not at all": lambda X, y: np.zeros((ROUNDS + 1, ROWS)),
            "at the mean": lambda X, y: parted(X[:, 0] > X.mean()),
        },
    )


experiment = Experiment(
    suites={
        "targets_kept": targets_kept,
        "tree_votes": lambda: tree_votes(constant=False),
        "constant_votes": lambda: tree_votes(constant=True),
        "first_tree_by_gini": lambda: gini(rounds=1),
        "trees_by_gini": lambda: gini(rounds=2),
    }
)
