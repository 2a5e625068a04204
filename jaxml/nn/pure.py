"""From a module to pure functions, for `jax.grad`, `jax.vmap`, `jaxml.learn.train` and sweeps."""

from collections.abc import Callable
from typing import Any, NamedTuple

from flax import nnx
from jaxtyping import Array


class Functional(NamedTuple):
    """A model as a pure function and what it is a function of.

    Attributes:
        apply: ``apply(params, state, x, **options) -> (output, next state)``, options as for calling the model.
        params: every `nnx.Param`, as a pytree of arrays: what is trained.
        state: everything else, batch statistics and traced hyperparameters: what is carried along.
    """

    apply: Callable[..., tuple[Any, Any]]
    params: Any
    state: Any


def functional(model: nnx.Module) -> Functional:
    """Split a model into a pure function, its parameters and its state.

    Build the model inside the function that is to be vmapped, from a traced key (``nnx.Rngs(key)``) and traced
    hyperparameters, and a whole sweep is one program.

    Args:
        model: any module, abstract ones (`nnx.eval_shape`) too; it is left as it was.

    Returns:
        ``(apply, params, state)``.

    See also: `nnx.split` and `nnx.merge`, of which it is made. Flax checks that variables change only where they
    were created, so `apply` merges into fresh ones.

    >>> from jaxml.nn import BatchNorm
    >>> apply, params, state = functional(BatchNorm(1, momentum=0.5))
    >>> y, state = apply(params, state, jnp.array([[1.0], [3.0]]), training=True)
    >>> state["mean"]
    Array([1.], dtype=float32)
    """
    graph, params, state = nnx.split(model, nnx.Param, ...)

    def apply(params: Any, state: Any, x: Array, **options: Any) -> tuple[Any, Any]:
        module: Any = nnx.merge(graph, params, state, copy=True)
        output = module(x, **options)
        return output, nnx.as_pure(nnx.state(module, nnx.Not(nnx.Param)))

    return Functional(apply, nnx.as_pure(params), nnx.as_pure(state))
