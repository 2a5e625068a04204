"""E20, E23: what does bagging do to bias and variance, and is a random forest no more than bagged trees?

Friedman's first problem, with noise. Each seed draws `datasets` training sets; on each of them one learner is fitted to
the rows as they are and `members` to bootstrap samples, whose mean is the bag. Over the training sets, at the same
fresh points, this gives the squared bias and the variance of both (Breiman 1996), free of the share that comes from the
few training sets. With s2 the variance of one member and B members the variance of a bag is
rho s2 + (1 - rho) s2 / B, which gives `correlation`, rho, of two members (Breiman 2001).

A learner is a tree of `depth` levels that may split on `features` random features at each node (all 10: bagged trees;
fewer: a random forest), or least squares.
"""

from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg

from jaxml import Experiment, Figure
from jaxml.data import friedman1
from jaxml.learn import bin_features, bootstrap_weights, decision_tree, predict_tree

if TYPE_CHECKING:
    import xarray


def least_squares(X: jax.Array, y: jax.Array, weights: jax.Array, fresh: jax.Array) -> jax.Array:
    """Predictions of weighted least squares with an intercept, and a trace of ridge for small bootstrap samples."""
    A = jnp.concatenate([jnp.ones((len(y), 1)), X], axis=1)
    gram, target = (A * weights[:, None]).T @ A / len(y), A.T @ (weights * y) / len(y)
    w = cg(lambda w: gram @ w + 1e-4 * w, target, tol=1e-5, maxiter=60)[0]
    return w[0] + fresh @ w[1:]


def trial(
    key: jax.Array,
    *,
    depth: float = 6.0,
    features: float = 10.0,
    learner: Literal["tree", "least_squares"] = "tree",
    n: int = 100,
    test_rows: int = 100,
    datasets: int = 16,
    members: int = 25,
    noise: float = 2.0,
    levels: int = 6,
) -> dict[str, Any]:
    """Fit single learners and bags to several training sets, and split their errors."""
    point_key, *data_keys = jax.random.split(key, 1 + datasets)
    fresh, truth = friedman1(point_key, n=test_rows, noise=0.0)

    def predictions(key: jax.Array) -> jax.Array:
        """Of the learner on the rows as they are, then of the members of the bag: (1 + members, points)."""
        data_key, bag_key, tree_key = jax.random.split(key, 3)
        X, y = friedman1(data_key, n=n, noise=noise)
        drawn = jax.vmap(bootstrap_weights, (0, None))(jax.random.split(bag_key, members), n)
        weights = jnp.concatenate([jnp.ones((1, n)), drawn])
        if learner == "least_squares":
            return jax.vmap(lambda w: least_squares(X, y, w, fresh))(weights)
        binned = bin_features(X, bins=32, missing=False)

        def tree(key: jax.Array, weights: jax.Array) -> jax.Array:
            rules: dict[str, Any] = {"max_depth": levels, "width": 32, "missing": False, "depth": depth}
            fit = decision_tree(key, binned, y, sample_weight=weights, features_per_split=features, **rules)
            return predict_tree(fit.params, fresh)

        return jax.vmap(tree)(jax.random.split(tree_key, 1 + members), weights)

    found = jax.lax.map(predictions, jnp.stack(data_keys))
    single, bag = found[:, 0], found[:, 1:].mean(1)
    outputs = {}
    for name, values in {"single": single, "bag": bag}.items():
        variance = values.var(0, ddof=1).mean()
        bias = ((values.mean(0) - truth) ** 2).mean() - variance / datasets
        outputs |= {f"variance_{name}": variance, f"bias_{name}": jnp.maximum(bias, 1e-3)}
        outputs[f"error_{name}"] = ((values - truth) ** 2).mean()
    total = found[:, 1:].var(0, ddof=1).mean()
    rho = (outputs["variance_bag"] / total - 1 / members) / (1 - 1 / members)
    return outputs | {"correlation": jnp.maximum(rho, 1e-3)}


def ratio(results: "xarray.Dataset", name: str) -> "xarray.DataArray":
    """A quantity of the single learner over that of the bag."""
    return results[f"{name}_single"] / results[f"{name}_bag"]


experiment = Experiment(
    trial=trial,
    metrics={
        "variance_ratio": lambda results: ratio(results, "variance"),
        "bias_ratio": lambda results: ratio(results, "bias"),
        "error_ratio": lambda results: ratio(results, "error"),
    },
    figures=(
        Figure("Variance of one learner over that of the bag", y="variance_ratio", x="depth", lines="features",
               panels="learner", log_y=True),
        Figure("Squared bias of one learner over that of the bag", y="bias_ratio", x="depth", lines="features",
               panels="learner", log_y=True),
        Figure("Correlation of two members by features tried at a split", y="correlation", x="features", lines="depth"),
        Figure("Squared error of the bag", y="error_bag", x="features", lines="depth", log_y=True),
    ),
)  # fmt: skip
