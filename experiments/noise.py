"""E33: does noise in training act as a regulariser, and is it the same as an L2 penalty?

Fresh normal noise of standard deviation `sigma` is drawn in every step: on the inputs, on the weights (in units of one
over the root of a unit's inputs), or on the weights in proportion to their size. For a linear model under the squared
loss the averaged loss is known: noise on inputs adds sigma^2 |w|^2 / 2 (Bishop 1995), noise on weights a constant,
noise in proportion to weights sigma^2 sum_j w_j^2 mean(x_j^2) / 2. `penalty` is the first of these, added as it is.

Linear problems are solved by gradient descent whose iterates are averaged, and compared on fresh rows with the closed
forms: least squares, ridge, and ridge with a penalty for each weight of its own. The network (one hidden layer of tanh,
digits with wrong labels) has none; what is measured is its error, the size of its weights, how much its outputs
depend on them, and by what share noise raises the loss that it was trained on (`noise_felt`).
"""

import itertools
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.sparse.linalg import cg

from jaxml import Experiment, Figure
from jaxml.data import load_problem
from jaxml.learn import train
from jaxml.ops import softmax_cross_entropy

if TYPE_CHECKING:
    import xarray

DIGITS = load_problem("digits")
PIXELS = (DIGITS.X - DIGITS.X.mean()) / DIGITS.X.std()
KINDS = {"on_inputs": "on inputs", "on_weights": "on weights", "in_proportion": "in proportion to weights"}
Weights = list[jax.Array]


