"""What bagging draws: n of n rows with replacement, each as likely, and two bags that are independent given the rows.

jaxml's draws are looked at 64 at a time. What they add up to may lie seven standard deviations from what is expected,
which chance alone exceeds once in billions of cases.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import bootstrap_weights

Draws = Callable[..., Any]
"""`draws(seed, n)`: how often each of n rows is in each of two bags, 64 times, (64, 2, n)."""
TIMES, DEVIATIONS = 64, 7.0


@functools.cache
def drawn(seed: int, n: int) -> np.ndarray:
    """By jaxml."""
    return np.asarray(_drawn(seed, n))


@functools.partial(jax.jit, static_argnames="n")
def _drawn(seed: Any, n: int) -> Any:
    keys = jax.random.split(jax.random.key(seed), (TIMES, 2))
    return jax.vmap(jax.vmap(lambda key: bootstrap_weights(key, n)))(keys)


def changed(edit: Callable[..., Any]) -> Draws:
    """Jaxml's draws, edited, given n."""
    return lambda seed, n: edit(drawn(seed, n), n)


def of_draws(properties: Mapping[str, Callable[[np.ndarray, int], Any]], mutants: Mapping[str, Draws]) -> Suite:
    """A suite on jaxml's draws."""
    put = lambda holds: lambda f, n, seed: holds(np.asarray(f(seed, n)), n)  # noqa: E731
    return Suite(
        subject=drawn,
        draw=lambda generator, size: {"seed": int(generator.integers(2**31)), "n": size},
        valid=lambda n, seed: n in (1, 2, 3, 8) and seed >= 0,
        sizes=(2, 3, 8),
        adversarial=[{"seed": 0, "n": 1}],
        properties={name: put(holds) for name, holds in properties.items()},
        mutants=mutants,
    )


def replacement() -> Suite:
    """Is a bag n draws of n rows with replacement?"""
    return of_draws(
        {
            "n in all": lambda counts, n: (counts.sum(-1), np.full((TIMES, 2), float(n))),
            "whole numbers": lambda counts, n: bool(np.all(counts % 1 == 0) and np.all(counts >= 0)),
            "a row may come twice": lambda counts, n: n == 1 or bool(np.any(counts > 1)),
        },
        {
            "without replacement": lambda seed, n: np.ones((TIMES, 2, n)),
            "half as many draws": changed(lambda counts, n: counts // 2),
            "a Bayesian bootstrap": lambda seed, n: np.random.default_rng(seed).dirichlet(np.ones(n), (TIMES, 2)) * n,
            "any number of draws": lambda seed, n: np.random.default_rng(seed).poisson(1.0, (TIMES, 2, n)),
        },
    )


def evenness() -> Suite:
    """Is every row as likely as every other?"""

    def alike(counts: np.ndarray, n: int) -> bool:
        deviation = np.sqrt(2 * TIMES * (1 - 1 / n))
        return bool(np.all(np.abs((counts - 1).sum((0, 1))) <= DEVIATIONS * deviation))

    return of_draws(
        {"each row as often as chance allows": alike},
        {
            "the later the likelier": changed(lambda counts, n: np.sort(counts, axis=-1)),
            "never the last": changed(lambda counts, n: counts * (np.arange(n) < n - 1)),
            "the first once more": changed(lambda counts, n: counts + (np.arange(n) == 0)),
        },
    )


def apart() -> Suite:
    """Are two bags of the same sample independent?"""

    def uncorrelated(counts: np.ndarray, n: int) -> bool:
        product = np.einsum("tn,tm->nm", counts[:, 0] - 1, counts[:, 1] - 1)
        return bool(np.all(np.abs(product) <= DEVIATIONS * (1 - 1 / n) * np.sqrt(TIMES)))

    return of_draws(
        {"the counts of any two rows are uncorrelated": uncorrelated},
        {
            "the same bag twice": changed(lambda counts, n: counts[:, [0, 0]]),
            "what the other left out": changed(lambda counts, n: np.stack([counts[:, 0], 2 - counts[:, 0]], axis=1)),
            "the other bag, moved by a row": changed(
                lambda counts, n: np.stack([counts[:, 0], np.roll(counts[:, 0], 1, -1)], axis=1)
            ),
        },
    )


experiment = Experiment(suites={"replacement": replacement, "evenness": evenness, "apart": apart})
