"""E01, grown: how many rows does an L1 penalty need to find the coefficients that matter? Does squared L2 find them?

y = X w + noise, `k` of `d` coefficients are +1 or -1, features are Gaussian with corr(x_i, x_j) = rho^|i-j|. `rows` is
the number of rows in units of theory's 2 k log(d - k) (Wainwright 2009), so that one axis suits every k; rows beyond it
are computed and weighed 0. The penalty `lam` is in units of sigma sqrt(2 log(d) / n), theory's level of the noise that
it must drown. Each seed solves `repeats` problems: `recovered` is the share of them in which exactly the right
coefficients differ from 0, with the right signs, `found` the share of the right ones among the k largest.
"""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Figure, Traced
from jaxml.data import ar_design
from jaxml.learn.solvers import proximal_gradient
from jaxml.ops import prox_elastic_net

if TYPE_CHECKING:
    pass


def trial(
    key: jax.Array,
    *,
    lam: float = 1.0,
    rows: float = 1.0,
    k: Traced[int] = 4,
    rho: float = 0.0,
    squared: float = 0.0,
    d: int = 64,
    most: int = 140,
    sigma: float = 0.25,
    repeats: int = 6,
    steps: int = 250,
) -> dict[str, Any]:
    """Solve some problems under the L1 penalty, or with `squared` = 1 under a squared L2 penalty."""
    n = jnp.minimum(jnp.round(rows * 2 * k * jnp.log(jnp.asarray(d - k, float))), most)
    used = (jnp.arange(most).astype(float) < n).astype(float)
    strength = lam * sigma * jnp.sqrt(2 * np.log(d) / n)

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        design_key, place_key, sign_key, noise_key = jax.random.split(key, 4)
        X = ar_design(design_key, n=most, d=d, rho=rho)
        right = jax.random.permutation(place_key, d) < k
        truth = jnp.where(right, jax.random.rademacher(sign_key, (d,), float), 0.0)
        y = X @ truth + sigma * jax.random.normal(noise_key, (most,))
        X = X * used[:, None]
        gram, target = X.T @ X / n, X.T @ y / n
        # The largest eigenvalue from above: the Frobenius norm of the fourth power, to the 1 / 4.
        square = gram @ gram
        step = 1 / jnp.linalg.norm(square @ square) ** 0.25

        def prox(w: jax.Array, step: jax.Array) -> jax.Array:
            return prox_elastic_net(w, strength=step * strength, l1_ratio=1 - squared)

        w = proximal_gradient(lambda w: gram @ w - target, prox, jnp.zeros(d), step_size=step, steps=steps).params
        kept = jnp.where(jnp.abs(w) > 1e-4, jnp.sign(w), 0.0)
        rank = jnp.argsort(jnp.argsort(-jnp.abs(w)))
        return (kept == truth).all().astype(float), (right & (rank < k)).sum() / k

    recovered, found = jax.lax.map(one, jax.random.split(key, repeats))
    return {"recovered": recovered.mean(), "found": found.mean(), "rows_used": n, "sparsity": k / n}


experiment = Experiment(
    trial=trial,
    labels={"squared": {0.0: "no (L1)", 1.0: "yes (L2)"}},
    figures=(
        Figure("Problems in which L1 finds exactly the right coefficients, by rows in units of 2 k log(d - k)",
               y="recovered", x="rows", lines="k", panels="rho", log_x=True, at={"squared": 0.0},
               tune={"over": "lam", "maximise": "recovered"}),
        Figure("The right coefficients among the k largest, L1", y="found", x="rows", lines="rho", panels="k",
               log_x=True, at={"squared": 0.0}, tune={"over": "lam", "maximise": "found"}),
    ),
)  # fmt: skip
