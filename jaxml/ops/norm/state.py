"""Parameters and running statistics of normalisation: their shapes, and the conventions that track them."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxml.ops.checks import Scalar, accumulator_dtype, check_choice

__all__ = ["BatchNormState", "NormParams", "convert_batch_norm_state", "convert_momentum", "init_batch_norm"]

Convention = Literal["flax", "torch", "onnx"]


class NormParams(NamedTuple):
    """Scale and shift after normalisation, of the rank of `x`.

    See also: `init_batch_norm`, which makes them.
    """

    scale: Float[Array, "..."]
    bias: Float[Array, "..."]


class BatchNormState(NamedTuple):
    """Running mean and variance, of the rank of `x`, under the caller's convention.

    See also: `convert_batch_norm_state`.
    """

    mean: Float[Array, "..."]
    var: Float[Array, "..."]


class Rule(NamedTuple):
    momentum: float
    momentum_weighs_new: bool
    unbiased: bool


RULES = {
    "flax": Rule(momentum=0.99, momentum_weighs_new=False, unbiased=False),
    "torch": Rule(momentum=0.1, momentum_weighs_new=True, unbiased=True),
    "onnx": Rule(momentum=0.9, momentum_weighs_new=False, unbiased=False),
}


def init_batch_norm(shape: Sequence[int], *, axis: int = -1) -> tuple[NormParams, BatchNormState]:
    """Parameters and state that leave a standard normal batch as it is.

    ``scale = 1, bias = 0, mean = 0, var = 1``.

    Args:
        shape: the shape of the batches to come; sizes other than the channels' do not matter.
        axis: the channel axis.

    Returns:
        ``(params, state)``, float32, with 1 on every axis but `axis`.

    Raises:
        ValueError: when `shape` has no such axis.

    Reference: Ioffe and Szegedy (2015), Batch Normalization, ICML.

    >>> params, state = init_batch_norm((8, 3, 32, 32), axis=1)
    >>> state.mean.shape
    (1, 3, 1, 1)
    """
    (channel,) = axes_of("init_batch_norm", len(shape), axis)
    kept = tuple(size if a == channel else 1 for a, size in enumerate(shape))
    return NormParams(jnp.ones(kept), jnp.zeros(kept)), BatchNormState(jnp.zeros(kept), jnp.ones(kept))


def convert_batch_norm_state(
    state: BatchNormState, *, source: Convention, target: Convention, count: Scalar
) -> BatchNormState:
    """Running statistics of one convention as another convention would have tracked them.

    Torch tracks ``n/(n - 1)`` times the biased variance that Flax and ONNX track; the means agree.

    Args:
        state: running mean and variance under `source`.
        source: the convention the state comes from.
        target: the convention the state is for.
        count: values per channel in each training batch, ``B * H * W`` for images; > 1.

    Returns:
        The state under `target`. Exact once the initial variance has been forgotten.

    Raises:
        ValueError: for an unknown convention.

    See also: `convert_momentum`.

    >>> _, state = init_batch_norm((4, 3))
    >>> convert_batch_norm_state(state, source="torch", target="flax", count=4).var
    Array([[0.75, 0.75, 0.75]], dtype=float32)
    """
    for name, convention in {"source": source, "target": target}.items():
        check_choice("convert_batch_norm_state", name, convention, tuple(RULES))
    n = jnp.asarray(count, accumulator_dtype(state.var.dtype))
    inflation = n / jnp.maximum(n - 1, 1)
    var = state.var.astype(inflation.dtype)
    if RULES[source].unbiased:
        var = var / inflation
    if RULES[target].unbiased:
        var = var * inflation
    return state._replace(var=var.astype(state.var.dtype))


def convert_momentum(momentum: Scalar, *, source: Convention, target: Convention) -> Scalar:
    """The momentum under which two conventions track alike.

    ``1 - momentum`` when one convention weighs the old statistic by it and the other the new; else the same.

    Args:
        momentum: under `source`, in [0, 1].
        source: the convention it comes from.
        target: the convention it is for.

    Returns:
        The momentum under `target`.

    Raises:
        ValueError: for an unknown convention.

    See also: `convert_batch_norm_state`.

    >>> convert_momentum(0.25, source="torch", target="flax")
    0.75
    """
    for name, convention in {"source": source, "target": target}.items():
        check_choice("convert_momentum", name, convention, tuple(RULES))
    same = RULES[source].momentum_weighs_new == RULES[target].momentum_weighs_new
    return momentum if same else 1 - momentum


def affine(params: NormParams | None, dtype: jnp.dtype, rank: int) -> tuple[Array, Array]:
    if params is None:
        return jnp.ones((1,) * rank, dtype), jnp.zeros((1,) * rank, dtype)
    return params.scale.astype(dtype), params.bias.astype(dtype)


def axes_of(where: str, rank: int, axis: int | Sequence[int]) -> tuple[int, ...]:
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for a in axes:
        if not -rank <= a < rank:
            raise ValueError(f"{where}: 'axis' must lie in {-rank}..{rank - 1} for {rank} axes, got {a}.")
    return tuple(sorted(a % rank for a in axes))


def check_kept(where: str, x: Array, axes: tuple[int, ...], *groups: NormParams | BatchNormState | None) -> None:
    expected = tuple(size if a in axes else 1 for a, size in enumerate(x.shape))
    for group in groups:
        for name, array in () if group is None else group._asdict().items():
            if array.shape != expected:
                raise ValueError(
                    f"{where}: '{name}' must have shape {expected} for 'x' of shape {x.shape}, got {array.shape}. "
                    f"Use {name}.reshape{expected}, or name the right axis."
                )
