"""How bagging puts its members together, and whether they need each other, exactly."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import (
    Tree,
    adaboost,
    bootstrap_weights,
    decision_tree,
    gradient_boosting,
    predict_forest,
    predict_tree,
    staged_boosted,
)

Case = dict[str, Any]
MEMBERS, ROWS = 3, 6


def forest(leaves: Any) -> Tree:
    """Stumps that part the line at 0, with their two leaves, (members, 2)."""
    members, slot = len(leaves), lambda *values: jnp.tile(jnp.asarray(values), (len(leaves), 1))
    value = jnp.concatenate([jnp.zeros((members, 1)), leaves], axis=1)
    nothing = jnp.zeros((members, 3))
    return Tree(slot(0, -1, -1), nothing, nothing > 0, slot(1, 0, 0), value, nothing + 1, nothing)


predicted = jax.jit(lambda leaves: predict_forest(forest(leaves), jnp.array([[-1.0], [1.0]])))


def combined() -> Suite:
    """Is a forest's prediction the mean of those of its members, each with the same weight?"""

    def later_more(leaves: Any) -> Any:
        number = np.arange(1.0, len(leaves) + 1)
        return number @ leaves / number.sum()

    size = lambda c: 1 + np.abs(c["leaves"]).max()  # noqa: E731
    return Suite(
        subject=predicted,
        draw=lambda generator, size: {"leaves": generator.normal(size=(size, 2))},
        valid=lambda c: len(c["leaves"]) >= 1,
        sizes=(1, 2, 5),
        properties={
            "the plain mean": lambda f, c: (np.asarray(f(c["leaves"])), c["leaves"].mean(0), size(c)),
            "whatever their order": lambda f, c: (f(c["leaves"]), f(c["leaves"][::-1]), size(c)),
        },
        mutants={
            "later members weigh more": later_more,
            "the first alone": lambda leaves: leaves[0],
            "the median": lambda leaves: np.median(leaves, axis=0),
            "the sum": lambda leaves: leaves.sum(0),
        },
    )


def majority() -> Suite:
    """Is the class with the larger mean probability the one for which most members are?"""

    def vote(leaves: Any) -> np.ndarray:
        return (np.asarray(leaves) > 0.5).mean(0) > 0.5

    return Suite(
        subject=lambda leaves: np.asarray(predicted(leaves)) > 0.5,
        reference=vote,
        draw=lambda generator, size: {"leaves": generator.uniform(size=(size, 2))},
        valid=lambda c: (
            len(c["leaves"]) % 2 == 1
            and bool(np.all((c["leaves"] != 0.5) & (c["leaves"] >= 0) & (c["leaves"] <= 1)))
            and bool(np.all(np.abs(c["leaves"].mean(0) - 0.5) > 1e-9))
        ),
        sizes=(1, 3, 5),
        adversarial=[{"leaves": np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])}],
        properties={"is that of the majority": lambda f, c: bool(np.all(f(c["leaves"]) == vote(c["leaves"])))},
        mutants={
            "the first alone": lambda leaves: leaves[0] > 0.5,
            "any member": lambda leaves: leaves.max(0) > 0.5,
            "all members": lambda leaves: leaves.min(0) > 0.5,
        },
    )


STUMP: dict[str, Any] = {"max_depth": 1, "missing": False}


@jax.jit
def bagged(X: Any, y: Any, seeds: Any) -> Any:
    """What each member of a bag says on the rows, (members, rows)."""

    def member(seed: Any) -> Any:
        weights = bootstrap_weights(jax.random.key(seed), ROWS)
        return predict_tree(decision_tree(None, X, y, sample_weight=weights, **STUMP).params, X)

    return jax.vmap(member)(seeds)


@jax.jit
def boosted(X: Any, y: Any, seeds: Any) -> Any:
    """What each learner of AdaBoost says."""
    fit = lambda key, X, y, sample_weight: decision_tree(  # noqa: E731
        None, X, y, sample_weight=sample_weight, classes=2, **STUMP
    )
    labels, rounds = (y > 0).astype(int), len(seeds)
    members = adaboost(
        jax.random.key(0), X, labels, fit=fit, predict=predict_tree, classes=2, rounds=rounds
    ).params.members
    return jax.vmap(predict_tree, (0, None))(members, X)[..., 1]


def alone() -> Suite:
    """Is the last member of an ensemble the same when it is fitted without the others?"""

    def draw(generator: np.random.Generator, size: int) -> Case:
        X, y = generator.normal(size=(ROWS, 1)), generator.normal(size=ROWS)
        return {"X": X, "y": y, "seeds": generator.integers(2**31, size=MEMBERS)}

    def last(f: Any, c: Case) -> tuple[Any, Any, Any]:
        apart = f(c["X"], c["y"], c["seeds"][-1:])
        return np.asarray(f(**c))[-1], np.asarray(apart)[0], 1 + np.abs(c["y"]).max()

    return Suite(
        subject=bagged,
        draw=draw,
        sizes=(1,),
        properties={"the last as if alone": last},
        mutants={
            "AdaBoost": boosted,
            "one generator for all members": lambda X, y, seeds: bagged(X, y, np.cumsum(seeds) % 2**31),
            "gradient boosting": jax.jit(
                lambda X, y, seeds: staged_boosted(gradient_boosting(None, X, y, rounds=len(seeds), **STUMP).params, X)
            ),
        },
    )


experiment = Experiment(
    suites={
        "combined": combined,
        "majority": majority,
        "alone": alone,
    }
)
