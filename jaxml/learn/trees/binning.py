"""Quantile bins: every feature becomes a small integer, so that a split search is a sum over bins.

Bins depend on the features alone, never on weights, targets or hyperparameters: under `vmap` over those, all lanes
share one copy of what this module computes.
"""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, NamedTuple, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Num

from jaxml.learn.checks import known
from jaxml.ops.checks import check_shapes
from jaxml.ops.exact import midpoint

MAX_BINS = 256
MAX_BELOW_BYTES = 2**29  # half a gibibyte
GLANCE = 1024  # rows that usually tell that a feature has more values than bins
F = TypeVar("F", bound=Callable[..., Any])


class Binned(NamedTuple):
    """Features as bin numbers. `cuts` candidate splits a feature: bins - 1, and one more if entries may be missing.

    Attributes:
        codes: number of thresholds below each entry, feature by feature, (d, n), 0 to cuts; a missing entry has `cuts`.
        edges: ascending thresholds, (d, cuts): an entry goes left of cut b where it is <= edges[b]. Thresholds
            that are not needed are infinite, and so is the last one if entries may be missing: it parts the
            present ones from the missing.
        below: whether row i goes left at each cut of each feature, (n, d * cuts), as 0 and 1; None where that
            would be too large to keep.
    """

    codes: Int[Array, "d n"]
    edges: Float[Array, "d cuts"]
    below: Float[Array, "n candidates"] | None


def _ascending(column: Float[Array, " n"]) -> Float[Array, " n"]:
    """Sorted, NaN last. XLA sorts integers faster than floats on a CPU, so these are sorted as integers."""
    whole = jnp.dtype(f"int{8 * column.dtype.itemsize}")

    def turn(bits: Array) -> Array:
        # Floats are a sign and a magnitude: with the magnitude of negative ones turned round, they rank as integers.
        return jnp.where(bits < 0, bits ^ jnp.iinfo(whole).max, bits)

    present = jnp.where(jnp.isnan(column), jnp.nan, column)  # a NaN may carry a minus sign
    return lax.bitcast_convert_type(turn(jnp.sort(turn(lax.bitcast_convert_type(present, whole)))), column.dtype)


def _column_edges(column: Float[Array, " n"], bins: int) -> Float[Array, " cuts"]:
    """The bins - 1 thresholds of one feature, ascending, padded with infinity."""
    n, wanted = column.shape[0], jnp.arange(1, bins, dtype=jnp.int32)
    if n == 1:
        return jnp.full(bins - 1, jnp.inf, column.dtype)
    ordered = _ascending(column)
    count = jnp.sum(~jnp.isnan(column), dtype=jnp.int32)
    lower, upper = ordered[:-1], ordered[1:]
    gap = (upper > lower).astype(jnp.int32)  # 0 for NaN as well
    number = jnp.cumsum(gap)  # gaps up to and with this place
    # Few distinct values: a threshold in every gap. Many: the first gap at or after each of the inner quantiles.
    # wanted * count // bins, of which the product would not fit 32 bits from 8 million rows on.
    quantile = wanted * (count // bins) + wanted * (count % bins) // bins
    rank = jnp.clip(quantile - 1, 0, n - 2)
    wanted = jnp.where(number[-1] < bins, wanted, (number - gap)[rank] + 1)
    place = jnp.searchsorted(number, wanted)
    low, high = (jnp.take(side, place, mode="fill", fill_value=jnp.inf) for side in (lower, upper))
    middle = midpoint(low, high)
    # Halfway between neighbouring floats rounds to one of them: then the lower one is the threshold.
    return jnp.where(middle < high, middle, low)


@partial(jax.jit, static_argnames=("bins", "missing"))
def bin_features(X: Num[Array, "n d"], *, bins: int = 64, missing: bool = True) -> Binned:
    """Cut every feature at quantiles into at most `bins` intervals.

    A feature with at most `bins` distinct values gets a threshold halfway between each two neighbours (the splits
    of an exact tree; ordinal categories are such a feature); any other gets its inner quantiles k / bins, each
    moved to the next gap between distinct values.

    Args:
        X: features, (n, d); NaN marks a missing entry.
        bins: intervals per feature, static, 2 to 256.
        missing: whether entries may be missing; False halves the search for splits, and sends NaN right.

    Returns:
        Bin numbers and thresholds, see `Binned`.

    Raises:
        ValueError: for a shape that is not (n, d) or a number of bins outside 2 to 256.

    Note: not supervised and not weighted: rows of weight zero count like any other.

    References:
        Ke et al. (2017), LightGBM, algorithm 1; Chen and Guestrin (2016), XGBoost, section 3.2.

    >>> bin_features(jnp.array([[1.0], [4.0], [2.0], [jnp.nan]]), bins=4).codes
    Array([[0, 2, 1, 4]], dtype=int32)
    """
    check_shapes("bin_features", X=(X, "n d"), hint="Use X.reshape(n, -1).")
    if not 2 <= bins <= MAX_BINS:
        raise ValueError(f"bin_features: 'bins' must be from 2 to {MAX_BINS}, got {bins}.")
    if not jnp.issubdtype(X.dtype, jnp.floating):
        X = X.astype(jnp.result_type(float))
    edges = jax.vmap(partial(_column_edges, bins=bins), in_axes=1)(X)
    if missing:
        edges = jnp.pad(edges, ((0, 0), (0, 1)), constant_values=jnp.inf)
    (n, d), cuts = X.shape, edges.shape[1]
    codes = jax.vmap(partial(jnp.searchsorted, side="left"))(edges, X.T)
    codes = jnp.where(jnp.isnan(X.T), cuts, codes).astype(jnp.int32)
    if n * d * cuts * X.dtype.itemsize > MAX_BELOW_BYTES:
        return Binned(codes, edges, None)
    below = (codes.T[:, :, None] <= jnp.arange(cuts, dtype=jnp.int32)[None, None]).reshape(n, d * cuts)
    return Binned(codes, edges, below.astype(X.dtype))


def bins_from_data(fit: F) -> F:
    """Decorate a jitted fit of (key, X, y): known features choose whether any is missing, and no more bins than values.

    Neither changes the tree, both what its search costs. Inside `jit` and for `Binned` features the general case stays.
    """

    @wraps(fit)
    def run(key: Any, X: Any, y: Any, *rest: Any, bins: int = 64, missing: bool | None = None, **options: Any) -> Any:
        if not isinstance(X, Binned) and known(X) and np.ndim(X) == 2:
            values = np.asarray(X)
            values = values.astype(np.float32) if values.dtype.itemsize < 4 else values  # NumPy cannot sort bfloat16
            missing = bool(np.isnan(values).any()) if missing is None else missing
            bins = min(bins, _most_values(values, bins)) if bins <= MAX_BINS else bins
        return fit(key, X, y, *rest, bins=bins, missing=True if missing is None else missing, **options)

    return cast("F", run)


def _most_values(values: np.ndarray, enough: int) -> int:
    """The number of different values of the feature that has most, at least 2; or any number from `enough` on."""
    most = 2
    for rows in (values[:GLANCE], values):
        for column in rows.T:
            most = max(most, np.unique(column).size)
            if most >= enough:
                return most
    return most
