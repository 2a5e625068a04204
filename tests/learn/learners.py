"""Every learner on one problem of a few rows, as the contract asks for it."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxml import learn

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
ROWS = 40
# Sixteenths: features, and their shifts up to 1e6, are exact in float32, so that what changes is the learner's doing.
X = np.round(16 * RNG.normal(size=(ROWS, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 1]])) / 16
TARGETS = np.round(16 * (X @ [1.0, -0.5, 0.2] + 0.3 * RNG.normal(size=ROWS))) / 16
TWO = (TARGETS + 0.5 * RNG.normal(size=ROWS) > 0).astype(np.int32)
THREE = np.digitize(TARGETS + 0.5 * RNG.normal(size=ROWS), [-0.6, 0.6]).astype(np.int32)


def cast(y):
    """Targets in single precision, classes as 32-bit integers."""
    return y.astype(np.int32 if np.issubdtype(y.dtype, np.integer) else np.float32)


class Learner(NamedTuple):
    """How the contract calls a learner.

    Attributes:
        of: the public function.
        y: targets.
        fit: (X, y, weights, strength) -> Fit.
        predict: (params, X) -> predictions, (n,), or scores, (n, K).
        strength: names of the arguments that the strength is given to; None if the learner has none.
        units: (feature scale, target scale) -> factor of the strength that keeps its meaning.
        free: the strength at which the units of single features do not matter; None if they always do.
    """

    of: Callable
    y: np.ndarray
    fit: Callable[[Any, Any, Any, Any], Any]
    predict: Callable[[Any, Any], Any] = learn.linear_predictor
    strength: str | None = None
    units: Callable[[float, float], float] = lambda a, t: 1.0
    free: float | None = None


TREE: dict[str, Any] = {"max_depth": 2, "bins": 8}
VOTES: dict[str, Any] = {"predict": learn.predict_tree, "classes": 2}
stump = partial(learn.decision_tree, classes=2, max_depth=1, bins=8)


def boosting(y, strength=None, **options):
    """Two rounds of a loss, whose strength, if it has one, is given to an argument of this name."""

    def fit(X, y, s, v):
        chosen = options | ({strength: v} if strength else {})
        return learn.gradient_boosting(KEY, X, y, sample_weight=s, rounds=2, max_depth=1, bins=8, **chosen)

    return Learner(learn.gradient_boosting, y, fit, learn.predict_boosted, strength, free=0.3)


LEARNERS = {
    "least squares": Learner(
        learn.fit_least_squares, TARGETS, lambda X, y, s, v: learn.fit_least_squares(X, y, sample_weight=s), free=0.0
    ),
    "ridge": Learner(
        learn.fit_ridge, TARGETS, lambda X, y, s, v: learn.fit_ridge(X, y, l2=v, sample_weight=s),
        strength="l2", units=lambda a, t: a**2,
    ),
    "lasso": Learner(
        learn.fit_lasso, TARGETS, lambda X, y, s, v: learn.fit_lasso(X, y, l1=v, sample_weight=s),
        strength="l1", units=lambda a, t: a * t,
    ),
    "elastic net": Learner(
        learn.fit_elastic_net, TARGETS, lambda X, y, s, v: learn.fit_elastic_net(X, y, l1=0.0, l2=v, sample_weight=s),
        strength="l2", units=lambda a, t: a**2,
    ),
    "huber": Learner(
        learn.fit_huber, TARGETS, lambda X, y, s, v: learn.fit_huber(X, y, delta=v, sample_weight=s),
        strength="delta", units=lambda a, t: t, free=0.3,
    ),
    "logistic": Learner(
        learn.fit_logistic, TWO, lambda X, y, s, v: learn.fit_logistic(X, y, l2=v, sample_weight=s),
        strength="l2", units=lambda a, t: a**2, free=0.0,
    ),
    "softmax": Learner(
        learn.fit_softmax, THREE, lambda X, y, s, v: learn.fit_softmax(X, y, classes=3, l2=v, sample_weight=s),
        strength="l2", units=lambda a, t: a**2,
    ),
    "linear SVM": Learner(
        learn.fit_linear_svm, TWO, lambda X, y, s, v: learn.fit_linear_svm(X, y, C=v, sample_weight=s),
        strength="C", units=lambda a, t: a**-2,
    ),
    "squared hinge": Learner(
        learn.fit_linear_svm, TWO,
        lambda X, y, s, v: learn.fit_linear_svm(X, y, C=v, sample_weight=s, loss="squared_hinge"),
        strength="C", units=lambda a, t: a**-2,
    ),
    "kernel SVM": Learner(
        learn.fit_kernel_svm, TWO, lambda X, y, s, v: learn.fit_kernel_svm(X, y, C=v, sample_weight=s),
        learn.kernel_decision, strength="C",
    ),
    "kernel SVM, linear": Learner(
        learn.fit_kernel_svm, TWO, lambda X, y, s, v: learn.fit_kernel_svm(X, y, C=v, kernel="linear", sample_weight=s),
        learn.kernel_decision, strength="C", units=lambda a, t: a**-2,
    ),
    "LDA": Learner(
        learn.fit_lda, THREE, lambda X, y, s, v: learn.fit_lda(X, y, classes=3, shrinkage=v, sample_weight=s),
        learn.lda_decision, strength="shrinkage", free=0.0,
    ),
    "Fisher": Learner(
        learn.fit_fisher, TWO, lambda X, y, s, v: learn.fit_fisher(X, y, shrinkage=v, sample_weight=s),
        strength="shrinkage", free=0.0,
    ),
    "tree": Learner(
        learn.decision_tree, TARGETS,
        lambda X, y, s, v: learn.decision_tree(None, X, y, sample_weight=s, min_gain=v, **TREE),
        learn.predict_tree, strength="min_gain", units=lambda a, t: t**2, free=0.3,
    ),
    "tree of classes": Learner(
        learn.decision_tree, THREE,
        lambda X, y, s, v: learn.decision_tree(None, X, y, sample_weight=s, min_leaf_weight=v, classes=3, **TREE),
        learn.predict_tree, strength="min_leaf_weight", free=0.3,
    ),
    "forest": Learner(
        learn.random_forest, TWO,
        lambda X, y, s, v: learn.random_forest(KEY, X, y, sample_weight=s, classes=2, members=2, l2=v, **TREE),
        learn.predict_forest, strength="l2", free=0.3,
    ),
    "extra trees": Learner(
        learn.extra_trees, TARGETS,
        lambda X, y, s, v: learn.extra_trees(KEY, X, y, sample_weight=s, members=2, l2=v, **TREE),
        learn.predict_forest, strength="l2", free=0.3,
    ),
    "bagging": Learner(
        learn.bagging, TARGETS,
        lambda X, y, s, v: learn.bagging(
            KEY, X, y, fit=partial(learn.decision_tree, l2=v, **TREE), sample_weight=s, members=2
        ),
        learn.predict_forest, strength="l2", free=0.3,
    ),
    "AdaBoost": Learner(
        learn.adaboost, TWO,
        lambda X, y, s, v: learn.adaboost(
            KEY, X, y, fit=stump, sample_weight=s, learning_rate=v, rounds=3, **VOTES
        ),
        lambda params, X: learn.predict_adaboost(params, X, **VOTES), strength="learning_rate", free=0.3,
    ),
    "boosting": boosting(TARGETS, "learning_rate"),
    "boosting, absolute": boosting(TARGETS, "l2", loss="absolute"),
    "boosting, Huber": boosting(TARGETS, "delta", loss="huber")._replace(units=lambda a, t: t),
    "boosting, logistic": boosting(TWO, "subsample", loss="logistic"),
    "boosting, softmax": boosting(THREE, "learning_rate", loss="softmax", classes=3),
}  # fmt: skip
"""One entry for each program: learners whose losses or kernels are programs of their own come several times."""
