"""Recurrent cells, which apply the same weights at every time step, and the scan that unrolls them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from jaxml.nn.initializers import INITIALIZERS, Initializer, stacked
from jaxml.ops.checks import Scalar, check_shapes


class LSTMState(NamedTuple):
    """What an LSTM hands on: its output and its memory cell."""

    h: Float[Array, "*batch units"]
    c: Float[Array, "*batch units"]


class RNNCell(nnx.Module):
    """Vanilla recurrent cell, ``h' = phi(W x + U h + b)``.

    Args:
        features: inputs.
        units: of the state and the output.
        activation: phi.
        kernel_init: draws W.
        recurrent_init: draws U; `scaled` gives it a gain that may be traced.
        rngs: as for `nnx.Linear`.

    Reference: Elman (1990), Finding structure in time, Cognitive Science 14.

    >>> cell = RNNCell(1, 2, rngs=nnx.Rngs(0))
    >>> carry, output = cell(cell.initial(), jnp.ones(1))
    >>> bool((carry == output).all())
    True
    """

    def __init__(
        self,
        features: int,
        units: int,
        *,
        activation: Callable[[Array], Array] = jnp.tanh,
        kernel_init: Initializer = INITIALIZERS["lecun_normal"],
        recurrent_init: Initializer = INITIALIZERS["orthogonal"],
        rngs: nnx.Rngs,
    ):
        self.activation, self.units = activation, units
        self.kernel = nnx.Param(kernel_init(rngs.params(), (features, units)))
        self.recurrent = nnx.Param(recurrent_init(rngs.params(), (units, units)))
        self.bias = nnx.Param(jnp.zeros(units))

    def initial(self, *batch: int) -> Float[Array, "*batch units"]:
        """Zeros."""
        return jnp.zeros((*batch, self.units))

    def __call__(
        self, carry: Float[Array, "*batch units"], x: Float[Array, "*batch features"]
    ) -> tuple[Float[Array, "*batch units"], Float[Array, "*batch units"]]:
        """One step; the output is the new state."""
        z = x @ self.kernel[...] + carry @ self.recurrent[...]
        h = self.activation(z + self.bias[...].reshape((1,) * (z.ndim - 1) + (-1,)))
        return h, h


class LSTMCell(nnx.Module):
    """Long short-term memory, ``c' = f c + i g`` and ``h' = o tanh(c')``.

    ``i, f, o`` are sigmoids and ``g`` a tanh of ``W x + U h + b``, in the order i, f, g, o along the last axis.

    Args:
        features: inputs.
        units: of the state and the output.
        forget_bias: initial bias of f; may be traced. 1 lets gradients through from the start.
        kernel_init: draws each gate's W.
        recurrent_init: draws each gate's U.
        rngs: as for `nnx.Linear`.

    Reference: Hochreiter and Schmidhuber (1997); Gers et al. (2000), Learning to Forget, for f.

    >>> cell = LSTMCell(1, 2, forget_bias=100.0, rngs=nnx.Rngs(0))
    >>> cell.kernel[...], cell.recurrent[...] = jnp.zeros((1, 8)), jnp.zeros((2, 8))
    >>> cell(LSTMState(jnp.zeros(2), jnp.array([3.0, 5.0])), jnp.ones(1))[0].c  # it remembers
    Array([3., 5.], dtype=float32)
    """

    def __init__(
        self,
        features: int,
        units: int,
        *,
        forget_bias: Scalar = 1.0,
        kernel_init: Initializer = INITIALIZERS["lecun_normal"],
        recurrent_init: Initializer = INITIALIZERS["orthogonal"],
        rngs: nnx.Rngs,
    ):
        self.units = units
        gates = stacked(kernel_init, rngs.params(), 4, (features, units))
        self.kernel = nnx.Param(jnp.concatenate(list(gates), axis=-1))
        gates = stacked(recurrent_init, rngs.params(), 4, (units, units))
        self.recurrent = nnx.Param(jnp.concatenate(list(gates), axis=-1))
        self.bias = nnx.Param(jnp.zeros(4 * units).at[units : 2 * units].set(forget_bias))

    def initial(self, *batch: int) -> LSTMState:
        """Zeros."""
        return LSTMState(jnp.zeros((*batch, self.units)), jnp.zeros((*batch, self.units)))

    def __call__(
        self, carry: LSTMState, x: Float[Array, "*batch features"]
    ) -> tuple[LSTMState, Float[Array, "*batch units"]]:
        """One step; the output is the new `h`."""
        z = x @ self.kernel[...] + carry.h @ self.recurrent[...]
        i, f, g, o = jnp.split(z + self.bias[...].reshape((1,) * (z.ndim - 1) + (-1,)), 4, axis=-1)
        c = jax.nn.sigmoid(f) * carry.c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return LSTMState(h, c), h


def unroll(
    cell: RNNCell | LSTMCell, xs: Float[Array, "time *batch features"], *, carry: Any = None
) -> tuple[Any, Float[Array, "time *batch units"]]:
    """Apply a cell at every time step: the same weights, however many steps there are.

    Args:
        cell: an `RNNCell` or an `LSTMCell`.
        xs: inputs, time first.
        carry: what to start from; None for the cell's own beginning.

    Returns:
        ``(last carry, outputs)``, outputs time first.

    Raises:
        ValueError: when `xs` has no time axis.

    >>> apply = lambda xs: unroll(LSTMCell(3, 4, rngs=nnx.Rngs(0)), xs)
    >>> jax.eval_shape(apply, jnp.ones((7, 2, 3)))[1].shape
    (7, 2, 4)
    """
    check_shapes("unroll", xs=(xs, "... time features"), hint="Put time first: xs[None] is one step.")
    start: Any = cell.initial(*xs.shape[1:-1]) if carry is None else carry
    step: Any = cell
    return jax.lax.scan(lambda state, x: step(state, x), start, xs)
