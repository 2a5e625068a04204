"""E21: does boosting turn a weak learner into a strong one, on whatever problem?

AdaBoost on trees of `depth` levels (1: stumps), measured after one round and after all. Planted problems: the sign
of a sum of features; rings, inside or outside of a radius; parity, the sign of a product of two features, of which no
stump sees anything: its error is one half under any weights that keep the four corners level. The others are digits.

The margin of a row is the share of the votes for its class less that against it: above 0 where the row is right.
"""

from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp

from jaxml import Experiment, Figure, Traced, curve, select
from jaxml.data import load_problem
from jaxml.learn import adaboost, bin_features, decision_tree, predict_tree, staged_adaboost

if TYPE_CHECKING:
    import xarray

DIGITS = load_problem("digits")
PAIR = (DIGITS.y == 3) | (DIGITS.y == 8)


def draw(key: jax.Array, problem: Any, data: str, rows: int) -> tuple[jax.Array, jax.Array]:
    """Features and classes 0 and 1."""
    if data == "digits":
        chosen = jax.random.permutation(key, int(PAIR.sum()))[:rows]
        return jnp.asarray(DIGITS.X[PAIR], float)[chosen], (jnp.asarray(DIGITS.y[PAIR])[chosen] == 8).astype(int)
    X = jax.random.uniform(key, (rows, 4), minval=-1.0)
    total = X.sum(1)
    scores = {"sum of features": total, "rings": (X**2).sum(1) - 4 / 3, "parity": X[:, 0] * X[:, 1]}
    return X, (select(problem, scores | {"digits 3 and 8": total}) > 0).astype(int)


def trial(
    key: jax.Array,
    *,
    depth: float = 1.0,
    problem: Traced[Literal["sum of features", "rings", "parity", "digits 3 and 8"]] = "rings",
    data: Literal["planted", "digits"] = "planted",
    n: int = 200,
    test_rows: int = 150,
    rounds: int = 100,
) -> dict[str, Any]:
    """Boost, and follow the error on fresh rows."""
    data_key, boost_key = jax.random.split(key)
    X, y = draw(data_key, problem, data, n + test_rows)
    binned = bin_features(X[:n], bins=32, missing=False)

    def fit(key: jax.Array, X: Any, y: jax.Array, sample_weight: jax.Array) -> Any:
        """A tree on the bins of the training rows, which need not be cut again in every round."""
        options: dict[str, Any] = {"classes": 2, "missing": False, "max_depth": 2, "depth": depth}
        return decision_tree(key, binned, y, sample_weight=sample_weight, **options)

    boosted = adaboost(boost_key, X[:n], y[:n], fit=fit, predict=predict_tree, classes=2, rounds=rounds)
    votes = staged_adaboost(boosted.params, X, predict=predict_tree, classes=2)
    wrong = votes.argmax(-1) != y[None]
    margins = (
        jnp.where(y[:n] == 1, 1, -1)[None]
        * (votes[:, :n, 1] - votes[:, :n, 0])
        / jnp.maximum(votes[:, :n].sum(-1), 1e-6)
    )
    training, fresh = wrong[:, :n].mean(1), wrong[:, n:].mean(1)
    bound = boosted.diagnostics.bound
    return {
        "first_error": fresh[0],
        "last_error": fresh[-1],
        "gain": 100 * (fresh[0] - fresh[-1]),
        "edge": 0.5 - boosted.diagnostics.error.mean(),
        "least_edge": 0.5 - boosted.diagnostics.error.max(),
        "least_margin": margins[-1].min(),
        "least_margin_after_three": margins[2].min(),
        # Rounds without an error lie under any bound, and most rounds are such.
        "bound_room": jnp.min(bound - training, initial=1.0, where=training > 0),
        "bound_room_of_fresh_rows": jnp.min(bound - fresh, initial=1.0, where=fresh > 0),
        "error": curve(fresh, "round"),
    }


def error_by_round(results: "xarray.Dataset") -> "xarray.DataArray":
    """Error after each round, counted from 1."""
    return results.error.assign_coords(round=range(1, results.sizes["round"] + 1))


experiment = Experiment(
    trial=trial,
    metrics={"fresh_error": error_by_round},
    figures=(
        Figure("Error on fresh rows by the number of rounds", y="fresh_error", x="round", lines="depth",
               panels="problem", log_x=True),
        Figure("Mean edge of the learners over a coin", y="edge", x="depth", lines="problem"),
    ),
)  # fmt: skip
