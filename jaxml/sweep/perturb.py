"""How far rounding moves a trial: the trial again, every rounded result moved by a few units in the last place.

Two compilers may round each product, sum and transcendental function differently, and where a trial is chaotic, as
training is at high learning rates, this grows to any size. What they may legitimately differ by is hence no constant:
it is what comes of moving every such result at random, in loops too. Uniform draws stay: they are exact but for the
last place, and moved they would leave their interval, outside of which `erf_inv` and logarithms are not defined.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import jaxpr_as_fun

from jaxml.sweep.identity import CALLS

ROUNDED = {"cbrt", "conv_general_dilated", "cos", "cosh", "cumlogsumexp", "cumprod", "cumsum", "digamma", "div"}
ROUNDED |= {"dot_general", "eigh", "erf", "erf_inv", "erfc", "exp", "exp2", "expm1", "integer_pow", "lgamma", "log"}
ROUNDED |= {"log1p", "logistic", "mul", "pow", "reduce_prod", "reduce_sum", "rsqrt", "scatter-add", "sin", "sinh"}
ROUNDED |= {"cholesky", "lu", "sqrt", "square", "svd", "tan", "tanh", "triangular_solve"}
DRAW = "_uniform"
"""The name of JAX's jitted function for them."""
ULPS = 4.0


def perturbed(closed: Any) -> Callable[..., list[Any]]:
    """The function ``(salt, size, constants, *arguments) -> outputs`` of a jaxpr.

    ``size`` scales the moves (0: none), ``salt`` draws them.
    """

    def function(salt: jax.Array, size: jax.Array, constants: Sequence[Any], *arguments: Any) -> list[Any]:
        sites = itertools.count(1)

        def moved(value: Any) -> Any:
            if not jnp.issubdtype(value.dtype, jnp.floating):
                return value
            places = lax.iota(jnp.uint32, max(value.size, 1))[: value.size].reshape(value.shape)
            draw = (places + np.uint32(next(sites) * 40503)) * np.uint32(2654435761) + salt * np.uint32(0x9E3779B9)
            draw = (draw ^ (draw >> np.uint32(15))) * np.uint32(0x85EBCA6B)
            move = (draw >> np.uint32(8)).astype(jnp.float32) / np.float32(2**23) - np.float32(1)
            scale = np.float32(ULPS * float(jnp.finfo(value.dtype).eps))
            return value * (1 + (move * scale * size).astype(value.dtype))

        def run(jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
            known = dict(zip(jaxpr.constvars, constants, strict=True)) | dict(zip(jaxpr.invars, arguments, strict=True))

            def read(v: Any) -> Any:
                return jnp.asarray(v.val, v.aval.dtype) if hasattr(v, "val") else known[v]

            for eqn in jaxpr.eqns:
                known.update(zip(eqn.outvars, step(eqn, [read(v) for v in eqn.invars]), strict=True))
            return [read(v) for v in jaxpr.outvars]

        def closed_run(inner: Any) -> Callable[[Sequence[Any]], list[Any]]:
            return lambda arguments: run(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), arguments)

        def step(eqn: Any, inputs: list[Any]) -> Sequence[Any]:
            name, p = eqn.primitive.name, eqn.params
            if name == "scan":
                return _scan(closed_run(p["jaxpr"]), p, inputs)
            if name == "while":
                return _while(closed_run(p["cond_jaxpr"]), closed_run(p["body_jaxpr"]), p, inputs)
            if name == "cond":
                branches = [closed_run(each) for each in p["branches"]]
                return lax.switch(inputs[0].astype(jnp.int32), branches, inputs[1:])
            if p.get("name") == DRAW and "jaxpr" in p:
                return jaxpr_as_fun(p["jaxpr"])(*inputs)
            if name in CALLS or name == "custom_vmap_call":
                called = next(p[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr", "call") if key in p)
                return closed_run(called)(inputs)
            outputs = eqn.primitive.bind(*inputs, **p)
            outputs = outputs if eqn.primitive.multiple_results else [outputs]
            return [moved(each) for each in outputs] if name in ROUNDED else outputs

        with jax.enable_x64(True):  # every equation says its dtypes; some are of 64 bits, where a trial asks for them
            return run(closed.jaxpr, constants, arguments)

    return function


def _scan(body: Callable[..., list[Any]], p: Any, inputs: list[Any]) -> list[Any]:
    consts, carry = p["num_consts"], p["num_consts"] + p["num_carry"]

    def one(state: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        outputs = body([*inputs[:consts], *state, *x])
        return outputs[: p["num_carry"]], outputs[p["num_carry"] :]

    last, ys = lax.scan(one, inputs[consts:carry], inputs[carry:], length=p["length"], reverse=p["reverse"])
    return [*last, *ys]


def _while(
    goes_on: Callable[..., list[Any]], body: Callable[..., list[Any]], p: Any, inputs: list[Any]
) -> Sequence[Any]:
    first, second = p["cond_nconsts"], p["cond_nconsts"] + p["body_nconsts"]
    held, own, state = inputs[:first], inputs[first:second], inputs[second:]

    def one(s: list[Any]) -> list[Any]:
        (open_,) = goes_on([*held, *s])  # of a loop that was batched, one for each lane, along the leading axes
        kept = [lax.broadcast_in_dim(open_, jnp.shape(old), range(open_.ndim)) for old in s] if open_.ndim else []
        new = body([*own, *s])
        return [lax.select(k, n, old) for k, n, old in zip(kept, new, s, strict=True)] if kept else new

    return lax.while_loop(lambda s: goes_on([*held, *s])[0].any(), one, state)
