"""E01: does an L1 penalty make a model sparse, does it need the exact minimiser, and does squared L2 do the same?

The penalty `lam` is given in units of the smallest L1 penalty that sets every coefficient to 0, so that one grid suits
every problem. Three problems: breast_cancer (logistic, a fresh split per seed), a planted sparse linear model, and an
orthogonal design, where both penalised solutions have closed forms (Tibshirani 1996, section 2.2).
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Figure
from jaxml.data import load_problem
from jaxml.learn.solvers import proximal_gradient, subgradient_descent
from jaxml.ops import prox_l1, prox_l2_squared, sigmoid_cross_entropy

CANCER = load_problem("breast_cancer")


class Split(NamedTuple):
    """Rows to fit, to tune and to report on; `support` marks the coefficients that truly matter, where known."""

    train: tuple[jax.Array, jax.Array]
    validation: tuple[jax.Array, jax.Array]
    test: tuple[jax.Array, jax.Array]
    support: jax.Array | None


def split_rows(X: jax.Array, y: jax.Array, support: jax.Array | None) -> Split:
    """60 % / 20 % / 20 %, features standardised by the training rows."""
    n = X.shape[0]
    a, b = round(0.6 * n), round(0.8 * n)
    X = (X - X[:a].mean(0, keepdims=True)) / X[:a].std(0, keepdims=True)
    return Split((X[:a], y[:a]), (X[a:b], y[a:b]), (X[b:], y[b:]), support)


def draw(key: jax.Array, problem: str, n: int, d: int, rho: Any, snr: Any) -> Split:
    """A fresh split of the real data, or a fresh sparse linear problem: y = X w + noise, one weight in ten not 0."""
    if problem == "breast_cancer":
        order = jnp.argsort(jax.random.uniform(key, CANCER.X.shape[0]))  # compiles sooner than jax.random.permutation
        return split_rows(jnp.asarray(CANCER.X, float)[order], jnp.asarray(CANCER.y, float)[order], None)
    rows = n if problem == "orthogonal" else round(n / 0.6)
    drawn = jax.random.normal(key, (rows + 1, d + 1))  # one draw for design, noise and places: each costs compile time
    X = cosine_design(n, d) if problem == "orthogonal" else drawn[:rows, :d] @ autoregression(d, rho).T
    signs = jnp.where(jnp.arange(d) < d // 10, 1.0 - 2.0 * (jnp.arange(d) % 2), 0.0)
    weights = signs[jnp.argsort(drawn[rows, :d])]  # the ranks of independent draws are a uniform permutation
    signal = X @ weights
    y = signal + jnp.sqrt(signal.var() / snr) * drawn[:rows, d]
    return Split((X, y), (X, y), (X, y), weights != 0) if problem == "orthogonal" else split_rows(X, y, weights != 0)


def cosine_design(n: int, d: int) -> jax.Array:
    """Columns that are orthogonal to each other and to the intercept, X'X = n I: a constant, computed in float64."""
    place, frequency = np.arange(n)[:, None] + 0.5, np.arange(1, d + 1)[None]
    return jnp.asarray(np.sqrt(2.0) * np.cos(np.pi * place * frequency / n), float)


def autoregression(d: int, rho: Any) -> jax.Array:
    """The Cholesky factor of corr(x_i, x_j) = rho^|i-j|."""
    row, column = jnp.arange(d)[:, None], jnp.arange(d)[None]
    fresh = jnp.where(column == 0, 1.0, jnp.sqrt(1 - rho**2))
    return jnp.where(row >= column, rho ** jnp.abs(row - column).astype(float) * fresh, 0.0)


