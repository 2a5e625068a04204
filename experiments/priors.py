"""E03: which penalty suits which prior, and is it the law of the data or of the parameters that picks it?

y = X w + noise with Gaussian features. The coefficients follow a generalised Gaussian law exp(-|w|^shape) (2: Gaussian,
1: Laplace, 1/2: heavier yet), or are 0 but for a share `1 - zeros`; they are scaled to squared norm 1. The noise
follows a law of the same family. A fit minimises loss + penalty: squared or absolute error (Huber's, `delta` large or
small), L1 or squared L2 (`squared` = 1). Rows beyond `n` weigh 0. Both penalties get the best of the same strengths, by
the true error (oracle) or by the error on held-out rows (validation).
"""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Figure, Metric, Traced
from jaxml.learn.solvers import proximal_gradient
from jaxml.ops import prox_elastic_net

if TYPE_CHECKING:
    import xarray


def generalised_gaussian(key: jax.Array, shape: Any, size: tuple[int, ...]) -> jax.Array:
    """Draws with density proportional to exp(-|x|^shape), scaled to variance 1: |x|^shape is gamma(1 / shape)."""
    sign_key, size_key = jax.random.split(key)
    power = jax.random.gamma(size_key, 1 / shape, size)
    variance = jnp.exp(jax.lax.lgamma(3 / shape) - jax.lax.lgamma(1 / shape))
    return jax.random.rademacher(sign_key, size, float) * power ** (1 / shape) / jnp.sqrt(variance)


def trial(
    key: jax.Array,
    *,
    lam: float = 0.1,
    shape: float = 2.0,
    zeros: float = 0.0,
    noise_shape: float = 2.0,
    squared: float = 0.0,
    delta: float = 1000.0,
    n: Traced[int] = 40,
    d: int = 40,
    most: int = 80,
    sigma: float = 0.7,
    repeats: int = 6,
    steps: int = 300,
) -> dict[str, Any]:
    """Solve `repeats` problems under one loss and one penalty of strength `lam`."""
    used = (jnp.arange(most) < n).astype(float)[:, None] / n
    scale = jnp.minimum(delta, 1.0)

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        design_key, weight_key, noise_key = jax.random.split(key, 3)
        X = jax.random.normal(design_key, (2 * most, d))
        drawn = generalised_gaussian(weight_key, shape, (d,))
        near = (jnp.abs(drawn) * (jnp.arange(d) >= zeros * d) < 0.1).mean()
        truth = jnp.where(jnp.arange(d).astype(float) >= zeros * d, drawn, 0.0)
        truth = truth / jnp.linalg.norm(truth)
        y = X @ truth + sigma * generalised_gaussian(noise_key, noise_shape, (2 * most,))

        def slope(w: jax.Array) -> jax.Array:
            residual = X[:most] @ w - y[:most]
            return X[:most].T @ (used[:, 0] * jnp.clip(residual, -delta, delta) / scale)

        def prox(w: jax.Array, step: jax.Array) -> jax.Array:
            return prox_elastic_net(w, strength=step * lam, l1_ratio=1 - squared)

        # The largest eigenvalue of X'X / n from above, for Gaussian features: (1 + sqrt(d / n))^2 and a tenth.
        step = scale / (1.1 * (1 + jnp.sqrt(d / n)) ** 2)
        w = proximal_gradient(slope, prox, jnp.zeros(d), step_size=step, steps=steps).params
        held_out = X[most:] @ w - y[most:]
        return ((w - truth) ** 2).sum(), jnp.abs(held_out).mean(), near

    error, validation, near = jax.lax.map(one, jax.random.split(key, repeats))
    return {"error": error.mean(), "validation_error": validation.mean(), "near_zero": near.mean()}


def best(fits: "xarray.Dataset") -> "xarray.DataArray":
    """Log of the error at the best strength for every seed."""
    return np.log(fits.error.min("lam"))


def validated(fits: "xarray.Dataset") -> "xarray.DataArray":
    """Log of the error at the strength that does best on held-out rows."""
    return np.log(fits.error.isel(lam=fits.validation_error.argmin("lam")).drop_vars("lam"))


SQUARE, ABSOLUTE = 1000.0, 0.05
PENALTIES = {
    "l1": {"squared": 0.0, "delta": SQUARE, "lam": ...},
    "l2": {"squared": 1.0, "delta": SQUARE, "lam": ...},
}
LOSSES = {
    "absolute": {"squared": 1.0, "delta": ABSOLUTE, "lam": ...},
    "square": {"squared": 1.0, "delta": SQUARE, "lam": ...},
}
gain_of_l1 = Metric(lambda l1, l2: best(l2) - best(l1), inputs=PENALTIES)
gain_validated = Metric(lambda l1, l2: validated(l2) - validated(l1), inputs=PENALTIES)
gain_of_absolute = Metric(lambda absolute, square: best(square) - best(absolute), inputs=LOSSES)


def moved_by_noise(contrast: "xarray.DataArray") -> "xarray.DataArray":
    """How much larger a contrast is with Laplace noise than with Gaussian noise."""
    return contrast.sel(noise_shape=1.0, drop=True) - contrast.sel(noise_shape=2.0, drop=True)


def by_law(values: "xarray.DataArray") -> "xarray.DataArray":
    """Values along an axis that names the law of the coefficients."""
    laws = {2.0: "Gaussian", 1.0: "Laplace"}
    names = [
        laws.get(shape, f"shape {shape:g}") + (f", {zeros:.0%} are 0" if zeros else "")
        for shape, zeros in zip(values.coords["shape"].values, values.zeros.values, strict=True)
    ]
    plain = values.drop_vars(["shape", "zeros"])
    return plain.rename(prior="law").assign_coords(law=np.asarray(names, object))


experiment = Experiment(
    trial=trial,
    labels={"squared": {0.0: "no (L1)", 1.0: "yes (L2)"}},
    metrics={
        "gain_of_l1": gain_of_l1,
        "gain_of_l1_validated": gain_validated,
        "gain_of_l1_by_noise": lambda results: moved_by_noise(gain_of_l1(results)),
        "gain_of_absolute_by_noise": lambda results: moved_by_noise(gain_of_absolute(results)),
        "share_near_zero": lambda results: results.near_zero.isel(lam=0, drop=True),
        "gain_by_law": lambda results: by_law(gain_of_l1(results)),
        "validated_gain_by_law": lambda results: by_law(gain_validated(results)),
        "near_zero_by_law": lambda results: by_law(results.near_zero.isel(lam=0, squared=0, delta=0, drop=True)),
    },
    figures=(
        Figure("Log of the error of squared L2 over that of L1, each at its best", y="gain_by_law", x="law", lines="n",
               panels="noise_shape"),
        Figure("The same, the strength chosen on held-out rows", y="validated_gain_by_law", x="law", lines="n",
               panels="noise_shape"),
        Figure("Share of coefficients below a tenth of their standard deviation", y="near_zero_by_law", x="law"),
    ),
)  # fmt: skip
