"""E12: when does the gradient of a deep network vanish, when does it explode, and what mends it?

A fully connected network of `depth` hidden layers of `width` units at initialisation: h_l = phi(W_l h_{l-1}), uniform
weights of variance sigma_w^2 / width, no bias. For a random gradient at the top, the trial records how many decades
the squared norm of dL/dh_l loses from the last layer to the first. Mean-field theory says that each layer multiplies
that norm by chi = sigma_w^2 E[phi'(sqrt(q) z)^2], z standard normal, where q, the variance of the pre-activations,
follows q -> sigma_w^2 E[phi(sqrt(q) z)^2] (Poole et al. 2016, Schoenholz et al. 2017). All in float64: chi^64 leaves
the range of float32 at both ends of the grid.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf

from jaxml import Experiment, Figure, Traced
from jaxml.nn.padded import gated_scan

if TYPE_CHECKING:
    import xarray

PHI: dict[str, Callable[[jax.Array], jax.Array]] = {
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "erf": lambda z: erf(0.5 * np.sqrt(np.pi) * z),  # scaled to slope 1 at 0, as tanh
    "orthogonal": lambda z: z,  # a linear network with orthogonal weights, where the answer is known without theory
}
# Gaussian expectations. 200 points of Gauss and Hermite miss tanh'(20 z), 1 / 20 wide, by a factor of 70; the
# trapezoid rule, which converges faster than any power for such integrands, does not.
ABSCISSAE = np.linspace(-9.0, 9.0, 4000)  # an even number: no point lies on the kink of ReLU
WEIGHTS = np.exp(-0.5 * ABSCISSAE**2)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def trial(
    key: jax.Array,
    *,
    sigma_w: float,
    depth: Traced[int] = 64,
    activation: Literal["sigmoid", "tanh", "relu", "erf", "orthogonal"] = "sigmoid",
    block: Traced[Literal["plain", "residual", "batch norm", "batch norm and residual"]] = "plain",
    width: int = 100,
    batch: int = 8,
    deepest: int = 64,
) -> dict[str, Any]:
    """Initialise one network and send one gradient back through it."""
    both = block == "batch norm and residual"
    residual, normalised = (block == "residual") | both, (block == "batch norm") | both
    weight_key, input_key = jax.random.split(key)
    inputs, top = jax.random.normal(input_key, (2, batch, width))

    # On the way back weights are drawn again rather than kept: they are most of the memory, and cheap.
    @partial(jax.checkpoint, policy=jax.checkpoint_policies.dots_saveable)
    def layer(h: jax.Array, parameters: tuple[jax.Array, jax.Array]) -> jax.Array:
        number, nudge = parameters
        own_key = jax.random.fold_in(weight_key, number)
        if activation == "orthogonal":
            mirror = jax.random.normal(own_key, (width,), jnp.float32).astype(h.dtype)
            W = jnp.eye(width) - 2 * jnp.outer(mirror, mirror) / (mirror @ mirror)
        else:
            draw = jax.random.uniform(own_key, (width, width), jnp.float32, -1.0, 1.0).astype(h.dtype)
            W = draw * np.sqrt(3 / width)
        z = sigma_w * (h @ W)
        z = jnp.where(normalised, (z - z.mean(0, keepdims=True)) / jnp.sqrt(z.var(0, keepdims=True) + 1e-5), z)
        return jnp.where(residual, h, 0.0) + PHI[activation](z) + nudge

    def loss(nudges: jax.Array) -> jax.Array:
        return (top * gated_scan(layer, inputs, (jnp.arange(deepest), nudges), depth=depth)).sum()

    gradients = jax.grad(loss)(jnp.zeros((deepest, batch, width)))  # dL/dh_l, since each h_l = ... + nudge_l
    reached = jnp.arange(deepest) < depth
    norms = jnp.where(reached, jnp.log10(jnp.where(reached, (gradients**2).sum((1, 2)), 1.0)), 0.0)
    lost = norms[depth - 1] - norms[0]
    return {
        "decades_lost": lost,
        "decades_gained": -lost,
        "imbalance": jnp.abs(lost),
        "slope": -lost / jnp.maximum(depth - 1, 1).astype(float),
    }


def factors(activation: str, sigma_w: np.ndarray, layers: int, *, with_slope: bool = True) -> np.ndarray:
    """Theory's log10 chi at hidden layers 2, 3, ..., shape (sigma_w, layers); the inputs have variance 1.

    Args:
        with_slope: False leaves phi' out, which is what the weights alone would do.
    """
    variance = np.asarray(sigma_w, float)[:, None] ** 2
    slopes = mean_squared_slopes(activation, tuple(np.ravel(sigma_w).tolist()), layers, jnp.result_type(float).name)
    return np.log10(variance * (slopes if with_slope else np.ones_like(slopes)))


@lru_cache(maxsize=64)
def mean_squared_slopes(activation: str, sigma_w: tuple[float, ...], layers: int, dtype: str) -> np.ndarray:
    """E[phi'(sqrt(q) z)^2] at hidden layers 2, 3, ..., shape (sigma_w, layers), computed once for every use."""
    phi, variance = PHI[activation], np.asarray(sigma_w)[:, None] ** 2
    both = jax.jit(jax.vmap(jax.vmap(jax.value_and_grad(phi))))
    q, found = variance, []
    for _ in range(layers):
        values, slopes = both(jnp.asarray(np.sqrt(q) * ABSCISSAE, dtype))
        found.append((np.asarray(slopes, float) ** 2 @ WEIGHTS)[:, None])
        q = variance * (np.asarray(values, float) ** 2 @ WEIGHTS)[:, None]
    return np.concatenate(found, axis=1)


def theory_slope(results: "xarray.Dataset", *, with_slope: bool = True) -> "xarray.DataArray":
    """Theory's decades per layer for a plain network of each depth, in the shape of `slope`."""
    import xarray

    net = results.depth.dims[0]
    layers = max(int(results.depth.max()) - 1, 1)
    logs = np.stack(
        [factors(str(a), results.sigma_w.values, layers, with_slope=with_slope) for a in results.activation.values]
    )
    means = np.cumsum(logs, axis=-1) / np.arange(1, layers + 1)
    picked = means[..., np.maximum(results.depth.values - 2, 0)] * (results.depth.values > 1)
    theory = xarray.DataArray(picked, dims=("activation", "sigma_w", net))
    return theory.broadcast_like(results.slope).transpose(*results.slope.dims)


def theory_decades(parameters: Mapping[str, Any]) -> np.ndarray:
    """Theory's decades lost by a plain network, at any sigma_w and depth."""
    sigma_w, place = np.unique(parameters["sigma_w"], return_inverse=True)
    depth = np.asarray(parameters["depth"])
    logs = factors(parameters["activation"], sigma_w, max(int(depth.max()) - 1, 1))
    gained = np.concatenate([np.zeros((len(sigma_w), 1)), np.cumsum(logs, axis=1)], axis=1)
    return -gained[place.reshape(depth.shape), depth - 1]


def agreement(results: "xarray.Dataset", *, with_slope: bool = True) -> "xarray.DataArray":
    """1 - |measured - theory| / |theory|, where a theory within 0.1 decades of standing still counts as 0.1."""
    theory = theory_slope(results, with_slope=with_slope)
    return 1 - np.abs(results.slope - theory) / np.maximum(np.abs(theory), 0.1)


def against_theory(results: "xarray.Dataset") -> "xarray.DataArray":
    """Slope of every network, measured and as theory has it for a plain one, on an axis `source`."""
    import xarray

    source = xarray.Variable("source", np.asarray(["measured", "theory"], object))
    return xarray.concat([results.slope, theory_slope(results)], source)


experiment = Experiment(
    trial=trial,
    metrics={
        "theory_agreement": agreement,
        "weights_alone_agreement": lambda results: agreement(results, with_slope=False),
        "slope_by_source": against_theory,
    },
    theory={"decades_lost": theory_decades, "decades_gained": lambda parameters: -theory_decades(parameters)},
    figures=(
        Figure(
            "Decades of squared gradient norm per layer: measured, and mean-field theory",
            y="slope_by_source", x="sigma_w", lines="source", panels="activation", log_x=True,
            at={"block": "plain", "depth": "largest"},
        ),
        Figure(
            "Decades between the last and the first of 64 layers, by kind of block",
            y="imbalance", x="sigma_w", lines="block", panels="activation", log_x=True, at={"depth": "largest"},
        ),
        Figure(
            "Decades lost on the way to the first layer, by depth of a plain network (below 0: gained)",
            y="decades_lost", x="depth", lines="sigma_w", panels="activation", at={"block": "plain"},
        ),
    ),
)  # fmt: skip
