"""E07: does a model with more parameters than it needs to fit its training rows perfectly predict worse and worse?

Least squares of least norm on random ReLU features of `d` inputs, `n` training rows, with a ridge penalty `lam` (0 is
the limit). The number of features is `ratio` times n: a lane, since features beyond it are masked out. The target is
linear in the inputs, plus noise. In float64, for at ratio 1 the problem is as ill-conditioned as can be.
"""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Figure
from jaxml.ops.lapack import eigh

if TYPE_CHECKING:
    import xarray


def trial(
    key: jax.Array,
    *,
    ratio: float = 1.0,
    noise: float = 0.5,
    lam: float = 0.0,
    n: int = 40,
    d: int = 10,
    largest: int = 1600,
    test_rows: int = 200,
) -> dict[str, Any]:
    """Draw a problem and features, fit them, and measure on training rows and on fresh ones without noise."""
    data_key, feature_key, truth_key = jax.random.split(key, 3)
    drawn = jax.random.normal(data_key, (n + test_rows, d + 1))
    X, error = drawn[:, :d], drawn[:n, d]
    truth = jax.random.normal(truth_key, (d,)) / jnp.sqrt(float(d))  # so that the signal has variance 1 on average
    features = jax.nn.relu(X @ jax.random.normal(feature_key, (d, largest)) / jnp.sqrt(float(d)))
    train, test = features[:n], features[n:]
    mask = (jnp.arange(largest, dtype=float) < ratio * n).astype(float) / (
        ratio * n
    )  # also divides features by sqrt(ratio n)
    y = X[:n] @ truth + noise * error

    # w = train' (train train' + lam I)^+ y is the solution of least norm, whether or not there are more features.
    values, vectors = eigh((train * mask[None]) @ train.T)
    usable = values > 1e-10 * values[-1]
    inverse = jnp.where(usable, 1 / jnp.where(usable, values + lam, 1.0), 0.0)
    dual = vectors @ (inverse * (vectors.T @ y))
    weights = mask * (train.T @ dual)
    predictions, held_out = test @ weights, X[n:] @ truth
    return {
        "test_error": ((predictions - held_out) ** 2).mean(),
        "train_error": ((train @ weights - y) ** 2).mean(),
    }


def fitted(results: "xarray.Dataset") -> "xarray.DataArray":
    """Decimal digits to which the training rows are reproduced."""
    return -np.log10(np.maximum(results.train_error, 1e-30)) / 2


experiment = Experiment(
    trial=trial,
    metrics={"digits_fitted": fitted},
    figures=(
        Figure("Error on fresh rows against features per training row", y="test_error", x="ratio", lines="lam",
               panels="noise", log_x=True, log_y=True),
        Figure("Decimal digits to which the training rows are reproduced", y="digits_fitted", x="ratio", lines="lam",
               panels="noise", log_x=True),
    ),
)  # fmt: skip
