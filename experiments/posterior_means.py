"""Is a penalised fit the mean of the posterior? Exactly."""

from itertools import pairwise
from typing import Any

import jax
import numpy as np
from scipy.special import log_ndtr

from jaxml import Experiment, Suite
from jaxml.ops import prox_l1

Case = dict[str, Any]
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)


def mean_by_quadrature(prior: Any, y: float, sigma: float, scale: float) -> float:
    """The mean of w given one y ~ N(w, sigma^2): integrals over each side of 0, where the prior may have a corner."""
    edges = np.array([min(0.0, y) - 12 * sigma, 0.0, max(0.0, y) + 12 * sigma])
    w = np.concatenate([a + (b - a) * (NODES + 1) / 2 for a, b in pairwise(edges)])
    share = np.concatenate([(b - a) * WEIGHTS / 2 for a, b in pairwise(edges)])
    logarithm = -((w - y) ** 2) / (2 * sigma**2) + prior(w, scale)
    mass = share * np.exp(logarithm - logarithm.max())
    return float(np.sum(mass * w) / np.sum(mass))


def laplace_mean(y: float, sigma: float, scale: float) -> float:
    """The posterior mean under a Laplace prior in closed form: two cut normals, weighed by their mass."""
    pull = sigma**2 / scale
    logs = np.array([-s * y / scale + log_ndtr((s * y - pull) / sigma) for s in (1, -1)])
    share = np.exp(logs - logs.max())
    return float(share @ np.array([y - pull, y + pull]) / share.sum())


def mean(prior: str) -> Suite:
    """For one weight seen once with noise: is the penalised fit also the mean of the posterior?"""
    log_prior = {"gauss": lambda w, b: -((w / b) ** 2) / 2, "laplace": lambda w, b: -np.abs(w) / b}[prior]
    fits = {
        "gauss": lambda y, sigma, scale: y / (1 + sigma**2 / scale**2),
        "laplace": jax.jit(lambda y, sigma, scale: prox_l1(y, strength=sigma**2 / scale)),
    }
    other = {"gauss": "laplace", "laplace": "gauss"}[prior]

    def is_mean(f: Any, c: Case) -> bool:
        return abs(float(f(**c)) - mean_by_quadrature(log_prior, **c)) <= 1e-8 * (abs(c["y"]) + c["sigma"])

    return Suite(
        subject=fits[prior],
        reference=laplace_mean if prior == "laplace" else None,
        draw=lambda generator: {
            "y": float(generator.normal(scale=3)),
            "sigma": generator.uniform(0.5, 2),
            "scale": generator.uniform(0.5, 2),
        },
        valid=lambda sigma, scale, y: 0.5 <= sigma <= 2 and 0.5 <= scale <= 2 and abs(y) < 20,
        adversarial=[{"y": 0.0, "sigma": 1.0, "scale": 1.0}, {"y": 2.0, "sigma": 1.0, "scale": 1.0}],
        properties={"mean of the posterior": is_mean},
        mutants={
            "the other penalty": fits[other],
            "no prior": lambda y, sigma, scale: y,
            "no data": lambda y, sigma, scale: 0.0,
        },
    )


experiment = Experiment(suites={"mean_gauss": lambda: mean("gauss"), "mean_laplace": lambda: mean("laplace")})
