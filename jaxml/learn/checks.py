"""What every fit asks of its data: shapes and dtypes always, values when they are known.

Called with arrays a fit looks at the values and refuses what has no sensible answer. Inside `jit`, `vmap` or `grad`
the values are unknown: a label that is no class, a negative or missing weight and a negative strength then make the
fit of that lane NaN, which is never converged.
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
Target = Literal["real", "share", "classes"]
Data = Array | np.ndarray
"""What a fit accepts as data."""


def known(*arrays: Any) -> bool:
    """Whether all values can be looked at."""
    return not any(isinstance(array, Tracer) for array in arrays)


def check_data(
    where: str,
    X: Shaped[Data, "..."],
    y: Shaped[Data, "..."],
    sample_weight: Shaped[Data, "..."] | None,
    *,
    target: Literal["real", "binary", "classes"],
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
    if X.shape[0] == 0:
        raise ValueError(f"{where}: 'X' must hold at least one row, got shape {X.shape}.")
    if target == "classes" and not jnp.issubdtype(y.dtype, jnp.integer):
        raise ValueError(f"{where}: 'y' must hold class indices, got dtype {y.dtype}. Use y.astype(jnp.int32).")
    if known(X):
        _check_finite(where, "X", X, "Impute or drop what is missing.")
    if known(y, sample_weight):
        _check_targets(where, y, sample_weight, target, classes)
    if known(sample_weight) and sample_weight is not None:
        _check_weights(where, sample_weight)

    X = jnp.asarray(X)
    y = jnp.asarray(y).astype(jnp.int32) if target == "classes" else jnp.asarray(y, X.dtype)
    weight = jnp.ones(X.shape[:1], X.dtype) if sample_weight is None else jnp.asarray(sample_weight, X.dtype)
    if not known(y, sample_weight):
        proper = {"real": jnp.isfinite, "binary": lambda y: (y == 0) | (y == 1)}
        fine = proper.get(target, lambda y: (y >= 0) & (y < (classes or 0)))(y)
        weight = jnp.where(jnp.all((weight == 0) | ((weight > 0) & fine)), weight, jnp.nan)
    return X, y, normalised(weight)


def check_strength(where: str, dtype: Any, *, positive: bool = False, **values: Any) -> list[Any]:
    """Return the values in `dtype`: None as it is, and NaN for a traced one that is negative (or 0, if `positive`).

    Raises:
        ValueError: when a known value is negative (or 0, if `positive`) or NaN.
    """
    checked = []
    for name, value in values.items():
        if value is None:
            checked.append(None)
            continue
        look_at_strengths(where, {name: value}, positive=positive)
        strength = jnp.asarray(value, dtype)
        checked.append(jnp.where(strength > 0 if positive else strength >= 0, strength, jnp.nan))
    return checked


def looked_at(look: Callable[..., None]) -> Callable[[F], F]:
    """Decorate a jitted fit: `look` is called first, with the same arguments, whose values `jit` would hide."""

    def decorate(fit: F) -> F:
        @wraps(fit)
        def run(*args: Any, **kwargs: Any) -> Any:
            look(*args, **kwargs)
            return fit(*args, **kwargs)

        return cast("F", run)

    return decorate


def look_at_rows(where: str, y: Any, sample_weight: Any, target: Target, classes: int | None = None) -> None:
    """Look at the targets and weights of a tree or an ensemble; shapes and dtypes are its own matter.

    One class only, and no row of positive weight, are a leaf to a tree and not refused.

    Raises:
        ValueError: when known weights are negative or not finite or, among the rows that have weight, a known target
            is not finite, not in [0, 1] (``"share"``) or not a class (``"classes"``).
    """
    look_at_weights(where, sample_weight)
    if not known(y, sample_weight) or (sample_weight is not None and np.shape(sample_weight) != np.shape(y)):
        return
    values = np.asarray(y)  # NumPy throughout: inside `jit` even known values are traced once JAX has touched them
    if target == "classes" and not jnp.issubdtype(values.dtype, jnp.integer):
        return  # refused by its dtype
    strange = ~_proper(values, target, classes)
    if sample_weight is not None:
        strange &= np.asarray(sample_weight) > 0
    if strange.any():
        expected, hint = {
            "real": ("finite targets", "Impute or drop what is missing."),
            "share": ("0, 1 or a share between", "Labels of -1 and 1 become (y + 1) / 2."),
            "classes": (f"classes 0..{(classes or 0) - 1}", "Number them with np.unique(y, return_inverse=True)[1]."),
        }[target]
        raise ValueError(f"{where}: 'y' must hold {expected}, got {values[strange][0]}. {hint}")


def look_at_weights(where: str, sample_weight: Any) -> None:
    """Refuse known weights that are negative or not finite.

    Raises:
        ValueError: at the first such weight.
    """
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


def _check_weights(where: str, sample_weight: Any) -> None:
    _check_finite(where, "sample_weight", sample_weight)
    weight = np.asarray(sample_weight)
    if (weight < 0).any() or not (weight > 0).any():
        raise ValueError(
            f"{where}: 'sample_weight' must be non-negative with at least one positive entry, got values in "
            f"[{weight.min()}, {weight.max()}]. Drop the rows that should not count by weight 0."
        )


def _check_targets(where: str, y: Any, sample_weight: Any, target: str, classes: int | None) -> None:
    values = np.asarray(y)
    if target == "real":
        return _check_finite(where, "y", values)
    allowed = (0, 1) if target == "binary" else range(classes or 0)
    strange = ~np.isin(values, list(allowed))
    if strange.any():
        expected = "0 or 1" if target == "binary" else f"classes 0..{(classes or 0) - 1}"
        hint = "Labels of -1 and 1 become (y + 1) / 2." if -1 in values and target == "binary" else ""
        hint = hint or "Number them with np.unique(y, return_inverse=True)[1]."
        raise ValueError(f"{where}: 'y' must hold {expected}, got {values[strange][0]}. {hint}")
    present = np.unique(values if sample_weight is None else values[np.asarray(sample_weight) > 0])
    if present.size == 1:
        raise ValueError(
            f"{where}: 'y' holds one class only, {present[0]}, among the rows of positive weight. Two are needed."
        )
    return None
