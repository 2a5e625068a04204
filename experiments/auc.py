"""E17, E19: what rises along a ROC curve, can a score with an AUC of one half be of use, and one below it?

Negatives score z, standard normal. A share `upward` of the positives scores z + separation. Where that is one half or
less, the others score as much lower as brings the AUC to one half; beyond one half, they score z - separation. So with
`upward` 1 the AUC tells all, and from one half down it tells nothing, whatever else does: a threshold (`youden`, the
largest gap between true and false positive rate on either side; `youden_held_out`, the gap on one half of the cases at
the threshold that does best on the other), the distance from the median score, or the densities
(`explained`: mutual information of score and class, as a share of the entropy of the class).

Besides, many scores that favour the positives or the negatives by the same separation are tried on a small sample of
`few` cases; those with an AUC below 1/2 there are inverted and meet fresh cases (`inverted_gain`).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import rankdata
from scipy.stats import norm

from jaxml import Experiment, Figure, Suite
from jaxml.ops import roc_auc


def trial(
    key: jax.Array,
    *,
    separation: float = 2.0,
    prevalence: float = 0.2,
    upward: float = 1.0,
    n: int = 2000,
    few: int = 40,
    scores_tried: int = 200,
) -> dict[str, Any]:
    """Draw scores, call ever more of them positive from the largest down, and follow the counts."""
    place = jnp.arange(n, dtype=float)
    label = place < jnp.round(prevalence * n)
    down = lowered(separation, upward)
    shift = jnp.where(place < jnp.round(upward * prevalence * n), separation, -down)  # shares, not chances: less noise
    scores = jax.random.normal(key, (n,)) + jnp.where(label, shift, 0.0)
    hits = label[jnp.argsort(-scores)].astype(float)
    called = jnp.arange(1, n + 1).astype(float)
    true_positives = jnp.cumsum(hits)
    false_positives = called - true_positives
    youden = true_positives / hits.sum() - false_positives / (n - hits.sum())
    half, other = halves(scores, label)
    best = jnp.abs(half).argmax()
    precision = true_positives / called
    explained = explained_share(scores, label, separation, down, upward)
    position = called - 1  # the true and the false positive rate both rise with the number called positive

    def spearman(values: jax.Array) -> jax.Array:
        return jnp.corrcoef(position, rankdata(values, method="ordinal").astype(float))[0, 1]

    return {
        "tpr_with_precision": spearman(precision),
        "fpr_with_false_share": spearman(1 - precision),
        "tpr_with_count": spearman(true_positives + 1e-6 * position),
        "auc": roc_auc(scores, label),
        "youden": jnp.abs(youden).max(),
        "youden_held_out": jnp.sign(half[best]) * other[best],
        "explained": explained,
        "auc_of_distance": roc_auc(jnp.abs(scores - jnp.median(scores)), label),
        "inverted_gain": inverted_gain(jax.random.fold_in(key, 1), separation, few, scores_tried),
    }


def halves(scores: jax.Array, label: jax.Array) -> tuple[jax.Array, jax.Array]:
    """True less false positive rate at every threshold, on every second case and on the others."""
    order = jnp.argsort(-scores)
    hit, first = label[order], order % 2 == 0  # cases lie by class, so that each half has its share of both

    def gaps(own: jax.Array) -> jax.Array:
        positive, negative = ((own & side).astype(float) for side in (hit, ~hit))
        return jnp.cumsum(positive) / positive.sum() - jnp.cumsum(negative) / negative.sum()

    return gaps(first), gaps(~first)


def lowered(separation: Any, upward: Any) -> jax.Array:
    """By how much the positives that score lower do so: u Phi(a / sqrt 2) + (1 - u) Phi(-b / sqrt 2) = 1/2."""
    rest = (0.5 - upward * ndtr(separation / np.sqrt(2.0))) / jnp.maximum(1 - upward, 0.5)
    balanced = -np.sqrt(2.0) * ndtri(jnp.where(upward <= 0.5, rest, 0.5))
    return jnp.where(upward <= 0.5, balanced, separation)


def explained_share(scores: jax.Array, label: jax.Array, a: Any, b: Any, upward: Any) -> jax.Array:
    """Mutual information over entropy of the class: the mean of log p(score | class) / p(score), true densities."""
    up, down = jnp.log(upward) + a * scores - a**2 / 2, jnp.log(1 - upward) - b * scores - b**2 / 2
    ratio = jnp.logaddexp(up, down)  # log of the positives' density over the negatives'
    share = label.mean()
    mixed = jnp.logaddexp(jnp.log(share) + ratio, jnp.log(1 - share))
    entropy = -share * jnp.log(share) - (1 - share) * jnp.log(1 - share)
    return (jnp.where(label, ratio, 0.0) - mixed).mean() / entropy


def expected_youden(parameters: Mapping[str, Any]) -> np.ndarray:
    """The largest gap between the distributions of positives and negatives, by theory."""
    a, u = (np.asarray(parameters[name], float)[..., None] for name in ("separation", "upward"))
    b = np.asarray(lowered(a, u))
    t = np.linspace(-4.0, 7.0, 441)
    return np.abs(u * norm.cdf(t - a) + (1 - u) * norm.cdf(t + b) - norm.cdf(t)).max(-1)


def inverted_gain(key: jax.Array, separation: Any, few: int, tried: int, *, fresh: int = 200) -> jax.Array:
    """AUC on fresh cases, less 1/2, of scores inverted for their AUC on `few` cases; mean over those inverted."""
    side_key, score_key = jax.random.split(key)
    shift = separation * jax.random.rademacher(side_key, (tried, 1), float)
    noise = jax.random.normal(score_key, (tried, few + fresh))

    def auc(z: jax.Array) -> jax.Array:
        """The share of pairs, one of each class, in which the positive scores higher: half of the cases each."""
        half = z.shape[1] // 2
        positive, negative = z[:, :half] + shift, z[:, half:]
        wins = jnp.zeros(positive.shape, int)
        wins = jax.lax.fori_loop(0, half, lambda i, w: w + (positive > negative[:, i, None]).astype(int), wins)
        return wins.mean(1) / half

    below = auc(noise[:, :few]) < 0.5
    return jnp.where(below, 0.5 - auc(noise[:, few:]), 0.0).sum() / jnp.maximum(below.sum(), 1).astype(float)


def pair_share(scores: np.ndarray, labels: np.ndarray, *, tie: float = 0.5) -> float:
    """The share of pairs, one of each class, in which the positive scores higher; a tie counts `tie`."""
    gap = scores[labels][:, None] - scores[~labels][None]
    return float(np.mean((gap > 0) + tie * (gap == 0)))


def curve_area(case: dict[str, np.ndarray]) -> float:
    """The area under the ROC curve by the trapezoid rule over distinct thresholds."""
    scores, labels = case["scores"], case["labels"]
    above = scores[None] >= np.append(np.inf, np.sort(np.unique(scores))[::-1])[:, None]
    return float(np.trapezoid((above & labels).sum(1) / labels.sum(), (above & ~labels).sum(1) / (~labels).sum()))


def largest_gap(case: dict[str, np.ndarray]) -> float:
    """The largest gap between true and false positive rate over all thresholds."""
    scores, labels = case["scores"], case["labels"]
    above = scores[None] >= np.append(np.inf, scores)[:, None]
    return float(np.max((above & labels).sum(1) / labels.sum() - (above & ~labels).sum(1) / (~labels).sum()))


def draw_case(generator: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    """Scores on a coarse scale, so that ties are frequent, with at least one case of each class."""
    labels = generator.permutation(np.arange(size + 1) < generator.integers(1, size + 1))
    return {"scores": np.round(generator.normal(size=size + 1), 1), "labels": labels}


def area_suite(subject: Callable[..., Any], reference: Any = None) -> Suite:
    """Is `subject`, a function of scores and labels, the area under the ROC curve?"""
    half = np.asarray([True, False])
    return Suite(
        subject=subject,
        reference=reference,
        draw=draw_case,
        valid=lambda case: (
            len(case["scores"]) == len(case["labels"]) and 0 < case["labels"].sum() < len(case["labels"])
        ),
        sizes=(1, 3, 8),
        adversarial=[{"scores": np.asarray(s), "labels": half} for s in ([0.0, 0.0], [1.0, -1.0], [-1e150, 1e150])],
        properties={
            "is the area under the curve": lambda f, case: (float(f(**case)), curve_area(case), 1.0),
            "inverted scores have the rest": lambda f, c: (float(f(-c["scores"], c["labels"])), 1 - float(f(**c)), 1.0),
            "is 1 exactly where a threshold is perfect": lambda f, c: (float(f(**c)) == 1) == (largest_gap(c) == 1),
            "above 1/2 some threshold is useful": lambda f, c: largest_gap(c) >= float(f(**c)) - 0.5 - 1e-12,
        },
        mutants={
            "a tie counts whole": partial(pair_share, tie=1.0),
            "classes exchanged": lambda scores, labels: pair_share(scores, ~labels),
            "pairs of equal class count too": lambda scores, labels: (pair_share(scores, labels) + 0.5) / 2,
        },
    )


experiment = Experiment(
    trial=trial,
    theory={"youden": expected_youden},
    suites={
        "area": lambda: area_suite(jax.jit(roc_auc)),
        "area_without_ties": lambda: area_suite(partial(pair_share, tie=0.0), reference=pair_share),
    },
    figures=(
        Figure("Rank correlation of the true positive rate and precision along the curve", y="tpr_with_precision",
               x="prevalence", lines="separation", panels="upward", log_x=True),
        Figure("Area under the curve", y="auc", x="separation", lines="prevalence", panels="upward"),
        Figure("Area under the curve of the distance from the median score", y="auc_of_distance", x="separation",
               lines="prevalence", panels="upward"),
        Figure("Mutual information of score and class, as a share of the entropy of the class", y="explained",
               x="separation", lines="prevalence", panels="upward"),
        Figure("Fresh AUC, less one half, of scores inverted for their AUC on few cases", y="inverted_gain",
               x="separation"),
        Figure("Largest gap between true and false positive rate", y="youden", x="separation", lines="prevalence",
               panels="upward"),
    ),
)  # fmt: skip
