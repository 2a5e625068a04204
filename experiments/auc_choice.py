"""E18: is the classifier with the larger AUC the better one?

Two classifiers meet 25 conditions: five prevalences of the positives times five prices of missing one, in units of a
false alarm. In each condition each of them costs what it costs at its best threshold, counted in units of the cheaper
of calling everybody or nobody positive. `agreement` is the share of conditions in which the one with the larger AUC on
a sample costs no more than `tie` above the other.

binormal: positives score N(d, 1) under the first classifier and N(d', ratio^2) under the second, negatives N(0, 1). The
second one's AUC is smaller by `gap`; unless the ratio is 1 their curves cross. Costs are exact. breast_cancer: logistic
regression against a tree of depth 3, both judged on test rows.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

from jaxml import Experiment, Figure, curve
from jaxml.data import load_problem
from jaxml.learn import decision_tree, fit_logistic, linear_predictor, predict_tree
from jaxml.ops import roc_auc

CANCER = load_problem("breast_cancer")
PREVALENCES = (0.01, 0.05, 0.2, 0.35, 0.5)
PRICES = (0.3, 1.0, 3.0, 10.0, 30.0)


def best_costs(false: jax.Array, true: jax.Array) -> jax.Array:
    """Least expected cost along a ROC curve in every condition, in units of the better trivial classifier's."""
    prevalence, price = jnp.meshgrid(jnp.asarray(PREVALENCES), jnp.asarray(PRICES), indexing="ij")
    missed, alarm = (prevalence * price)[..., None], (1 - prevalence)[..., None]
    return ((missed * (1 - true) + alarm * false) / jnp.minimum(missed, alarm)).min(-1)


def sample_curve(scores: jax.Array, label: jax.Array) -> tuple[jax.Array, jax.Array]:
    """False and true positive rates of a sample, from nobody to everybody called positive."""
    hits = label[jnp.argsort(-scores)].astype(float)
    called, true = jnp.arange(len(scores) + 1).astype(float), jnp.concatenate([jnp.zeros(1), jnp.cumsum(hits)])
    return (called - true) / (len(scores) - hits.sum()), true / hits.sum()


def trial(
    key: jax.Array,
    *,
    gap: float = 0.05,
    ratio: float = 2.0,
    problem: Literal["binormal", "breast_cancer"] = "binormal",
    n: int = 1000,
    auc: float = 0.85,
    tie: float = 0.01,
) -> dict[str, Any]:
    """Measure both classifiers' AUC, and what they cost in every condition."""
    areas, paid = [], []
    if problem == "binormal":
        label = jnp.arange(n) < n // 2
        for z, area, spread in zip(jax.random.normal(key, (2, n)), (auc, auc - gap), (1.0, ratio), strict=True):
            shift = jnp.sqrt(1 + spread**2) * norm.ppf(area)  # AUC = Phi(shift / sqrt(1 + spread^2))
            areas.append(roc_auc(jnp.where(label, shift + spread * z, z), label))
            thresholds = jnp.linspace(-16.0, 16.0, 4001)
            paid.append(best_costs(norm.sf(thresholds), norm.sf((thresholds - shift) / spread)))
        return outcome(areas, paid, tie)
    order = jax.random.permutation(key, len(CANCER.y))
    X, y = jnp.asarray(CANCER.X, float)[order], 1 - jnp.asarray(CANCER.y)[order]  # positive: malignant
    rows = round(0.8 * len(y))
    X = (X - X[:rows].mean(0)) / X[:rows].std(0)
    line = linear_predictor(fit_logistic(X[:rows], y[:rows], l2=0.01).params, X)
    tree = decision_tree(None, X[:rows], y[:rows], classes=2, max_depth=3, missing=False).params
    leaves = predict_tree(tree, X)[:, 1] + 1e-6 * jax.random.uniform(jax.random.fold_in(key, 1), (len(y),))
    for scores in (line, leaves):  # cases of one leaf are ordered at random
        areas.append(roc_auc(scores[rows:], y[rows:]))
        paid.append(best_costs(*sample_curve(scores[rows:], y[rows:])))
    return outcome(areas, paid, tie)


def outcome(areas: list[jax.Array], paid: list[jax.Array], tie: float) -> dict[str, Any]:
    """Who has the larger AUC, and in which conditions that one costs no more."""
    larger = jnp.where(areas[0] >= areas[1], 0, 1)
    winner, loser = jnp.stack(paid)[larger], jnp.stack(paid)[1 - larger]
    right = winner <= loser * (1 + tie)
    return {
        "agreement": right.mean(),
        "larger_is_first": (larger == 0).astype(float),
        "right": curve(right.astype(float), "condition_prevalence", "condition_price"),
    }


def by_condition(results: Any) -> Any:
    """`right`, its axes labelled by the conditions."""
    return results.right.assign_coords(condition_prevalence=list(PREVALENCES), condition_price=list(PRICES))


experiment = Experiment(
    trial=trial,
    metrics={
        "share_right": lambda results: by_condition(results).mean("gap").sel(problem="binormal", drop=True),
    },
    figures=(
        Figure("Share of conditions in which the larger AUC costs no more", y="agreement", x="ratio", lines="gap",
               panels="problem"),
        Figure("Where the larger AUC costs no more: binormal scores, all gaps", y="share_right", x="condition_price",
               lines="condition_prevalence", panels="ratio", log_x=True),
    ),
)  # fmt: skip
