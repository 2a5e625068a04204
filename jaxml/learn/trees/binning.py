"""Quantile bins: every feature becomes a small integer, so that a split search is a sum over bins.

Bins depend on the features alone, never on weights, targets or hyperparameters: under `vmap` over those, all lanes
share one copy of what this module computes.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from jaxml.ops.checks import check_shapes

MAX_BINS = 256
MAX_BELOW_BYTES = 2**29  # half a gibibyte


class Binned(NamedTuple):
    """Features as bin numbers. `cuts` candidate splits a feature: bins - 1, and one more if entries may be missing.

    Attributes:
        codes: number of thresholds below each entry, (n, d), 0 to cuts; a missing entry has `cuts`.
        edges: ascending thresholds, (d, cuts): an entry goes left of cut b where it is <= edges[b]. Thresholds
            that are not needed are infinite, and so is the last one if entries may be missing: it parts the
            present ones from the missing.
        below: whether row i goes left at each cut of each feature, (n, d * cuts), as 0 and 1; None where that
            would be too large to keep.
    """

    codes: Int[Array, "n d"]
    edges: Float[Array, "d cuts"]
    below: Float[Array, "n candidates"] | None


def _column_edges(column: Float[Array, " n"], bins: int) -> Float[Array, " cuts"]:
    """The bins - 1 thresholds of one feature, ascending, padded with infinity."""
    n = column.shape[0]
    ordered = jnp.sort(column)  # NaN sorts last
    count = jnp.sum(~jnp.isnan(column))
    lower, upper = ordered[:-1], ordered[1:]
    middle = 0.5 * lower + 0.5 * upper
    # Halfway between neighbouring floats rounds to one of them: then the lower one is the threshold.
    middle = jnp.where(middle < upper, middle, lower)
    middle = jnp.where(upper > lower, middle, jnp.inf)  # false for NaN as well
    wanted = bins - 1
    # Few distinct values: a threshold in every gap.
    every_gap = jnp.sort(middle)
    every_gap = jnp.pad(every_gap, (0, max(0, wanted - n + 1)), constant_values=jnp.inf)[:wanted]
    # Many: the first gap at or after each of the bins - 1 inner quantiles.
    next_gap = jax.lax.cummin(middle, reverse=True) if n > 1 else middle
    rank = (jnp.arange(1, bins) * count) // bins - 1
    at_quantile = jnp.take(next_gap, jnp.clip(rank, 0, max(0, n - 2)), mode="fill", fill_value=jnp.inf)
    return jnp.where(jnp.sum(jnp.isfinite(middle)) <= wanted, every_gap, at_quantile)


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

    It is not supervised and not weighted: rows of weight zero count like any other.

    References:
        Ke et al. (2017), LightGBM, algorithm 1; Chen and Guestrin (2016), XGBoost, section 3.2.

    >>> bin_features(jnp.array([[1.0], [4.0], [2.0], [jnp.nan]]), bins=4).codes.T
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
    codes = jax.vmap(partial(jnp.searchsorted, side="left"), out_axes=1)(edges, X.T)
    codes = jnp.where(jnp.isnan(X), cuts, codes).astype(jnp.int32)
    if n * d * cuts * X.dtype.itemsize > MAX_BELOW_BYTES:
        return Binned(codes, edges, None)
    below = (codes[:, :, None] <= jnp.arange(cuts)[None, None]).reshape(n, d * cuts)
    return Binned(codes, edges, below.astype(X.dtype))
