"""E09, E11: what do outliers do to a fit under the squared loss and under smooth L1, and what could a loss do at best?

A share `fraction` of the training rows gets `size` added to its target and `leverage` to one feature, all in standard
deviations: leverage 0 is an outlier in the target alone. Errors are measured on clean rows. Each loss of `jaxml.ops` is
minimised by iteratively reweighted least squares, with weights loss'(r) / r. Tukey's redescending loss, which is not
convex, starts from least trimmed squares (Rousseeuw and Van Driessen 2006) and takes its scale from there.

Where outliers of one size s move the fitted intercept alone, by f s of a share f of the rows, they keep a residual of
(1 - f) s and leave the others with -f s. With clean residuals of variance v their share of the squared loss is

    f ((1 - f)^2 s^2 + v) / (f (1 - f) s^2 + v) = 1/2   at   s = sqrt(v / (f (1 - f)))   (`half_at`)
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp

from jaxml import Experiment, Figure, Metric
from jaxml.data import load_problem
from jaxml.learn import solve_positive
from jaxml.ops import smooth_l1, squared_error, tukey_biweight

if TYPE_CHECKING:
    import xarray

DIABETES = load_problem("diabetes")
BMI = DIABETES.feature_names.index("bmi")
LOSSES: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "squared": squared_error,
    "smooth_l1": smooth_l1,  # beta = 1, one standard deviation of the targets
    "tukey": tukey_biweight,
}


def draw(key: jax.Array, problem: str, n: int, d: int) -> tuple[jax.Array, jax.Array, int, int]:
    """Standardised features and targets, the number of training rows, and the feature that outliers move."""
    if problem == "diabetes":
        order = jax.random.permutation(key, len(DIABETES.y))
        X, y = jnp.asarray(DIABETES.X, float)[order], jnp.asarray(DIABETES.y, float)[order]
        rows, column = round(0.8 * len(DIABETES.y)), BMI
    else:
        noise = jax.random.normal(key, (3 * n, d + 1))
        X, y, rows, column = noise[:, :d], noise[:, :d].sum(1) / jnp.sqrt(float(d)) + noise[:, d], n, 0
    train = X[:rows]
    return (X - train.mean(0, keepdims=True)) / train.std(0, keepdims=True), y / y[:rows].std(), rows, column


def weighted_fit(A: jax.Array, y: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted least squares, with a trace of ridge so that no draw of rows is singular."""
    gram = (A * weights[:, None]).T @ A
    return solve_positive(gram + 1e-5 * jnp.trace(gram) * jnp.eye(A.shape[1]), A.T @ (weights * y)[:, None])[:, 0]


