"""What each primitive of a trace computes, in NumPy; None, or no entry, where JAX computes it instead."""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from jaxml.sweep.draws import fold_in, random_bits, random_split
from jaxml.sweep.places import gathered, scattered


def _dot(eqn: Any) -> Callable[..., Any]:
    (left, right), (left_batch, right_batch) = eqn.params["dimension_numbers"]
    dtype = eqn.outvars[0].aval.dtype
    ranks = [len(v.aval.shape) for v in eqn.invars]
    free = [
        [i for i in range(rank) if i not in (*summed, *batch)]
        for rank, summed, batch in zip(ranks, (left, right), (left_batch, right_batch), strict=True)
    ]
    shape = eqn.outvars[0].aval.shape

    def dot(a: Any, b: Any) -> Any:
        a = np.transpose(a, (*left_batch, *free[0], *left)).astype(dtype)
        b = np.transpose(b, (*right_batch, *right, *free[1])).astype(dtype)
        batch, summed = a.shape[: len(left_batch)], math.prod(a.shape[a.ndim - len(left) :])
        rows, columns = a.shape[len(batch) : a.ndim - len(left)], b.shape[len(batch) + len(right) :]
        a, b = a.reshape(*batch, math.prod(rows), summed), b.reshape(*batch, summed, math.prod(columns))
        return np.matmul(a, b).reshape(shape)

    return dot


def _converted(eqn: Any) -> Callable[..., Any]:
    old, new = eqn.invars[0].aval.dtype, eqn.outvars[0].aval.dtype
    if not (jnp.issubdtype(old, jnp.floating) and jnp.issubdtype(new, jnp.integer)):
        return (lambda x: x.real.astype(new)) if jnp.issubdtype(old, jnp.complexfloating) else lambda x: x.astype(new)
    low, high = int(jnp.iinfo(new).min), int(jnp.iinfo(new).max)

    def whole(x: Any) -> Any:  # what is too large becomes the largest, and NaN becomes 0
        x = np.asarray(x, np.float64)
        x = np.where(np.isnan(x), 0, x)
        inside = np.where((x > low) & (x < high), x, 0).astype(new)
        return np.where(x >= high, np.asarray(high, new), np.where(x <= low, np.asarray(low, new), inside))

    return whole


def _sorted(eqn: Any) -> Callable[..., Any] | None:
    """Stably, by the first operand, as JAX does."""
    axis = eqn.params["dimension"]
    if eqn.params["num_keys"] != 1:
        return None
    if len(eqn.invars) == 1:
        return lambda x: (np.sort(x, axis=axis),)

    def sort(*x: Any) -> Any:
        order = np.argsort(x[0], axis=axis, kind="stable")
        return tuple(np.take_along_axis(each, order, axis) for each in x)

    return sort


