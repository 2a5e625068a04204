"""Curves: trial outputs that have axes of their own, which must be named."""

from dataclasses import dataclass, field
from typing import Any

import jax


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Curve:
    """An array together with the names of its axes; made by `curve`."""

    values: Any
    axes: tuple[str, ...] = field(metadata={"static": True})


def curve(values: Any, *axes: str) -> Curve:
    """Name the axes of an array that a trial returns, so that the results can label them.

    Args:
        values: array of rank ``len(axes)``, for example one loss per step.
        *axes: one name per axis, such as ``"step"``; names of swept parameters and ``"seed"`` are taken.

    Returns:
        What a trial may put into its dictionary of outputs.

    Raises:
        ValueError: when the number of names is not the rank.

    >>> curve(jnp.zeros((3, 2)), "step", "layer").axes
    ('step', 'layer')
    """
    rank = len(jax.numpy.shape(values))
    if rank != len(axes):
        raise ValueError(f"curve: {rank} axes need as many names, got {axes}. Give one name per axis.")
    return Curve(values, axes)
