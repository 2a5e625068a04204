"""A traced program computed in NumPy, one equation after the other: a second opinion that costs no compilation.

It shares nothing with the compiled program but the trace. What NumPy does not have is computed by JAX, each equation
by itself. Numbers keep the dtypes that the trace says, and rounded results can be moved by some units in the last place
to learn how far rounding moves an output (see `jaxml.sweep.perturb`, which does the same in compiled code).
"""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxml.sweep.identity import CALLS, is_jaxs
from jaxml.sweep.perturb import DRAW, ROUNDED, ULPS
from jaxml.sweep.primitives import KNOWN, SAME

_DRAWS = 65521
_COMPILES = 1.0
"""Seconds that must be left where JAX is asked, which compiles an equation when it first meets it."""


class TooLong(Exception):
    """The time that a computation was given is over."""


class Numeric:
    """The function ``(*arguments) -> outputs`` of a jaxpr, in NumPy.

    Args:
        closed: the jaxpr, constants included.

    Its equations are looked up once, so that further lanes cost only their arithmetic.
    """

    def __init__(self, closed: Any, constants: Sequence[Any]):
        self._jaxpr, self._constants, self._known = closed.jaxpr, [host(c) for c in constants], {}
        self._until, self._random, self._size = math.inf, None, 0.0
        self._shares: dict[Any, np.ndarray] = {}
        self._at = 0

    def __call__(self, arguments: Sequence[Any], until: float, move: tuple[int, float] | None = None) -> Sequence[Any]:
        """The outputs at these arguments.

        Args:
            arguments: in the order of the jaxpr.
            until: when to give up, by `time.perf_counter`.
            move: the number and size of random moves of every rounded result; None for none.

        Raises:
            TooLong: when that time has come.
        """
        self._until = until
        self._shares, self._at = {}, 0
        self._random, self._size = (None, 0.0) if move is None else (np.random.default_rng(move[0]), move[1])
        with np.errstate(all="ignore"), jax.enable_x64(True):  # every equation says its dtypes
            return self._run(self._jaxpr, self._constants, [host(a) for a in arguments])

    def _run(self, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any]) -> Sequence[Any]:
        if time.perf_counter() > self._until:
            raise TooLong
        key = id(jaxpr), self._random is not None
        if key not in self._known:
            self._known[key] = jaxpr, self._written(jaxpr, *key)  # the jaxpr too: its number stays its own
        return self._known[key][1](*constants, *arguments)

    def _written(self, jaxpr: Any, _: int, moving: bool) -> Callable[..., Sequence[Any]]:
        """A jaxpr as a Python function of its constants and arguments, which a loop calls for each of its steps."""
        names: dict[Any, str] = {}
        scope: dict[str, Any] = {"moved": self._moved}
        literals = itertools.count()

        def of(v: Any) -> str:
            if not hasattr(v, "val"):
                return names.setdefault(v, f"v{len(names)}")
            name = f"c{next(literals)}"
            scope[name] = np.asarray(v.val, v.aval.dtype)[()]
            return name

        given = ", ".join(of(v) for v in (*jaxpr.constvars, *jaxpr.invars))
        lines = [f"def function({given}):"]
        for i, eqn in enumerate(jaxpr.eqns):
            scope[f"f{i}"] = self._step(eqn)
            value = f"f{i}({', '.join(of(v) for v in eqn.invars)})"
            if moving and eqn.primitive.name in ROUNDED and jnp.issubdtype(eqn.outvars[0].aval.dtype, jnp.floating):
                dtype = eqn.outvars[0].aval.dtype
                value = f"moved({value}, {ULPS * float(jnp.finfo(dtype).eps)!r})"
            targets = "".join(f"{of(v)}, " for v in eqn.outvars)
            lines.append(f"    {targets and targets + '= '}{value}{'' if eqn.primitive.multiple_results else ','}")
        lines.append(f"    return ({''.join(f'{of(v)}, ' for v in jaxpr.outvars)})")
        exec("\n".join(lines), scope)  # names and numbers of its own alone
        return scope["function"]

    def _moved(self, value: Any, scale: float) -> Any:
        """A rounded result, each of its numbers moved by its own share, out of many drawn at once."""
        assert self._random is not None
        if value.dtype not in self._shares:
            draws = self._random.uniform(-scale * self._size, scale * self._size, 2 * _DRAWS)
            self._shares[value.dtype] = (1 + draws).astype(value.dtype)
        shares, begin = self._shares[value.dtype], self._at
        if not value.ndim:
            self._at = (begin + 1) % _DRAWS
            return value * shares[begin]
        self._at = (begin + value.size) % _DRAWS
        if value.size <= _DRAWS:
            return value * shares[begin : begin + value.size].reshape(value.shape)
        return value * np.resize(shares, value.shape)

    def _inner(self, inner: Any) -> Callable[..., Sequence[Any]]:
        jaxpr, constants = getattr(inner, "jaxpr", inner), [host(c) for c in getattr(inner, "consts", ())]
        return lambda *arguments: self._run(jaxpr, constants, arguments)

    def _step(self, eqn: Any) -> Callable[..., Sequence[Any]]:
        """How to compute one equation."""
        name, p = eqn.primitive.name, eqn.params
        if name == "scan":
            return self._scan(p)
        if name == "while":
            return self._while(p)
        if name == "cond":
            branches = [self._inner(each) for each in p["branches"]]
            return lambda index, *rest: branches[min(max(int(index), 0), len(branches) - 1)](*rest)
        if p.get("name") != DRAW and (name in CALLS or name == "custom_vmap_call"):
            return self._inner(next(p[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr", "call") if key in p))
        if p.get("name") == DRAW and "jaxpr" in p:
            still = self._inner(p["jaxpr"])

            def draw(*inputs: Any) -> Sequence[Any]:  # moved, it would leave its interval
                held, self._random = self._random, None
                outputs = still(*inputs)
                self._random = held
                return outputs

            return draw
        known = KNOWN.get(name) if is_jaxs(eqn.primitive) else None
        compute = None if known is None else known(eqn)
        if compute is None:
            return lambda *inputs: self._by_jax(eqn, inputs)
        dtype = eqn.outvars[0].aval.dtype
        if eqn.primitive.multiple_results or jnp.issubdtype(dtype, jax.dtypes.prng_key):
            return compute
        if name in SAME and all(v.aval.dtype == dtype for v in eqn.invars):
            return compute

        def cast(*inputs: Any) -> Any:
            value = compute(*inputs)
            return value if value.dtype == dtype else value.astype(dtype)

        return cast

    def _by_jax(self, eqn: Any, inputs: Sequence[Any]) -> Any:
        if time.perf_counter() + _COMPILES > self._until:  # nothing stops a compilation
            raise TooLong
        return _by_jax(eqn, inputs)

    def _scan(self, p: Any) -> Callable[..., Sequence[Any]]:
        body, length, consts = self._inner(p["jaxpr"]), p["length"], p["num_consts"]
        carried = consts + p["num_carry"]
        empty = [(v.aval.shape, v.aval.dtype) for v in p["jaxpr"].jaxpr.outvars[p["num_carry"] :]]

        def scan(*inputs: Any) -> list[Any]:
            state, rows = list(inputs[consts:carried]), [None] * length
            for i in reversed(range(length)) if p["reverse"] else range(length):
                outputs = body(*inputs[:consts], *state, *(x[i] for x in inputs[carried:]))
                state, rows[i] = outputs[: p["num_carry"]], outputs[p["num_carry"] :]
            if not length:
                return [*state, *(np.zeros((0, *shape), dtype) for shape, dtype in empty)]
            return [*state, *(np.stack(column) for column in zip(*rows, strict=True))]

        return scan

    def _while(self, p: Any) -> Callable[..., Sequence[Any]]:
        goes_on, body = self._inner(p["cond_jaxpr"]), self._inner(p["body_jaxpr"])
        first, second = p["cond_nconsts"], p["cond_nconsts"] + p["body_nconsts"]

        def loop(*inputs: Any) -> Sequence[Any]:
            state: Sequence[Any] = inputs[second:]
            while True:
                (open_,) = goes_on(*inputs[:first], *state)
                if not np.any(open_):
                    return state
                new = body(*inputs[first:second], *state)
                if np.ndim(open_):  # of a loop that was batched, one for each lane, along the leading axes
                    new = [
                        np.where(np.reshape(open_, np.shape(open_) + (1,) * (np.ndim(n) - np.ndim(open_))), n, old)
                        for n, old in zip(new, state, strict=True)
                    ]
                state = new

        return loop


def host(value: Any) -> Any:
    """An array as NumPy's; a key as the number that its two words make, which is cut and moved as numbers are."""
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        words = np.asarray(jax.random.key_data(value)).astype(np.uint64)
        return (words[..., 0] << np.uint64(32)) | words[..., 1]
    return np.asarray(value)


def _device(value: Any, aval: Any) -> jax.Array:
    if not jnp.issubdtype(aval.dtype, jax.dtypes.prng_key):
        return jnp.asarray(value)
    words = np.stack([np.asarray(value) >> np.uint64(32), np.asarray(value) & np.uint64(0xFFFFFFFF)], axis=-1)
    return jax.random.wrap_key_data(jnp.asarray(words, jnp.uint32), impl="threefry2x32")


def _by_jax(eqn: Any, inputs: Sequence[Any]) -> list[Any]:
    placed = [_device(x, v.aval) for x, v in zip(inputs, eqn.invars, strict=True)]
    outputs = eqn.primitive.bind(*placed, **eqn.params)
    return [host(each) for each in outputs] if eqn.primitive.multiple_results else host(outputs)