def smaller_half(values: jax.Array) -> jax.Array:
    """1 for the smaller half of non-negative values, 0 for the others, by bisection: sorting takes far longer."""

    def halve(_: Any, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = 0.5 * (low + high)
        enough = 2 * (values <= middle).sum() >= len(values)
        return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

    _, high = jax.lax.fori_loop(0, 30, halve, (jnp.zeros(()), values.max()))
    return (values <= high).astype(values.dtype)


def least_trimmed(key: jax.Array, A: jax.Array, y: jax.Array, *, starts: int, kept: int) -> jax.Array:
    """Least squares on the half of the rows that fits best: two sweeps from many starts, ten more from the best."""
    n, d = A.shape

    def refine(w: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        residual = jnp.abs(y - A @ w)
        inside = smaller_half(residual)
        return weighted_fit(A, y, inside), (inside * residual**2).sum()

    def attempt(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        rows = jax.random.randint(key, (d,), 0, n)
        w, cost = jax.lax.scan(refine, weighted_fit(A[rows], y[rows], jnp.ones(d)), length=2)
        return w, cost[-1]

    found, cost = jax.vmap(attempt)(jax.random.split(key, starts))
    best, cost = jax.vmap(lambda w: jax.lax.scan(refine, w, length=10))(found[jnp.argsort(cost)[:kept]])
    return best[cost[:, -1].argmin()]


def trial(
    key: jax.Array,
    *,
    fraction: float = 0.1,
    size: float = 10.0,
    leverage: float = 0.0,
    loss: Literal["squared", "smooth_l1", "tukey"] = "squared",
    problem: Literal["diabetes", "planted"] = "diabetes",
    n: int = 200,
    d: int = 5,
    steps: int = 50,
    starts: int = 80,
    kept: int = 10,
) -> dict[str, Any]:
    """Contaminate the training rows, fit a linear model under one loss, and measure it on clean rows."""
    data_key, start_key = jax.random.split(key)
    X, y, rows, column = draw(data_key, problem, n, d)
    bad = jnp.arange(rows, dtype=float) < fraction * rows
    A = jnp.concatenate([jnp.ones((len(y), 1)), X], axis=1)
    test, A, clean = A[rows:], A[:rows].at[:, column + 1].add(jnp.where(bad, leverage, 0.0)), y[:rows]
    target = clean + jnp.where(bad, size, 0.0)
    spread = ((A @ weighted_fit(A, clean, jnp.ones(rows)) - clean) ** 2).mean()

    w, scale = weighted_fit(A, target, jnp.ones(rows)), jnp.ones(())
    if loss == "tukey":
        w = least_trimmed(start_key, A, target, starts=starts, kept=kept)
        scale = 1.4826 * jnp.median(jnp.abs(target - A @ w))  # the standard deviation of normal noise
    value = lambda residual: LOSSES[loss](residual / scale, jnp.zeros_like(residual))  # noqa: E731
    slope = jax.vmap(jax.grad(lambda r: value(r[None])[0]))

    def reweigh(w: jax.Array, _: None) -> tuple[jax.Array, None]:
        residual = A @ w - target
        residual = jnp.where(jnp.abs(residual) < 1e-3, 1e-3, residual)
        return weighted_fit(A, target, slope(residual) / residual), None

    w = jax.lax.scan(reweigh, w, length=1 if loss == "squared" else steps)[0]
    residual = A @ w - target
    losses, slopes = value(residual), jnp.abs(slope(residual))
    return {
        "error": jnp.abs(test @ w - y[rows:]).mean(),
        "loss_share": jnp.where(bad, losses, 0.0).sum() / losses.sum(),
        "gradient_share": jnp.where(bad, slopes, 0.0).sum() / slopes.sum(),
        "half_at": jnp.sqrt(spread / (fraction * (1 - fraction))),
    }


kept = Metric(lambda here, clean: clean.error / here.error, inputs={"clean": {"size": 0.0, "leverage": 0.0}})
"""Error without outliers over error with them, under the same loss: 1 when they do no harm."""


def size_ten(values: "xarray.DataArray") -> "xarray.DataArray":
    """Values at the size nearest to 10 standard deviations."""
    return values.sel(size=10.0, method="nearest", drop=True)


experiment = Experiment(
    trial=trial,
    labels={"loss": {"smooth_l1": "smooth L1", "tukey": "Tukey"}},
    metrics={
        "kept": kept,
        "takes_over_at": Metric(lambda clean: clean.half_at, inputs={"clean": {"size": 0.0, "leverage": 0.0}}),
        "kept_at_size_10": lambda results: size_ten(kept(results)),
        "loss_share_of_targets": lambda results: results.loss_share.sel(leverage=0.0, drop=True),
    },
    figures=(
        Figure(
            "Accuracy kept when outliers of size 10 also lie far out in one feature (1: no harm)",
            y="kept_at_size_10", x="leverage", lines="loss", panels="fraction",
        ),
        Figure(
            "Error on clean rows, outliers in the targets alone",
            y="error", x="size", lines="loss", panels="fraction", log_y=True,
        ),
        Figure(
            "Share of the training loss that the outliers in the targets hold",
            y="loss_share_of_targets", x="size", lines="loss", panels="fraction",
        ),
    ),
)  # fmt: skip