def largest_eigenvalue(gram: jax.Array) -> jax.Array:
    """A tight upper bound from powers: trace(G^64)^(1/64) is at most d^(1/64) times too large."""

    def square(_: Any, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        logarithm, power = state
        size = jnp.trace(power)
        return 2 * (logarithm + jnp.log(size)), (power / size) @ (power / size)

    logarithm, power = jax.lax.fori_loop(0, 6, square, (jnp.zeros(()), gram))
    return jnp.exp((logarithm + jnp.log(jnp.trace(power))) / 64)


def trial(
    key: jax.Array,
    *,
    lam: float,
    solver: Literal["prox", "subgradient", "l2"] = "prox",
    problem: Literal["breast_cancer", "planted", "orthogonal"] = "breast_cancer",
    rho: float = 0.0,
    snr: float = 4.0,
    n: int = 100,
    d: int = 50,
    steps: int = 300,
) -> dict[str, Any]:
    """Fit one penalised linear or logistic model and count what is left of it."""
    split = draw(key, problem, n, d, rho, snr)
    (X, y), logistic = split.train, problem == "breast_cancer"

    def loss(params: dict[str, jax.Array], rows: tuple[jax.Array, jax.Array]) -> jax.Array:
        scores = rows[0] @ params["w"] + params["b"]
        return (sigmoid_cross_entropy(scores, rows[1]) if logistic else 0.5 * (scores - rows[1]) ** 2).mean()

    gradient = jax.grad(loss)
    rate = jnp.log(y.mean() / (1 - y.mean())) if logistic else y.mean()
    start = {"w": jnp.zeros(X.shape[1]), "b": rate}
    strength = lam * jnp.abs(gradient(start, split.train)["w"]).max()
    curvature = largest_eigenvalue(X.T @ X / X.shape[0]) + 1.0
    step = (4.0 if logistic else 1.0) / curvature
    tolerance = 4e-7 * jnp.abs(gradient(start, split.train)["w"]).max()

    if solver == "subgradient":

        def subgradient(params: dict[str, jax.Array]) -> dict[str, jax.Array]:
            slope = gradient(params, split.train)
            return slope | {"w": slope["w"] + strength * jnp.sign(params["w"])}

        fitted = subgradient_descent(subgradient, start, step_size=step, steps=steps).params
    else:

        def prox(params: dict[str, jax.Array], step: jax.Array) -> dict[str, jax.Array]:
            w = params["w"]
            if solver == "prox":
                return params | {"w": prox_l1(w, strength=step * strength)}
            return params | {"w": prox_l2_squared(w, strength=0.5 * step * strength)}

        fitted = proximal_gradient(
            lambda p: gradient(p, split.train), prox, start, step_size=step, steps=steps, tolerance=tolerance
        ).params

    zero = fitted["w"] == 0
    outputs = {
        "zero_fraction": zero.mean(),
        "coefficients": (~zero).sum().astype(float),
        "validation_loss": loss(fitted, split.validation),
        "test_loss": loss(fitted, split.test),
    }
    if solver == "prox":
        outputs["optimality_digits"] = optimality_digits(fitted["w"], gradient(fitted, split.train)["w"], strength)
    if split.support is not None:
        hits = (split.support & ~zero).sum()
        outputs["support_f1"] = 2 * hits / ((~zero).sum() + split.support.sum())
    if problem == "orthogonal":
        outputs["closed_form_digits"] = closed_form_digits(fitted["w"], X, y, strength, solver)
    return outputs


def optimality_digits(w: jax.Array, slope: jax.Array, strength: jax.Array) -> jax.Array:
    """How well 0 lies in slope + strength * sign(w): minus log10 of the worst violation in units of the penalty."""
    violation = jnp.where(w == 0, jnp.maximum(jnp.abs(slope) - strength, 0), jnp.abs(slope + strength * jnp.sign(w)))
    return -jnp.log10(jnp.clip(violation.max() / jnp.maximum(strength, 1e-12), 1e-16, 1e16))


def closed_form_digits(w: jax.Array, X: jax.Array, y: jax.Array, strength: jax.Array, solver: str) -> jax.Array:
    """Decimal digits to which `w` agrees with S(w_ols, lam) for L1, or w_ols / (1 + lam) for L2, when X'X = n I."""
    ols = X.T @ (y - y.mean()) / X.shape[0]
    exact = ols / (1 + strength) if solver == "l2" else jnp.sign(ols) * jnp.maximum(jnp.abs(ols) - strength, 0)
    return -jnp.log10(jnp.maximum(jnp.abs(w - exact).max(), 1e-16))


experiment = Experiment(
    trial=trial,
    labels={
        "solver": {"prox": "L1 (exact)", "subgradient": "L1 (subgradient)", "l2": "squared L2"},
        "problem": {"breast_cancer": "breast cancer"},
    },
    figures=(
        Figure(
            "Coefficients that are exactly 0", y="zero_fraction", x="lam", lines="solver", panels="problem", log_x=True
        ),
        Figure("Coefficients that are left", y="coefficients", x="lam", lines="solver", panels="problem", log_x=True),
        Figure(
            "Loss on held-out rows", y="test_loss", x="lam", lines="solver", panels="problem", log_x=True, log_y=True
        ),
        Figure("Support found (F1)", y="support_f1", x="lam", lines="solver", panels="problem", log_x=True),
    ),
)
