"""Whether the members of an ensemble need each other, exactly."""

from typing import Any

import jax
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import adaboost, bootstrap_weights, decision_tree, gradient_boosting, predict_tree, staged_boosted

Case = dict[str, Any]
MEMBERS, ROWS = 3, 6
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

    def draw(generator: np.random.Generator) -> Case:
        X, y = generator.normal(size=(ROWS, 1)), generator.normal(size=ROWS)
        return {"X": X, "y": y, "seeds": generator.integers(2**31, size=MEMBERS)}

    def last(f: Any, c: Case) -> tuple[Any, Any, Any]:
        apart = f(c["X"], c["y"], c["seeds"][-1:])
        return np.asarray(f(**c))[-1], np.asarray(apart)[0], 1 + np.abs(c["y"]).max()

    return Suite(
        subject=bagged,
        draw=draw,
        properties={"the last as if alone": last},
        mutants={
            "AdaBoost": boosted,
            "one generator for all members": lambda X, y, seeds: bagged(X, y, np.cumsum(seeds) % 2**31),
            "gradient boosting": jax.jit(
                lambda X, y, seeds: staged_boosted(gradient_boosting(None, X, y, rounds=len(seeds), **STUMP).params, X)
            ),
        },
    )


experiment = Experiment(suites={"alone": alone})
