"""Operations with rules of their own for derivatives and `vmap`: all that jaxml.ops takes from JAX's interpreters.

The rules are plain functions of arrays, given by the modules that need them. Each builder registers them with JAX and
returns what binds the operation.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

__all__ = ["bilinear", "elementwise", "own_rules", "spread"]


def elementwise(
    name: str, compute: Callable, transpose: Callable, *, dtype: Callable, static: tuple[str, ...] = ()
) -> Callable[..., Any]:
    """A linear map of every element of one array for itself.

    Args:
        name: as it appears in a jaxpr.
        compute: ``(x, **static)``.
        transpose: ``(cotangent, x, **static)``, with of `x` only shape and dtype.
        dtype: of the result, from ``(x, **static)``.
        static: names of the keywords.
    """
    primitive = _primitive(name, compute, lambda x, **params: (x.shape, dtype(x, **params)), static)
    ad.deflinear2(primitive, lambda cotangent, x, **params: [transpose(cotangent, x.aval, **params)])
    batching.defvectorized(primitive)
    return primitive.bind


def bilinear(
    name: str,
    compute: Callable,
    shape: Callable,
    transposes: tuple[Callable, Callable],
    batch: Callable,
    *,
    static: tuple[str, ...] = (),
) -> Callable[..., Any]:
    """A map of ``(where, left, right)`` that is linear in `left` and linear in `right`; `where` has no derivative.

    Args:
        name: as it appears in a jaxpr.
        compute: ``(where, left, right, **static)``.
        shape: shape and dtype of its result, from those of its arguments.
        transposes: ``(cotangent, where, left, right)`` to the cotangent of `left` and to that of `right`; of what it
            is the cotangent of, only shape and dtype are given.
        batch: see `own_rules`.
        static: names of the keywords.
    """
    primitive = _primitive(name, compute, shape, static)

    def jvp(primals: Any, tangents: Any, **params: Any) -> Any:
        where, left, right = primals
        _, left_dot, right_dot = tangents
        terms = []  # at least one: JAX takes no derivative when every tangent is zero
        if type(left_dot) is not ad.Zero:
            terms.append(primitive.bind(where, left_dot, right, **params))
        if type(right_dot) is not ad.Zero:
            terms.append(primitive.bind(where, left, right_dot, **params))
        value = primitive.bind(where, left, right, **params)
        return value, sum(terms[1:], terms[0])

    def transpose(cotangent: Any, where: Any, left: Any, right: Any, **_: Any) -> Any:
        if ad.is_undefined_primal(left):
            return None, transposes[0](cotangent, where, left.aval, right), None
        return None, None, transposes[1](cotangent, where, left, right.aval)

    ad.primitive_jvps[primitive] = jvp
    ad.primitive_transposes[primitive] = transpose
    _register_batch(primitive, batch)
    return primitive.bind


def own_rules(name: str, compute: Callable, shape: Callable, tangent: Callable, batch: Callable) -> Callable[..., Any]:
    """An operation whose derivative and whose batch are other programs than its own.

    Args:
        name: as it appears in a jaxpr.
        compute: of arrays.
        shape: shape and dtype of its result, from those of its arguments.
        tangent: ``(primals, tangents)`` to the tangent of the result; None stands for a tangent of 0.
        batch: ``(bind, lanes, args, mapped, **static)`` to the results along a new first axis. `mapped` says of each
            argument whether it has that axis.
    """
    primitive = _primitive(name, compute, shape, ())

    def jvp(primals: Any, tangents: Any) -> Any:
        moving = [None if type(t) is ad.Zero else t for t in tangents]
        return primitive.bind(*primals), tangent(primals, moving)

    ad.primitive_jvps[primitive] = jvp
    _register_batch(primitive, batch)
    return primitive.bind


def spread(arg: Any, moves: bool, lanes: int) -> Any:
    """The argument of each lane, where `moves` says that there is one for each."""
    return arg if moves else jnp.broadcast_to(arg[None], (lanes, *arg.shape))


def _primitive(name: str, compute: Callable, shape: Callable, static: tuple[str, ...]) -> Primitive:
    primitive = Primitive(name)
    primitive.def_impl(jax.jit(compute, static_argnames=static))
    primitive.def_abstract_eval(lambda *args, **params: ShapedArray(*shape(*args, **params)))
    mlir.register_lowering(primitive, mlir.lower_fun(compute, multiple_results=False))
    return primitive


def _register_batch(primitive: Primitive, batch: Callable) -> None:
    def rule(args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> tuple[Any, int]:
        lanes = next(arg.shape[dim] for arg, dim in zip(args, dims, strict=True) if dim is not None)
        args = [arg if dim is None else jnp.moveaxis(arg, dim, 0) for arg, dim in zip(args, dims, strict=True)]
        return batch(primitive.bind, lanes, args, [dim is not None for dim in dims], **params), 0

    batching.primitive_batchers[primitive] = rule
