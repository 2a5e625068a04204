"""Penalties as priors: is a penalised fit the mode of the posterior? Exactly."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import laplace, norm

from jaxml import Experiment, Suite
from jaxml.learn import fit_lasso, fit_ridge

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
        valid=lambda sigma, scale, y, X: sigma > 0 and scale > 0 and (X.T @ y).any(),
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


experiment = Experiment(suites={"mode": mode})
