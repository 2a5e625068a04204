"""Held-out accuracy or R2 of our trees, forests and boosting beside scikit-learn's, on 20 splits that both sides share.

Run as ``python benchmarks/learn/paired_splits.py``; scikit-learn is a dependency of the project. Real data are split 70
to 30 twenty times; Friedman's problems are drawn afresh. "difference" is ours minus theirs, with the 95 % interval of
Nadeau and Bengio (2003), which allows for the overlap of splits. "agree" says whether it holds 0.
"""

import argparse
import os
import statistics

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import t as student
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import accuracy_score, r2_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from jaxml.data import friedman1, friedman2, friedman3, load_problem
from jaxml.learn import decision_tree, gradient_boosting, predict_boosted, predict_forest, predict_tree, random_forest

SPLITS, ROUNDS, MEMBERS = 20, 100, 100
TEST_TO_TRAIN = 0.3 / 0.7


def problems():
    """Name -> (whether classes, a function from the split's number to train and test rows)."""
    found = {}
    for name in ("breast_cancer", "digits", "wine", "diabetes"):
        held = load_problem(name)

        def split(seed, held=held):
            order = np.random.default_rng(seed).permutation(len(held.y))
            cut = round(0.7 * len(order))
            parts = [part[order] for part in (held.X.astype(np.float32), held.y)]
            return [part[:cut] for part in parts], [part[cut:] for part in parts]

        found[name] = (len(held.class_names) > 0, split)
    for draw in (friedman1, friedman2, friedman3):
        noise = {"friedman1": 1.0, "friedman2": 125.0, "friedman3": 0.1}[draw.__name__]

        def split(seed, draw=draw, noise=noise):
            X, y = (np.asarray(part) for part in draw(jax.random.key(seed), n=500, noise=noise)[:2])
            return [X[:350], y[:350]], [X[350:], y[350:]]

        found[draw.__name__] = (False, split)
    return found


def ours(kind, classes):
    """A compiled function (key, train X, train y, test X) -> predictions."""

    def forecast(key, X, y, X_test):
        if kind == "tree":
            scores = predict_tree(decision_tree(None, X, y, classes=classes, max_depth=6).params, X_test)
        elif kind == "forest":
            fit = random_forest(key, X, y, members=MEMBERS, classes=classes, max_depth=12, width=64)
            scores = predict_forest(fit.params, X_test)
        else:
            loss = "half_squared" if classes is None else "logistic" if classes == 2 else "softmax"
            number = classes if loss == "softmax" else None
            fit = gradient_boosting(None, X, y, loss=loss, classes=number, rounds=ROUNDS, max_depth=3)
            scores = predict_boosted(fit.params, X_test)
            if loss == "logistic":
                return (scores > 0).astype(jnp.int32)
        return scores if classes is None else scores.argmax(axis=-1)

    return jax.jit(forecast)


def theirs(kind, classes, seed):
    settings = {
        "tree": ((DecisionTreeClassifier, DecisionTreeRegressor), {"max_depth": 6}),
        "forest": ((RandomForestClassifier, RandomForestRegressor), {"n_estimators": MEMBERS}),
        "boosting": ((GradientBoostingClassifier, GradientBoostingRegressor), {"n_estimators": ROUNDS}),
    }
    (classifier, regressor), given = settings[kind]
    if kind == "forest" and classes is None:
        given = given | {"max_features": 1 / 3}  # our default for regression
    return (regressor if classes is None else classifier)(random_state=seed, **given)


def compare(kind, is_classes, split):
    """The scores of both sides on every split."""
    (_, y), _ = split(0)
    classes = int(y.max()) + 1 if is_classes else None
    score = accuracy_score if is_classes else r2_score
    forecast, pairs = ours(kind, classes), []
    for seed in range(SPLITS):
        (X, y), (X_test, y_test) = split(seed)
        targets = y.astype(np.int32 if is_classes else np.float32)
        predicted = np.asarray(
            forecast(jax.random.key(1000 + seed), jnp.asarray(X), jnp.asarray(targets), jnp.asarray(X_test))
        )
        peer = theirs(kind, classes, seed).fit(X, y).predict(X_test)
        pairs.append((score(y_test, predicted), score(y_test, peer)))
    return np.asarray(pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("tree", "forest", "boosting"), help="one learner only")
    only = parser.parse_args().only
    print(f"{len(os.sched_getaffinity(0))} cores, {SPLITS} splits; accuracy for classes, R2 for targets")
    print(f"{'learner':<9} {'problem':<14} {'ours':>7} {'sklearn':>8} {'difference':>11}  {'interval':<18} agree")
    for kind in ("tree", "forest", "boosting"):
        if only in (None, kind):
            for name, (is_classes, split) in problems().items():
                pairs = compare(kind, is_classes, split)
                gaps = pairs[:, 0] - pairs[:, 1]
                overlap = TEST_TO_TRAIN if name in ("breast_cancer", "digits", "wine", "diabetes") else 0.0
                width = student.ppf(0.975, SPLITS - 1) * statistics.stdev(gaps) * (1 / SPLITS + overlap) ** 0.5
                low, high = gaps.mean() - width, gaps.mean() + width
                means = f"{pairs[:, 0].mean():7.3f} {pairs[:, 1].mean():8.3f} {gaps.mean():+11.4f}"
                agree = "yes" if low <= 0 <= high else "better" if low > 0 else "worse"
                print(f"{kind:<9} {name:<14} {means}  {low:+.4f} .. {high:+.4f}  {agree}", flush=True)


if __name__ == "__main__":
    main()