def _quotient(eqn: Any) -> Callable[..., Any]:
    if jnp.issubdtype(eqn.outvars[0].aval.dtype, jnp.inexact):
        return operator.truediv

    def toward_zero(x: Any, y: Any) -> Any:
        nonzero = np.where(y == 0, np.ones_like(y), y)
        return np.where(y == 0, -np.ones_like(x), (x - np.fmod(x, nonzero)) // nonzero)

    return toward_zero


def _platform(eqn: Any) -> Callable[..., Any]:
    here = jax.default_backend()
    place = next(i for i, names in enumerate(eqn.params["platforms"]) if names is None or here in names)
    return lambda: np.int32(place)


def _running(ufunc: Any) -> Callable[[Any], Callable[..., Any]]:
    def known(eqn: Any) -> Callable[..., Any]:
        axis, dtype = eqn.params["axis"], eqn.outvars[0].aval.dtype
        if eqn.params["reverse"]:
            return lambda x: np.flip(ufunc.accumulate(np.flip(x, axis), axis=axis, dtype=dtype), axis)
        return lambda x: ufunc.accumulate(x, axis=axis, dtype=dtype)

    return known


def _reduced(ufunc: Any) -> Callable[[Any], Callable[..., Any] | None]:
    def known(eqn: Any) -> Callable[..., Any] | None:
        axes, dtype, shape = tuple(eqn.params["axes"]), eqn.outvars[0].aval.dtype, eqn.invars[0].aval.shape
        if not math.prod(shape) and ufunc in (np.maximum, np.minimum):
            return None
        return lambda x: np.asarray(ufunc.reduce(x, axis=axes, dtype=dtype))

    return known


def _broadcast(eqn: Any) -> Callable[..., Any] | None:
    shape, dims = eqn.params["shape"], eqn.params["broadcast_dimensions"]
    if len(eqn.invars) > 1:
        return None
    wide = [1] * len(shape)
    for i, dim in enumerate(dims):
        wide[dim] = eqn.invars[0].aval.shape[i]

    def broadcast(x: Any) -> Any:
        out = np.empty(shape, x.dtype)
        out[...] = x.reshape(wide)
        return out

    return broadcast


def _sliced(eqn: Any) -> Callable[..., Any]:
    p = eqn.params
    strides = p["strides"] or (1,) * len(p["start_indices"])
    place = tuple(slice(*each) for each in zip(p["start_indices"], p["limit_indices"], strides, strict=True))
    return lambda x: x[place]


def _window(start: Sequence[Any], sizes: Sequence[int], shape: Sequence[int]) -> tuple[slice, ...]:
    begin = [min(max(int(i), 0), n - size) for i, size, n in zip(start, sizes, shape, strict=True)]
    return tuple(slice(i, i + size) for i, size in zip(begin, sizes, strict=True))


def _updated(eqn: Any) -> Callable[..., Any]:
    def update(x: Any, new: Any, *start: Any) -> Any:
        x = np.array(x)
        x[_window(start, new.shape, x.shape)] = new
        return x

    return update


def _padded(eqn: Any) -> Callable[..., Any] | None:
    widths, shape = eqn.params["padding_config"], eqn.outvars[0].aval.shape
    if any(low < 0 or high < 0 for low, high, _ in widths):
        return None

    def pad(x: Any, value: Any) -> Any:
        out = np.full(shape, value)
        steps = zip(widths, x.shape, strict=True)
        out[tuple(slice(low, low + (n - 1) * (gap + 1) + 1 if n else low, gap + 1) for (low, _, gap), n in steps)] = x
        return out

    return pad


def _plainly(function: Callable[..., Any]) -> Callable[[Any], Callable[..., Any]]:
    return lambda eqn: function


def _of_params(function: Callable[..., Any]) -> Callable[[Any], Callable[..., Any]]:
    """Of the equation's parameters, then its inputs."""
    return lambda eqn: lambda *inputs: function(eqn.params, eqn, *inputs)


def _selected(p: Any, eqn: Any, which: Any, *cases: Any) -> Any:
    return np.where(which, cases[1], cases[0]) if len(cases) == 2 and which.dtype == bool else np.choose(which, cases)


def _rounded(p: Any, eqn: Any, x: Any) -> Any:
    return np.rint(x) if int(p["rounding_method"]) else np.trunc(x + np.copysign(np.asarray(0.5, x.dtype), x))


def _logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _iota(eqn: Any) -> Callable[..., Any]:
    aval, dim = eqn.outvars[0].aval, eqn.params["dimension"]
    shape = [aval.shape[i] if i == dim else 1 for i in range(len(aval.shape))]
    found = np.broadcast_to(np.arange(aval.shape[dim]).reshape(shape), aval.shape).astype(aval.dtype)
    return lambda: found


def _shifted(way: Any, logical: bool) -> Callable[[Any], Callable[..., Any]]:
    def known(eqn: Any) -> Callable[..., Any]:
        dtype = np.dtype(eqn.outvars[0].aval.dtype)
        bits, whole = 8 * dtype.itemsize, np.dtype(f"u{dtype.itemsize}")

        def shift(x: Any, by: Any) -> Any:
            far = (by < 0) | (by >= bits)
            if not logical:
                return way(x, np.where(far, bits - 1, by).astype(dtype))
            moved = way(np.asarray(x).view(whole), np.where(far, 0, by).astype(whole))
            return np.where(far, np.asarray(0, whole), moved).view(dtype)

        return shift

    return known


KNOWN: dict[str, Callable[[Any], Callable[..., Any] | None]] = {
    name: _plainly(function)
    for names, functions in (
        ("abs sign floor ceil exp exp2 log log1p expm1 sqrt", "abs sign floor ceil exp exp2 log log1p expm1 sqrt"),
        ("sin cos tan sinh cosh tanh asin acos atan", "sin cos tan sinh cosh tanh arcsin arccos arctan"),
        ("neg square cbrt is_finite real imag conj not", "negative square cbrt isfinite real imag conj invert"),
        ("add sub mul add_any max min pow atan2", "add subtract multiply add maximum minimum power arctan2"),
        ("nextafter eq ne lt le gt ge", "nextafter equal not_equal less less_equal greater greater_equal"),
        ("and or xor rem", "bitwise_and bitwise_or bitwise_xor fmod"),
    )
    for name, function in zip(names.split(), (getattr(np, f) for f in functions.split()), strict=True)
}
KNOWN |= {name: _plainly(getattr(special, name)) for name in ("erf", "erfc")}
KNOWN |= {
    "erf_inv": _plainly(special.erfinv),
    "lgamma": _plainly(special.gammaln),
    "digamma": _plainly(special.psi),
    "logistic": _plainly(_logistic),
    "rsqrt": _plainly(lambda x: 1 / np.sqrt(x)),
    "copy": _plainly(lambda x: x),
    "stop_gradient": _plainly(lambda x: x),
    "clamp": _plainly(lambda low, x, high: np.minimum(np.maximum(x, low), high)),
    "concatenate": _of_params(lambda p, _, *x: np.concatenate(x, p["dimension"])),
    "div": _quotient,
    "dot_general": _dot,
    "convert_element_type": _converted,
    "broadcast_in_dim": _broadcast,
    "bitcast_convert_type": lambda eqn: (
        (lambda x: np.asarray(x).view(eqn.outvars[0].aval.dtype))
        if eqn.invars[0].aval.dtype.itemsize == eqn.outvars[0].aval.dtype.itemsize
        else None
    ),
    "integer_pow": _of_params(
        lambda p, eqn, x: (
            np.power(x, np.asarray(p["y"], x.dtype)) if p["y"] >= 0 else 1 / np.power(x, np.asarray(-p["y"], x.dtype))
        )
    ),
    "round": _of_params(_rounded),
    "select_n": _of_params(_selected),
    "iota": lambda eqn: None if len(eqn.invars) else _iota(eqn),
    "slice": _sliced,
    "squeeze": _of_params(lambda p, eqn, x: np.reshape(x, eqn.outvars[0].aval.shape)),
    "reshape": _of_params(lambda p, eqn, x: np.reshape(x, eqn.outvars[0].aval.shape)),
    "expand_dims": _of_params(lambda p, eqn, x: np.reshape(x, eqn.outvars[0].aval.shape)),
    "transpose": _of_params(lambda p, _, x: np.transpose(x, p["permutation"])),
    "rev": _of_params(lambda p, _, x: np.flip(x, p["dimensions"])),
    "dynamic_slice": _of_params(lambda p, _, x, *start: x[_window(start, p["slice_sizes"], x.shape)]),
    "dynamic_update_slice": _updated,
    "pad": _padded,
    "sort": _sorted,
    "platform_index": _platform,
    "stack": _of_params(lambda p, _, *x: np.stack(x, p["axis"])),
    "split": _of_params(lambda p, _, x: np.split(x, np.cumsum(p["sizes"])[:-1], p["axis"])),
    "unstack": _of_params(lambda p, _, x: tuple(np.moveaxis(x, p["axis"], 0))),
    "tile": _of_params(lambda p, _, x: np.tile(x, p["reps"])),
    "argmax": _of_params(lambda p, _, x: np.argmax(x, p["axes"][0])),
    "argmin": _of_params(lambda p, _, x: np.argmin(x, p["axes"][0])),
    "random_bits": random_bits,
    "random_split": random_split,
    "random_fold_in": fold_in,
    "shift_left": _shifted(np.left_shift, True),
    "shift_right_logical": _shifted(np.right_shift, True),
    "shift_right_arithmetic": _shifted(np.right_shift, False),
    "gather": gathered,
    "scatter": scattered(None),
    "scatter-add": scattered(np.add),
    "scatter-mul": scattered(np.multiply),
    "scatter-min": scattered(np.minimum),
    "scatter-max": scattered(np.maximum),
    "cumsum": _running(np.add),
    "cumprod": _running(np.multiply),
    "cummax": _running(np.maximum),
    "cummin": _running(np.minimum),
}
KNOWN |= {
    f"reduce_{name}": _reduced(ufunc)
    for name, ufunc in {
        "sum": np.add,
        "prod": np.multiply,
        "max": np.maximum,
        "min": np.minimum,
        "and": np.bitwise_and,
        "or": np.bitwise_or,
        "xor": np.bitwise_xor,
    }.items()
}
SAME = {"neg", "abs", "sign", "floor", "ceil", "exp", "log", "log1p", "expm1", "sqrt", "sin", "cos", "tanh", "square"}
SAME |= {"add", "sub", "mul", "add_any", "max", "min", "and", "or", "xor", "not", "div", "select_n", "clamp", "copy"}
SAME |= {"broadcast_in_dim", "reshape", "squeeze", "slice", "transpose", "concatenate"}
"""Those that return the dtype of their inputs, where that is one."""
