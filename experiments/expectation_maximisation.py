"""Expectation and maximisation, on a mixture of two coins: what a step does, and where steps end, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy

from jaxml import Experiment, Suite

Case = dict[str, Any]
FLIPS = 10
STEPS = 100


def joint(theta: Any, x: Any) -> Any:
    """Of each row of heads among ten flips, its likelihood with either coin: share, rate and rate are theta."""
    rates = theta[None, 1:]
    return jnp.stack([1 - theta[0], theta[0]]) * rates ** x[:, None] * (1 - rates) ** (FLIPS - x[:, None])


@jax.jit
def likelihood(theta: Any, x: Any) -> Any:
    """The log-likelihood, but for what theta has no part in."""
    return jnp.sum(jnp.log(jnp.sum(joint(theta, x), 1)))


def expect(theta: Any, x: Any) -> Any:
    """E: how likely each row came from either coin."""
    return joint(theta, x) / jnp.sum(joint(theta, x), 1, keepdims=True)


def maximise(weight: Any, theta: Any, x: Any) -> Any:
    """M: the share and the rates that are best for these weights; a coin without weight stays as it was."""
    total = jnp.sum(weight, 0)
    rates = jnp.where(total > 0, weight.T @ x / (FLIPS * jnp.where(total > 0, total, 1.0)), theta[1:])
    return jnp.append(total[1] / len(x), rates)


def em(theta: Any, x: Any) -> Any:
    """One step of both."""
    return maximise(expect(theta, x), theta, x)


def coins(generator: np.random.Generator, size: int) -> Case:
    """Rows of ten flips, of two coins, and two guesses at the share and the rates."""
    rates = generator.random(2)[generator.integers(0, 2, size)]
    theta, other = np.round(generator.uniform(0.05, 0.95, (2, 3)), 2)
    return {"theta": theta, "other": other, "x": generator.binomial(FLIPS, rates).astype(float)}


def possible(c: Case) -> bool:
    """Whether both guesses are probabilities with which the rows can be."""
    inside = all(np.all((c[k] >= 0) & (c[k] <= 1)) for k in ("theta", "other"))
    whole = np.all((c["x"] >= 0) & (c["x"] <= FLIPS) & (c["x"] == np.round(c["x"])))
    return bool(inside and whole) and all(bool(np.isfinite(likelihood(c[k], c["x"]))) for k in ("theta", "other"))


def ascent() -> Suite:
    """Does a step never lower the likelihood, and is what it takes best for the expected weights?"""

    def rises(f: Any, x: Any, theta: Any) -> bool:
        return float(likelihood(f(theta, x), x)) >= float(likelihood(theta, x)) - 1e-9

    @jax.jit
    def expected(theta: Any, at: Any, x: Any) -> Any:
        weight, heads, rates = expect(at, x), x[:, None], theta[None, 1:]
        shares = jnp.log(jnp.stack([1 - theta[0], theta[0]]))
        logs = shares + xlogy(heads, rates) + xlogy(FLIPS - heads, 1 - rates)  # powers of small rates would be 0
        return jnp.sum(jnp.where(weight > 0, weight * logs, 0.0))

    def best(f: Any, c: Case) -> bool:
        found, other = (float(expected(t, c["theta"], c["x"])) for t in (f(c["theta"], c["x"]), c["other"]))
        return found >= other - 1e-9

    no_share = lambda t: jnp.append(0.5, t[1:])  # noqa: E731
    return Suite(
        subject=em, jit=True,
        draw=coins,
        valid=possible,
        sizes=(6,),
        adversarial=[
            {"theta": np.array(theta), "other": np.array([0.5, 0.4, 0.6]), "x": np.array([0.0, 0, 10, 10, 5, 5])}
            for theta in ([0.5, 0.5, 0.5], [0.0, 0.5, 0.9], [1.0, 0.2, 0.5], [0.5, 1e-9, 0.5], [0.5, 0.0, 0.6])
        ],
        properties={"the likelihood never falls": rises, "is best for the expected weights": best},
        mutants={
            "expectation without the shares": lambda t, x: maximise(expect(no_share(t), x), t, x),
            "shares not updated": lambda t, x: jnp.append(t[0], em(t, x)[1:]),
            "all rows for one coin or the other": lambda t, x: maximise(jnp.round(expect(t, x)), t, x),
            "coins exchanged": lambda t, x: maximise(expect(t, x)[:, ::-1], t, x),
            "half the step": lambda t, x: (t + em(t, x)) / 2,
        },
    )  # fmt: skip


def summit() -> Suite:
    """Is the likelihood, where it comes to rest, as large as from another guess?"""
    ends = jax.jit(lambda theta, x: jax.lax.fori_loop(0, STEPS, lambda _, t: em(t, x), theta))
    step = jax.jit(em)

    def draw(generator: np.random.Generator, size: int) -> Case:
        c = coins(generator, size)
        alike = np.array([*c["theta"][:2], c["theta"][1]])
        return c | {"theta": alike if generator.random() < 0.3 else c["theta"]}

    def valid(c: Case) -> bool:
        inside = all(min(c[k]) >= 0.05 and max(c[k]) <= 0.95 for k in ("theta", "other"))
        return possible(c) and inside and abs(c["other"][1] - c["other"][2]) >= 0.1

    def as_high(f: Any, c: Case) -> bool:
        end, other = np.asarray(f(**c)), ends(c["other"], c["x"])
        moves = np.any(np.abs(step(end, c["x"]) - end) > 1e-13 * end)  # slowly away from a saddle, maybe
        return bool(moves) or float(likelihood(end, c["x"])) >= float(likelihood(other, c["x"])) - 0.01

    def pick(best: Callable[..., Any]) -> Callable[..., Any]:
        return lambda theta, other, x: best((ends(t, x) for t in (theta, other)), key=lambda t: float(likelihood(t, x)))

    return Suite(
        subject=lambda theta, other, x: ends(theta, x),
        reference=pick(max),
        draw=draw,
        valid=valid,
        sizes=(6,),
        adversarial=[
            {"theta": np.full(3, 0.5), "other": np.array([0.5, 0.2, 0.8]), "x": np.array([0.0, 0, 0, 10, 10, 10])}
        ],
        properties={"as high as from another guess, once it rests": as_high},
        mutants={
            "two coins alike": lambda theta, other, x: np.array([0.5, x.mean() / FLIPS, x.mean() / FLIPS]),
            "one coin for all": lambda theta, other, x: np.array([0.0, x.mean() / FLIPS, 0.5]),
            "the lower of both": pick(min),
        },
    )


experiment = Experiment(suites={"ascent": ascent, "summit": summit})
