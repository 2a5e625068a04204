"""E17, E19: what rises along a ROC curve, can a score with an AUC of one half be of use, and one below it?

Negatives score z, standard normal. Positives score z + separation (`shifted`), or z plus or minus separation with equal
chance (`two_sided`): then only the size of the score tells, and the AUC is 1/2 whatever the separation.

Besides, many scores that favour the positives or the negatives by the same separation are tried on a small sample of
`few` cases; those with an AUC below 1/2 there are inverted and meet fresh cases (`inverted_gain`).
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
    few: int = 40,
    scores_tried: int = 200,
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
        "auc_of_distance": roc_auc(jnp.abs(scores - jnp.median(scores)), label),
        "inverted_gain": inverted_gain(jax.random.fold_in(key, 1), separation, few, scores_tried),
    }


def inverted_gain(key: jax.Array, separation: Any, few: int, tried: int, *, fresh: int = 200) -> jax.Array:
    """AUC on fresh cases, less 1/2, of scores inverted for their AUC on `few` cases; mean over those inverted."""
    side_key, score_key = jax.random.split(key)
    shift = separation * jax.random.rademacher(side_key, (tried, 1), float)
    noise = jax.random.normal(score_key, (tried, few + fresh))

    def auc(z: jax.Array) -> jax.Array:
        """The share of pairs, one of each class, in which the positive scores higher: half of the cases each."""
        half = z.shape[1] // 2
        return ((z[:, :half] + shift)[:, :, None] > z[:, None, half:]).mean((1, 2))

    below = auc(noise[:, :few]) < 0.5
    return jnp.where(below, 0.5 - auc(noise[:, few:]), 0.0).sum() / jnp.maximum(below.sum(), 1)


experiment = Experiment(
    trial=trial,
    figures=(
        Figure("Rank correlation of the true positive rate and precision along the curve", y="tpr_with_precision",
               x="prevalence", lines="separation", panels="positives", log_x=True),
        Figure("Area under the curve", y="auc", x="separation", lines="prevalence", panels="positives"),
        Figure("Area under the curve of the distance from the median score", y="auc_of_distance", x="separation",
               lines="prevalence", panels="positives"),
        Figure("Fresh AUC, less one half, of scores inverted for their AUC on few cases", y="inverted_gain",
               x="separation"),
        Figure("Largest gap between true and false positive rate", y="youden", x="separation", lines="prevalence",
               panels="positives"),
    ),
)  # fmt: skip