def draw_linear(
    key: jax.Array, target_noise: Any, n: int, d: int, test_rows: int
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Training rows and targets, test rows and clean targets; every feature contributes as much to them."""
    noise = jax.random.normal(key, (n + test_rows, d + 1))
    X, signs = noise[:, :d], jnp.where(jnp.arange(d) % 2 == 0, 1.0, -1.0) / jnp.sqrt(float(d))
    signal = X @ signs
    return X[:n], signal[:n] + target_noise * noise[:n, d], X[n:], signal[n:]


def draw_digits(
    key: jax.Array, wrong: Any, n: int, test_rows: int
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Fresh rows of digits; a share of the training labels is moved to another class."""
    order_key, move_key = jax.random.split(key)
    rows = jax.random.permutation(order_key, len(DIGITS.y))[: n + test_rows]
    X, y = jnp.asarray(PIXELS, float)[rows], jnp.asarray(DIGITS.y)[rows]
    # A whole number of rows: 0.3 of 100 is a little more than 30 in single precision.
    moved = jnp.where(jnp.arange(n).astype(float) < jnp.round(wrong * n), jax.random.randint(move_key, (n,), 1, 10), 0)
    return X[:n], (y[:n] + moved) % 10, X[n:], y[n:]


def outputs(weights: Weights, X: jax.Array) -> jax.Array:
    """A linear model, or a network with hidden layers of tanh."""
    for W in weights[:-1]:
        X = jnp.tanh(X @ W)
    return X @ weights[-1]


def trial(
    key: jax.Array,
    *,
    sigma: float,
    on_inputs: float = 0.0,
    on_weights: float = 0.0,
    in_proportion: float = 0.0,
    penalty: float = 0.0,
    target_noise: float = 1.0,
    unevenness: float = 0.0,
    model: Literal["linear", "network"] = "linear",
    n: int = 30,
    d: int = 10,
    steps: int = 6000,
    digits_rows: int = 100,
    hidden: int = 16,
    network_steps: int = 200,
) -> dict[str, Any]:
    """Fit one model with one kind of noise (the one whose level is 1) or with the penalty.

    `target_noise` is in standard deviations of the signal; for digits it is the share of wrong training labels.
    """
    data_key, start_key, noise_key = jax.random.split(key, 3)
    network = model == "network"
    X, y, X_test, y_test = (
        draw_digits(data_key, target_noise, digits_rows, 150)
        if network
        else draw_linear(data_key, target_noise, n, d, 200)
    )
    scales = jnp.exp(unevenness * jnp.linspace(-1.0, 1.0, X.shape[1]))[None]
    X, X_test = X * scales, X_test * scales

    def mean_loss(weights: Weights, X: jax.Array, y: jax.Array) -> jax.Array:
        found = outputs(weights, X)
        return (softmax_cross_entropy(found, y) if network else 0.5 * (found[:, 0] - y) ** 2).mean()

    def loss(key: jax.Array, weights: Weights, batch: Any) -> jax.Array:
        input_key, *keys = jax.random.split(key, 1 + len(weights))
        noisy = []
        for W, own in zip(weights, keys, strict=True):
            noise = sigma * jax.random.normal(own, W.shape)
            noisy.append(W * (1 + in_proportion * noise) + on_weights * noise / np.sqrt(W.shape[0]))
        rows = batch[0] + on_inputs * sigma * jax.random.normal(input_key, batch[0].shape)
        return mean_loss(noisy, rows, batch[1]) + 0.5 * penalty * sigma**2 * sum((W**2).sum() for W in weights)

    if network:
        sizes = (X.shape[1], hidden, 10)
        start = [
            jax.random.normal(k, shape) / np.sqrt(shape[0])
            for k, shape in zip(jax.random.split(start_key), itertools.pairwise(sizes), strict=True)
        ]
        fitted = train(noise_key, loss, start, (X, y), optimizer=optax.adam(0.02), steps=network_steps).params
        felt_key = jax.random.fold_in(noise_key, network_steps)  # the one after the last step's
        noisy = jax.vmap(lambda key: loss(key, fitted, (X, y)))(jax.random.split(felt_key, 64)).mean()
        quiet = mean_loss(fitted, X, y) + 0.5 * penalty * sigma**2 * sum((W**2).sum() for W in fitted)
        return {
            "noise_felt": noisy / quiet - 1,
            "test_error": mean_loss(fitted, X_test, y_test),
            "size": sum((W**2).sum() for W in fitted),
            "dependence": dependence(fitted, X_test),
        }

    gram, target = X.T @ X / n, X.T @ y / n
    # The largest eigenvalue from above; noise in proportion to the weights makes the noisy curvature larger.
    curvature = jnp.trace(gram @ gram @ gram @ gram) ** 0.25 * (1 + 3 * in_proportion * sigma**2) + sigma**2
    step = 0.25 / curvature
    late = (jnp.arange(steps) >= steps // 4).astype(float)

    def descend(state: tuple[Weights, jax.Array], number: jax.Array) -> tuple[tuple[Weights, jax.Array], None]:
        (w,), mean = state
        (slope,) = jax.grad(loss, argnums=1)(jax.random.fold_in(noise_key, number), [w], (X, y))
        return ([w - step * slope], mean + late[number] * w), None

    begin = ([jnp.zeros((d, 1))], jnp.zeros((d, 1)))
    w = jax.lax.scan(descend, begin, jnp.arange(steps))[0][1][:, 0] / late.sum()

    def minimiser(shrink: jax.Array) -> jax.Array:
        return cg(lambda w: gram @ w + shrink * w, target, tol=1e-7, maxiter=4 * d)[0]

    ols, ridge, own = jax.vmap(minimiser)(sigma**2 * jnp.stack([jnp.zeros(d), jnp.ones(d), jnp.diag(gram)]))
    return {
        "test_error": ((X_test @ w - y_test) ** 2).mean(),
        "like_ridge": likeness(X_test @ w, X_test @ ols, X_test @ ridge),
        "like_own_penalties": likeness(X_test @ w, X_test @ ols, X_test @ own),
    }


def likeness(found: jax.Array, ols: jax.Array, other: jax.Array) -> jax.Array:
    """1 where predictions are those of `other`; 0 or less where they are no nearer to it than least squares is."""
    return 1 - jnp.linalg.norm(found - other) / jnp.linalg.norm(ols - other)


def dependence(weights: Weights, X: jax.Array) -> jax.Array:
    """Mean squared norm of the gradient of an output with respect to all weights, over outputs and rows."""

    def row(x: jax.Array) -> jax.Array:
        def sums(nudges: list[jax.Array]) -> tuple[jax.Array, list[jax.Array]]:
            """The outputs, and what enters each layer."""
            z, entered = x, []
            for W, nudge in zip(weights, nudges, strict=True):
                entered.append(jnp.tanh(z) if entered else z)
                z = entered[-1] @ W + nudge
            return z, entered

        slopes, entered = jax.jacrev(sums, has_aux=True)([jnp.zeros(W.shape[1], W.dtype) for W in weights])
        # The gradient for a weight is what enters by it times the gradient for the sum that it enters.
        norms = [(h**2).sum() * (s**2).sum() for h, s in zip(entered, slopes, strict=True)]
        return sum(norms, jnp.zeros(())) / weights[-1].shape[1]

    return jax.vmap(row)(X).mean()


def by_kind(results: "xarray.Dataset", values: "xarray.DataArray") -> "xarray.DataArray":
    """The same values along an axis that names the kind of noise."""
    axis = results.on_inputs.dims[0]
    names = ["none"] * results.sizes[axis]
    for column, name in (KINDS | {"penalty": "none, but an L2 penalty"}).items():
        names = [name if on else before for on, before in zip(results[column].values, names, strict=True)]
    plain = values.drop_vars([c for c in values.coords if c not in values.dims and c in (*KINDS, "penalty")])
    return plain.rename({axis: "noise_kind"}).assign_coords(noise_kind=np.asarray(names, object))


experiment = Experiment(
    trial=trial,
    labels={name: {0.0: "no", 1.0: "yes"} for name in ("on_inputs", "on_weights", "in_proportion", "penalty")},
    metrics={
        "likeness_to_ridge": lambda results: by_kind(results, results.like_ridge),
        "error": lambda results: by_kind(results, results.test_error),
        "dependence_on_weights": lambda results: by_kind(results, results.dependence),
    },
    figures=(
        Figure("Likeness to ridge of the model trained with noise (1: the same, 0: as least squares)",
               y="likeness_to_ridge", x="sigma", lines="noise_kind", panels="model", log_x=True),
        Figure("Error on fresh rows", y="error", x="sigma", lines="noise_kind", panels="model", log_x=True,
               log_y=True),
        Figure("How much the network's outputs depend on its weights", y="dependence_on_weights", x="sigma",
               lines="noise_kind", panels="model", log_x=True, log_y=True),
    ),
)  # fmt: skip
