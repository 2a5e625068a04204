"""E17, E19: what rises along a ROC curve, and can a score with an AUC of one half be of use?

Negatives score z, standard normal. Positives score z + separation (`shifted`), or z plus or minus separation with equal
chance (`two_sided`): then only the size of the score tells, and the AUC is 1/2 whatever the separation.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxml import Experiment, Figure
from jaxml.ops import roc_auc


def ranks(values: jax.Array) -> jax.Array:
    """Ranks from 0, without ties."""
    return values.argsort().argsort().astype(float)


def trial(
    key: jax.Array,
    *,
    separation: float = 2.0,
    prevalence: float = 0.2,
    positives: Literal["shifted", "two_sided"] = "shifted",
    n: int = 2000,
) -> dict[str, Any]:
    """Draw scores, call ever more of them positive from the largest down, and follow the counts."""
    score_key, side_key = jax.random.split(key)
    label = jnp.arange(n, dtype=float) < prevalence * n
    side = jax.random.rademacher(side_key, (n,), float) if positives == "two_sided" else jnp.ones(n)
    scores = jax.random.normal(score_key, (n,)) + jnp.where(label, separation * side, 0.0)
    hits = label[jnp.argsort(-scores)].astype(float)
    called = jnp.arange(1, n + 1).astype(float)
    true_positives = jnp.cumsum(hits)
    false_positives = called - true_positives
    youden = true_positives / hits.sum() - false_positives / (n - hits.sum())
    precision = true_positives / called
    position = called - 1  # the true and the false positive rate both rise with the number called positive

    def spearman(values: jax.Array) -> jax.Array:
        return jnp.corrcoef(position, ranks(values))[0, 1]

    return {
        "tpr_with_precision": spearman(precision),
        "fpr_with_false_share": spearman(1 - precision),
        "tpr_with_count": spearman(true_positives + 1e-6 * position),
        "auc": roc_auc(scores, label),
        "youden": youden.max(),
        "useless": 1 - youden.max(),
    }


experiment = Experiment(
    trial=trial,
    figures=(
        Figure("Rank correlation of the true positive rate and precision along the curve", y="tpr_with_precision",
               x="prevalence", lines="separation", panels="positives", log_x=True),
        Figure("Area under the curve", y="auc", x="separation", lines="prevalence", panels="positives"),
        Figure("Largest gap between true and false positive rate", y="youden", x="separation", lines="prevalence",
               panels="positives"),
    ),
)  # fmt: skip
