"""What every learner asks of its data: shapes and dtypes always, values when they are known.

Called with arrays a learner looks at the values and refuses what has no sensible answer. Inside `jit`, `vmap` or `grad`
the values are unknown: a label that is no class, a negative or missing weight and a negative strength then make the
fit of that lane NaN, which is never converged. A row of weight 0 may lack its target.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, TypeVar, cast

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Shaped

from jaxml.ops.checks import check_floating, check_shapes

F = TypeVar("F", bound=Callable[..., Any])
Target = Literal["real", "share", "binary", "classes"]
Data = Array | np.ndarray
"""What a fit accepts as data."""

_EXPECTED = {
    "real": ("finite targets", "Impute or drop what is missing."),
    "share": ("0, 1 or a share between", "Labels of -1 and 1 become (y + 1) / 2."),
    "binary": ("0 or 1", "Labels of -1 and 1 become (y + 1) / 2, any two np.unique(y, return_inverse=True)[1]."),
    "classes": ("classes 0..{}", "Number them with np.unique(y, return_inverse=True)[1]."),
}


def known(*arrays: Any) -> bool:
    """Whether all values can be looked at."""
    return not any(isinstance(array, Tracer) for array in arrays)


def check_data(
    where: str,
    X: Shaped[Data, "..."],
    y: Shaped[Data, "..."],
    sample_weight: Shaped[Data, "..."] | None,
    *,
    target: Target,
    classes: int | None = None,
) -> tuple[Array, Array, Array]:
    """Return features, targets and weights that sum to one, in the features' dtype; classes stay integers.

    Raises:
        ValueError: when shapes disagree, features are not floating or, if values are known, when one is not
            finite, a label is not a class, fewer than two classes occur, or no weight is positive.
    """
    hint = "X holds one row per example, y and sample_weight one value."
    check_shapes(where, hint=hint, X=(X, "n d"), y=(y, "n"))
    check_floating(where, X=X)
    if sample_weight is not None:
        check_shapes(where, hint=hint, X=(X, "n d"), sample_weight=(sample_weight, "n"))
        check_floating(where, sample_weight=sample_weight)
    if target == "classes" and not jnp.issubdtype(y.dtype, jnp.integer):
        raise ValueError(f"{where}: 'y' must hold class indices, got dtype {y.dtype}. Use y.astype(jnp.int32).")
    if known(X):
        _check_finite(where, "X", X, "Impute or drop what is missing.")
    look_at_rows(where, X, y, sample_weight, target, classes)
    if known(y, sample_weight):
        counts = np.ones(np.shape(y), bool) if sample_weight is None else np.asarray(sample_weight) > 0
        if not counts.any():
            raise ValueError(f"{where}: 'sample_weight' must have at least one positive entry, got {sample_weight}.")
        present = np.unique(np.asarray(y)[counts])
        if target != "real" and present.size == 1:
            raise ValueError(
                f"{where}: 'y' holds one class only, {present[0]}, among the rows of positive weight. Two are needed."
            )

    X = jnp.asarray(X)
    y = jnp.asarray(y).astype(jnp.int32) if target == "classes" else jnp.asarray(y, X.dtype)
    if sample_weight is None:
        weight = jnp.ones(X.shape[:1], X.dtype)
    else:
        weight = jnp.asarray(sample_weight, X.dtype)
    if not known(y, sample_weight):
        weight = jnp.where(proper_rows(y, weight, target, classes), weight, jnp.nan)
    if target == "real" and sample_weight is not None:
        y = jnp.where(jnp.isfinite(y), y, 0.0)  # a missing target has weight 0, whichever lane, or its weight is NaN
    return X, y, normalised(weight)


def check_strength(where: str, dtype: Any, *, positive: bool = False, **values: Any) -> list[Any]:
    """Return the values in `dtype`: None as it is, and NaN for a traced one that is negative (or 0, if `positive`).

    Raises:
        ValueError: when a known value is negative (or 0, if `positive`) or NaN.
    """
    look_at_strengths(where, values, positive=positive)
    checked = [None if value is None else jnp.asarray(value, dtype) for value in values.values()]
    return [v if v is None else jnp.where(v > 0 if positive else v >= 0, v, jnp.nan) for v in checked]


def looked_at(look: Callable[..., None]) -> Callable[[F], F]:
    """Decorate a jitted fit: `look` is called first, with the same arguments, whose values `jit` would hide."""

    def decorate(fit: F) -> F:
        @wraps(fit)
        def run(*args: Any, **kwargs: Any) -> Any:
            look(*args, **kwargs)
            return fit(*args, **kwargs)

        return cast("F", run)

    return decorate


def look_at_rows(where: str, X: Any, y: Any, sample_weight: Any, target: Target, classes: int | None = None) -> None:
    """Refuse empty features, and known targets and weights without a sensible answer; shapes are the fit's matter.

    Raises:
        ValueError: when there is no row or no feature, known weights are negative or not finite or, among the rows
            that have weight, a known target is not finite, not in [0, 1] (``"share"``) or not a class.
    """
    look_at_weights(where, X, sample_weight)
    if not known(y, sample_weight) or (sample_weight is not None and np.shape(sample_weight) != np.shape(y)):
        return
    values = np.asarray(y)  # NumPy throughout: inside `jit` even known values are traced once JAX has touched them
    if target == "classes" and not jnp.issubdtype(values.dtype, jnp.integer):
        return  # refused by its dtype
    strange = ~_proper(values, target, classes)
    if sample_weight is not None:
        strange &= np.asarray(sample_weight) > 0
    if strange.any():
        expected, hint = _EXPECTED[target]
        raise ValueError(
            f"{where}: 'y' must hold {expected.format((classes or 0) - 1)}, got {values[strange][0]}. {hint}"
        )


def look_at_weights(where: str, X: Any, sample_weight: Any) -> None:
    """Refuse empty features, and known weights that are negative or not finite.

    Raises:
        ValueError: at the first such weight, or without a row or a feature.
    """
    shape = np.shape(getattr(X, "codes", X))  # features may have been binned
    if 0 in shape:
        raise ValueError(f"{where}: 'X' must hold at least one row and one feature, got shape {shape}.")
    if sample_weight is None or not known(sample_weight):
        return
    _check_finite(where, "sample_weight", sample_weight)
    if np.any(np.asarray(sample_weight) < 0):
        least = np.min(np.asarray(sample_weight))
        raise ValueError(f"{where}: 'sample_weight' must be 0 or positive, got {least}. Use 0 to drop a row.")


def proper_rows(y: Array, weight: Array, target: Target, classes: int | None = None) -> Array:
    """Whether no weight is negative or missing, and all rows that have weight have a target: for traced values."""
    return jnp.all((weight == 0) | ((weight > 0) & jnp.isfinite(weight) & _proper(y, target, classes)))


def _proper(y: Any, target: Target, classes: int | None) -> Any:
    if target == "real":
        return abs(y) < jnp.inf
    if target == "binary":
        return (y == 0) | (y == 1)
    return (y >= 0) & (y <= 1 if target == "share" else y < (classes or 0))


def look_at_strengths(where: str, options: dict[str, Any], *, positive: bool = False) -> None:
    """Refuse a known value that is negative (or 0, if `positive`) or NaN; None is none.

    Raises:
        ValueError: at the first such value.
    """
    for name, value in options.items():
        if value is None or not known(value):
            continue
        if not np.all(np.asarray(value) > 0 if positive else np.asarray(value) >= 0):
            expected = "positive" if positive else "0 or positive"
            raise ValueError(f"{where}: '{name}' must be {expected}, got {value}. Raise it.")


def normalised(weight: Array) -> Array:
    """Weights that sum to one; all zero when no weight is positive."""
    return weight / jnp.maximum(jnp.sum(weight), jnp.finfo(weight.dtype).tiny)  # NaN stays NaN


def _check_finite(where: str, name: str, array: Any, hint: str = "") -> None:
    bad = ~np.isfinite(np.asarray(array, np.float64))
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{where}: '{name}' must be finite, got {np.asarray(array)[place]} at {place}. {hint}".rstrip()
        )
