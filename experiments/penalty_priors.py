"""Penalties as priors: is a penalised fit the mode of the posterior, and is it its mean? Exactly."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import laplace, norm
from scipy.special import log_ndtr

from jaxml import Experiment, Suite
from jaxml.learn import fit_lasso, fit_ridge
from jaxml.ops import prox_l1

Case = dict[str, Any]
NEAR = 1e-5
"""Of what the parts of a gradient add up to; fits stop at a gap of some 1e-12, the square of that."""


def rows(generator: np.random.Generator, size: int) -> Case:
    """Features, targets, the standard deviation of the noise and the scale of the prior."""
    X = generator.normal(size=(8, size))
    sigma, scale = 10.0 ** generator.uniform(-0.5, 0.5, 2)
    y = X @ (scale * generator.laplace(size=size)) + sigma * generator.normal(size=8)
    return {"X": X, "y": y, "sigma": sigma, "scale": scale}


def ridge(X: Any, y: Any, l2: Any) -> Any:
    """Ridge without an intercept; l2 stands beside the mean of the squares."""
    return fit_ridge(X, y, l2=l2, intercept=False).params.coef


def lasso(X: Any, y: Any, l1: Any) -> Any:
    """The lasso without an intercept; l1 stands beside the mean of the squares."""
    return fit_lasso(X, y, l1=l1, intercept=False).params.coef


def mode() -> Suite:
    """Are ridge at sigma^2/tau^2 and the lasso at sigma^2/b the modes under a Gaussian and a Laplace prior?"""
    fits = {"gauss": jax.jit(ridge), "laplace": jax.jit(lasso)}
    power, densities = {"gauss": 2, "laplace": 1}, {"gauss": norm, "laplace": laplace}

    def fitted(strength: Callable[..., Any]) -> Callable[..., Any]:
        """A fit by prior, of a strength that stands beside half the sum of the squares."""
        return lambda prior, X, y, sigma, scale: fits[prior](X, y, strength(sigma, scale, power[prior]) / len(y))

    @partial(jax.jit, static_argnums=0)
    def slopes(prior: str, w: Any, X: Any, y: Any, sigma: Any, scale: Any) -> tuple[Any, Any]:
        of_data = jax.grad(lambda w: jnp.sum(norm.logpdf(y, X @ w, sigma)))(w)
        # Just right of 0 the logarithm of the Laplace density falls by 1/b: how large a pull keeps a weight at 0.
        of_prior = jax.vmap(jax.grad(lambda v: densities[prior].logpdf(v, 0.0, scale)))
        return of_data, of_prior(jnp.where(w == 0, 1e-300, w))

    def flat(prior: str) -> Callable[[Any, Case], bool]:
        def is_mode(f: Any, c: Case) -> bool:  # the posterior has one peak, as its logarithm is concave
            w = np.asarray(f(prior, **c))
            data, of_prior = (np.asarray(slope) for slope in slopes(prior, w, **c))
            slack = NEAR * np.max(np.abs(c["X"].T @ c["y"])) / c["sigma"] ** 2
            at_corner, elsewhere = np.abs(data) <= np.abs(of_prior) + slack, np.abs(data + of_prior) <= slack
            return bool(np.all(np.where(w == 0, at_corner, elsewhere)))

        return is_mode

    return Suite(
        subject=fitted(lambda sigma, scale, power: sigma**2 / scale**power),
        draw=rows,
        valid=lambda c: c["sigma"] > 0 and c["scale"] > 0 and (c["X"].T @ c["y"]).any(),
        sizes=(3,),
        properties={"Gaussian prior: ridge": flat("gauss"), "Laplace prior: the lasso": flat("laplace")},
        mutants={
            "sigma for its square": fitted(lambda sigma, scale, power: sigma / scale**power),
            "b squared, as tau is": fitted(lambda sigma, scale, power: sigma**2 / scale**2),
            "tau, as b is": fitted(lambda sigma, scale, power: sigma**2 / scale),
            "half as strong": fitted(lambda sigma, scale, power: sigma**2 / scale**power / 2),
            "turned over": fitted(lambda sigma, scale, power: scale**power / sigma**2),
        },
    )


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
        draw=lambda generator, size: {
            "y": float(generator.normal(scale=3)),
            "sigma": generator.uniform(0.5, 2),
            "scale": generator.uniform(0.5, 2),
        },
        valid=lambda c: 0.5 <= c["sigma"] <= 2 and 0.5 <= c["scale"] <= 2 and abs(c["y"]) < 20,
        sizes=(1,),
        adversarial=[{"y": 0.0, "sigma": 1.0, "scale": 1.0}, {"y": 2.0, "sigma": 1.0, "scale": 1.0}],
        properties={"mean of the posterior": is_mean},
        mutants={
            "the other penalty": fits[other],
            "no prior": lambda y, sigma, scale: y,
            "no data": lambda y, sigma, scale: 0.0,
        },
    )


experiment = Experiment(
    suites={
        "mode": mode,
        "mean_gauss": lambda: mean("gauss"),
        "mean_laplace": lambda: mean("laplace"),
    }
)
