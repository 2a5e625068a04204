"""How often the best threshold is wrong: on rare positives, and on Gaussian scores, exactly."""

from functools import partial
from typing import Any

import jax
import numpy as np
from jax.scipy.special import ndtr
from scipy.stats import norm

from experiments.shared.scores import area, both_classes, labelled, rates
from jaxml import Experiment, Suite

Case = dict[str, Any]


def rarely_right(true: Any, false: Any, prevalence: float = 0.01) -> Any:
    """By how much a threshold is right more often than calling all cases by the more frequent class."""
    return prevalence * true + (1 - prevalence) * (1 - false) - max(prevalence, 1 - prevalence)


def more_often_right() -> Suite:
    """Where one case in a hundred is positive, is some threshold right more often than 'never positive'?"""
    return Suite(
        subject=rarely_right,
        reference=partial(rarely_right, prevalence=0.5),
        draw=labelled,
        valid=lambda c: both_classes(c) and 0.5 < float(area(**c)) < 1,
        sizes=(3, 8),
        properties={"some threshold is": lambda f, c: np.max(f(*rates(c))) > 1e-12},
        mutants={
            "classes exchanged": lambda true, false: rarely_right(false, true),
            "hits alone": lambda true, false: 0.01 * (true - 1),
            "alarms alone": lambda true, false: -0.99 * false,
        },
    )


@jax.jit
def mistakes(threshold: Any, separation: Any, prevalence: Any) -> Any:
    """How often a threshold errs where negatives score as N(0, 1) and positives as N(separation, 1)."""
    return prevalence * ndtr(threshold - separation) + (1 - prevalence) * ndtr(-threshold)


def overlapping() -> Suite:
    """Does every threshold err where both classes' scores are Gaussian?"""
    uniform = lambda x: np.clip(x + 0.5, 0.0, 1.0)  # noqa: E731

    def least(c: Case) -> float:
        d, p = c["separation"], c["prevalence"]
        best = d / 2 + np.log((1 - p) / p) / d
        return float(p * norm.cdf(best - d) + (1 - p) * norm.sf(best))

    return Suite(
        subject=mistakes,
        draw=lambda generator: {
            "threshold": float(generator.normal(scale=4.0)),
            "separation": float(generator.uniform(0.1, 10.0)),
            "prevalence": float(generator.uniform(0.01, 0.99)),
        },
        valid=lambda separation, prevalence: 0.1 <= separation <= 10 and 0.01 <= prevalence <= 0.99,
        adversarial=[{"threshold": t, "separation": 10.0, "prevalence": 0.5} for t in (5.0, -1e3, 1e3, np.inf)],
        properties={
            "it errs": lambda f, c: f(**c) > 0,
            "at least as often as the best one": lambda f, c: f(**c) >= least(c) * (1 - 1e-9),
        },
        mutants={
            "misses alone": lambda threshold, separation, prevalence: prevalence * norm.cdf(threshold - separation),
            "false alarms alone": lambda threshold, separation, prevalence: (1 - prevalence) * norm.sf(threshold),
            "scores within one half of their mean": lambda threshold, separation, prevalence: (
                prevalence * uniform(threshold - separation) + (1 - prevalence) * uniform(-threshold)
            ),
        },
    )


experiment = Experiment(suites={"more_often_right": more_often_right, "overlapping": overlapping})
