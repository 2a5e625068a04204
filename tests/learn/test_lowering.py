"""Every learner lowers for every platform; none of those devices is needed for that."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import learn
from tests.ops import contract

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(12, 3)), jnp.float32)
TARGETS = jnp.asarray(RNG.normal(size=12), jnp.float32)
CLASSES = jnp.asarray(np.arange(12) % 2, jnp.int32)
KEY = jax.random.key(0)

FITS = {
    "least squares": lambda X, s: learn.fit_least_squares(X, TARGETS),
    "ridge": lambda X, s: learn.fit_ridge(X, TARGETS, l2=s),
    "lasso": lambda X, s: learn.fit_lasso(X, TARGETS, l1=s),
    "elastic net": lambda X, s: learn.fit_elastic_net(X, TARGETS, l1=s, l2=s),
    "huber": lambda X, s: learn.fit_huber(X, TARGETS, delta=s),
    "logistic": lambda X, s: learn.fit_logistic(X, CLASSES, l1=s),
    "softmax": lambda X, s: learn.fit_softmax(X, CLASSES, classes=2, l2=s),
    "linear SVM": lambda X, s: learn.fit_linear_svm(X, CLASSES, C=s),
    "kernel SVM": lambda X, s: learn.fit_kernel_svm(X, CLASSES, C=s),
    "LDA": lambda X, s: learn.fit_lda(X, CLASSES, classes=2, shrinkage=s),
    "tree": lambda X, s: learn.decision_tree(None, X, TARGETS, max_depth=2),
    "forest": lambda X, s: learn.random_forest(KEY, X, TARGETS, members=2, max_depth=2),
    "elimination": lambda X, s: learn.solve_positive(X.T @ X + s * jnp.eye(3), X.T),
    "boosting": lambda X, s: learn.gradient_boosting(KEY, X, TARGETS, rounds=2, max_depth=2, learning_rate=s),
}


@pytest.mark.parametrize("name", FITS)
def test_a_learner_lowers_for_every_platform(name):
    contract.lowers_everywhere(FITS[name], X, jnp.asarray(0.1))
