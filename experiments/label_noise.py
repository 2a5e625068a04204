"""E32: do bagging and boosting weaken the harm of wrong labels?

Two classes: whether Friedman's first function of ten features lies above its median. A share `wrong` of the training
labels is flipped; errors are measured on clean rows. Models: one deep tree, one stump, one tree of depth 3, bagged deep
trees, AdaBoost on trees of depth 3. All are fitted to the same rows, so every seed compares them on the same flips.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxml import Experiment, Figure, Metric, Traced, select
from jaxml.data import friedman1
from jaxml.learn import (
    adaboost,
    bin_features,
    bootstrap_weights,
    decision_tree,
    predict_adaboost,
    predict_tree,
)


def trial(
    key: jax.Array,
    *,
    wrong: float = 0.2,
    model: Traced[Literal["deep tree", "stump", "tree of depth 3", "bagged deep trees", "AdaBoost"]] = "deep tree",
    n: int = 200,
    test_rows: int = 400,
    members: int = 50,
    rounds: int = 100,
    levels: int = 6,
) -> dict[str, Any]:
    """Fit every model to the same flipped labels; return the error of one of them."""
    data_key, flip_key, bag_key, boost_key = jax.random.split(key, 4)
    X, signal = friedman1(data_key, n=n + test_rows, noise=0.0)
    clean = (signal > jnp.median(signal)).astype(int)
    flipped = jax.random.permutation(flip_key, n).astype(float) < jnp.round(wrong * n)
    y = jnp.where(flipped, 1 - clean[:n], clean[:n])

    binned = bin_features(X[:n], bins=32, missing=False)

    def fit(
        key: jax.Array, X: Any, y: jax.Array, sample_weight: jax.Array, *, most: int = min(levels, 3), depth: Any = None
    ) -> Any:
        """A tree on the bins of the training rows, which need not be cut again for every member."""
        options: dict[str, Any] = {"classes": 2, "missing": False, "max_depth": most, "width": 32, "depth": depth}
        return decision_tree(key, binned, y, sample_weight=sample_weight, **options)

    # All deep trees at once: one on the rows as they are, a stump, one of depth 3, and the members of the bag.
    drawn = jax.vmap(bootstrap_weights, (0, None))(jax.random.split(bag_key, members), n)
    weights = jnp.concatenate([jnp.ones((3, n)), drawn])
    depths = jnp.full(3 + members, levels).at[1:3].set(jnp.asarray([1, min(levels, 3)]))
    trees = jax.vmap(lambda w, depth: fit(bag_key, None, y, w, most=levels, depth=depth).params)(weights, depths)
    shares = jax.vmap(predict_tree, (0, None))(trees, X[n:])[..., 1]
    ada = adaboost(boost_key, X[:n], y, fit=fit, predict=predict_tree, classes=2, rounds=rounds).params
    positive = {
        "deep tree": shares[0] > 0.5,
        "stump": shares[1] > 0.5,
        "tree of depth 3": shares[2] > 0.5,
        "bagged deep trees": shares[3:].mean(0) > 0.5,
        "AdaBoost": predict_adaboost(ada, X[n:], predict=predict_tree, classes=2).argmax(1) == 1,
    }
    return {"error": (select(model, positive) != (clean[n:] == 1)).mean()}


experiment = Experiment(
    trial=trial,
    metrics={"damage": Metric(lambda here, clean: here.error - clean.error, inputs={"clean": {"wrong": 0.0}})},
    figures=(
        Figure("Error that wrong training labels add on clean rows", y="damage", x="wrong", lines="model"),
        Figure("Error on clean rows", y="error", x="wrong", lines="model"),
    ),
)  # fmt: skip
