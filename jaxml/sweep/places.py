"""Gathers and scatters in NumPy, by the rules of XLA: https://openxla.org/xla/operation_semantics#gather."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np


def _spots(
    eqn: Any, sizes: Sequence[int], offset: Sequence[int], dropped: Sequence[int], batching: Any, moved: Any
) -> Callable[..., Any]:
    """For the indices of a gather or a scatter: where in the operand each element lies, and whether it is inside.

    The axes are those of the indices, then those of a window.
    """
    own, theirs = batching
    shape = eqn.invars[0].aval.shape
    free = [d for d in range(len(shape)) if d not in (*dropped, *own)]

    def spots(indices: Any) -> tuple[tuple[Any, ...], Any]:
        rank = indices.ndim - 1
        inside, places = np.ones(indices.shape[:-1], bool), []
        for d, size in enumerate(sizes):
            start = np.zeros(indices.shape[:-1], np.int64)
            if d in moved:
                start = indices[..., moved.index(d)].astype(np.int64)
            if d in own:
                axis = theirs[own.index(d)]
                start = np.arange(indices.shape[axis]).reshape([-1 if i == axis else 1 for i in range(rank)]) + start
            inside &= (start >= 0) & (start <= shape[d] - size)
            start = np.clip(start, 0, shape[d] - size).reshape((*indices.shape[:-1], *[1] * len(free)))
            if d in free:
                start = start + np.arange(size).reshape([-1 if f == d else 1 for f in free])
            places.append(start)
        return tuple(places), inside.reshape((*indices.shape[:-1], *[1] * len(free)))

    return spots


def gathered(eqn: Any) -> Callable[..., Any] | None:
    p, n = eqn.params, eqn.params["dimension_numbers"]
    if 0 in eqn.invars[0].aval.shape or 0 in eqn.outvars[0].aval.shape:
        return None
    spots = _spots(
        eqn,
        p["slice_sizes"],
        n.offset_dims,
        n.collapsed_slice_dims,
        (n.operand_batching_dims, n.start_indices_batching_dims),
        list(n.start_index_map),
    )
    rank = len(eqn.outvars[0].aval.shape)
    order = [*(i for i in range(rank) if i not in n.offset_dims), *n.offset_dims]
    fills = "FILL" in str(p["mode"])
    dtype = eqn.outvars[0].aval.dtype
    fill = p["fill_value"]
    if fills and fill is None:
        if not jnp.issubdtype(dtype, jnp.number):
            return None
        fill = (
            np.nan
            if jnp.issubdtype(dtype, jnp.inexact)
            else (jnp.iinfo(dtype).min if jnp.issubdtype(dtype, jnp.signedinteger) else jnp.iinfo(dtype).max)
        )

    def gather(x: Any, indices: Any) -> Any:
        places, inside = spots(indices)
        found = x[places]
        if fills and not inside.all():
            found = np.where(inside, found, np.asarray(fill, x.dtype))
        return np.transpose(found, np.argsort(order))

    return gather


def scattered(ufunc: Any) -> Callable[[Any], Callable[..., Any] | None]:
    def known(eqn: Any) -> Callable[..., Any] | None:
        n, updates = eqn.params["dimension_numbers"], eqn.invars[2].aval.shape
        shape = eqn.invars[0].aval.shape
        if 0 in shape or 0 in updates or "CLIP" in str(eqn.params["mode"]):
            return None
        window = [d for d in range(len(shape)) if d not in (*n.inserted_window_dims, *n.operand_batching_dims)]
        sizes = [1] * len(shape)
        for d, axis in zip(window, n.update_window_dims, strict=True):
            sizes[d] = updates[axis]
        spots = _spots(
            eqn,
            sizes,
            n.update_window_dims,
            n.inserted_window_dims,
            (n.operand_batching_dims, n.scatter_indices_batching_dims),
            list(n.scatter_dims_to_operand_dims),
        )
        order = [*(i for i in range(len(updates)) if i not in n.update_window_dims), *n.update_window_dims]

        def scatter(x: Any, indices: Any, new: Any) -> Any:
            places, inside = spots(indices)
            x, new = np.array(x), np.transpose(new, order)
            inside = np.broadcast_to(inside, new.shape)
            places = tuple(np.broadcast_to(each, new.shape)[inside] for each in places)
            if ufunc is None:
                x[places] = new[inside]
            else:
                ufunc.at(x, places, new[inside])
            return x

        return scatter

    return known
