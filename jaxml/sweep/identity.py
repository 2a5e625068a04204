"""What identifies a computation: a hash of the traced program in a canonical form.

Names, comments, and whether a helper is jitted leave it alone; every operation, setting and constant counts. What
cannot be read off the trace is identified another way: a primitive that is not JAX's own, or a function with a rule of
its own for lanes, by what XLA is given for two lanes; a callback by its code and all that its code refers to. What
cannot be identified at all is refused: a part that is skipped would let two computations pass for one.
"""

import dataclasses
import enum
import functools
import hashlib
import itertools
import re
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.extend.core.primitives
import numpy as np
from jax.core import ShapedArray

from jaxml.sweep.jaxprs import equations

_LISTED = {id(value) for value in vars(jax.extend.core.primitives).values()}
_UNLISTED = {"optimization_barrier", "platform_index", "split", "stack", "tile", "unstack"}
"""JAX's own primitives that its public list leaves out."""
CALLS = {"checkpoint", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "jit", "pjit", "remat2"}
_CALLBACKS = {"io_callback", "pure_callback"}
_WITHOUT_OUTPUT = {"debug_callback", "debug_print"}
_LOWERED = {"in_tree", "out_tree", "rule"}
"""What the program lowered for two lanes says of a `custom_vmap`."""
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}")
_CALLBACK_NUMBERS = re.compile(r"index = \d+ : ui64")


class Unidentified(Exception):
    """Part of a computation that cannot be identified."""


def code_hash(jaxpr: Any, lowered: Callable[[], str]) -> str:
    """A hash of a traced computation.

    Args:
        jaxpr: the closed jaxpr of one lane.
        lowered: gives what XLA is given for two lanes, as text; asked only where the trace does not say it all.

    Raises:
        Unidentified: when it holds something that cannot be identified.
    """
    text = described(jaxpr)
    if not is_plain(jaxpr):
        text += _CALLBACK_NUMBERS.sub("", lowered())
    return _short(text)


def is_plain(jaxpr: Any) -> bool:
    """Whether every primitive is JAX's own and none calls back into Python, so that the trace says it all."""
    used = [eqn.primitive for eqn in equations(jaxpr.jaxpr)]
    return all(is_jaxs(each) and each.name not in _CALLBACKS | _WITHOUT_OUTPUT | {"custom_vmap_call"} for each in used)


def is_jaxs(primitive: Any) -> bool:
    module = getattr(getattr(primitive.impl, "func", None), "__module__", None) or ""
    return id(primitive) in _LISTED or (primitive.name in _UNLISTED and module.split(".")[0] == "jax")


def described(closed: Any) -> str:
    """A jaxpr in words: variables are numbered as they appear, jitted helpers are written out where they are called."""
    jaxpr, consts = getattr(closed, "jaxpr", closed), getattr(closed, "consts", ())
    count = itertools.count()
    words: list[str] = []

    def name(v: Any, scope: Mapping[Any, str]) -> str:
        return _literal(v) if hasattr(v, "val") else scope[v]

    def new(v: Any) -> str:
        words.append(f"v{next(count)} {_aval(v)}")
        return words[-1].split()[0]

    def read(jaxpr: Any, scope: dict[Any, str]) -> list[str]:
        for eqn in jaxpr.eqns:
            kind, arguments = eqn.primitive.name, [name(v, scope) for v in eqn.invars]
            if kind in CALLS:
                called = next(eqn.params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in eqn.params)
                inner, held = getattr(called, "jaxpr", called), getattr(called, "consts", ())
                inside = dict(zip(inner.constvars, map(_value, held), strict=True))
                results = read(inner, inside | dict(zip(inner.invars, arguments, strict=True)))
                scope.update(zip(eqn.outvars, results, strict=True))
                continue
            settings = {} if kind in _WITHOUT_OUTPUT else dict(eqn.params)
            for key in _LOWERED if kind == "custom_vmap_call" else ():
                settings.pop(key, None)
            try:
                words.append(f"{kind} {arguments} {_value(settings, callback=kind in _CALLBACKS)}")
            except Unidentified as error:
                raise Unidentified(f"'{kind}' holds {error}") from None
            scope.update((v, new(v)) for v in eqn.outvars)
        return [name(v, scope) for v in jaxpr.outvars]

    scope = dict(zip(jaxpr.constvars, map(_value, consts), strict=True)) if consts else {}
    scope |= {v: new(v) for v in (*(() if consts else jaxpr.constvars), *jaxpr.invars)}
    words.append(f"returns {read(jaxpr, scope)}")
    return "\n".join(words)


def _aval(v: Any) -> str:
    return f"{v.aval.str_short()}{' weak' if getattr(v.aval, 'weak_type', False) else ''}"


def _literal(v: Any) -> str:
    return f"({_aval(v)} {_value(np.asarray(v.val, v.aval.dtype))})"


def _value(value: Any, callback: bool = False) -> str:
    """A setting or a constant in words.

    Raises:
        Unidentified: when two different ones could read the same.
    """
    within = functools.partial(_value, callback=callback)
    kind = type(value)
    if hasattr(value, "eqns") or hasattr(getattr(value, "jaxpr", None), "eqns"):
        return _short(described(value))
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.dtype)):
        return repr(value)
    if isinstance(value, enum.Enum):
        return f"{kind.__name__}.{value.name}"
    if isinstance(value, ShapedArray):
        return value.str_short()
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        if jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key):
            return f"{jax.random.key_impl(value)} {_value(jax.random.key_data(value))}"
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise Unidentified("an array of Python objects")
        return f"{array.dtype}{array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {within(value[key])}' for key in sorted(value, key=repr))}}}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(within, value))}]"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(within, value)))}}}"
    if callback and callable(value) and not dataclasses.is_dataclass(value):
        return _function(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return f"{kind.__name__}{within({f.name: getattr(value, f.name) for f in dataclasses.fields(value)})}"
    if kind.__module__.split(".")[0] in ("jax", "jaxlib") and not _ADDRESS.search(repr(value)):
        return f"{kind.__name__} {value!r}"
    module, name = getattr(value, "__module__", None) or "", getattr(value, "__qualname__", "")
    if module.split(".")[0] == "jax" and getattr(sys.modules.get(module), name, None) is value:
        return f"{module}.{name}"  # a function of JAX's own: those of a kind of keys, in `jax.random.key`
    raise Unidentified(f"{kind.__module__}.{kind.__qualname__}")


def _function(value: Callable[..., Any], seen: frozenset[int] = frozenset()) -> str:
    """A Python function in words: its code, defaults, the variables it encloses and the globals it names."""
    if id(value) in seen:
        return "itself"
    seen |= {id(value)}
    if isinstance(value, functools.partial):
        return f"partial {_function(value.func, seen)} {_held((value.args, value.keywords), seen)}"
    if isinstance(value, types.MethodType):
        return f"method {_function(value.__func__, seen)} {_held(value.__self__, seen)}"
    if not isinstance(value, types.FunctionType):
        module = sys.modules.get((getattr(value, "__module__", None) or "").split(".")[0])
        if module is None or isinstance(value, type) or not hasattr(value, "__name__"):
            raise Unidentified(f"{type(value).__qualname__} {getattr(value, '__qualname__', '')}".strip())
        return f"{_module(module)}.{value.__name__}"
    cells = [cell.cell_contents for cell in value.__closure__ or ()]
    named = {name: value.__globals__[name] for name in _names(value.__code__) if name in value.__globals__}
    return f"{_code(value.__code__)} {_held((value.__defaults__, value.__kwdefaults__, cells, named), seen)}"


def _held(value: Any, seen: frozenset[int]) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {_held(value[key], seen)}' for key in sorted(value, key=repr))}}}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_held(each, seen) for each in value)}]"
    if isinstance(value, types.ModuleType):
        return _module(value)
    return _function(value, seen) if callable(value) else _value(value)


def _code(code: types.CodeType) -> str:
    consts = [_code(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return _short(f"{code.co_code.hex()} {consts} {code.co_names} {code.co_varnames} {code.co_freevars}")


def _names(code: types.CodeType) -> set[str]:
    """The names that a function and those inside it look up."""
    return {*code.co_names}.union(*(_names(c) for c in code.co_consts if isinstance(c, types.CodeType)))


def _module(module: types.ModuleType) -> str:
    """An installed module by its version, one's own by its text."""
    version, file = getattr(module, "__version__", None), getattr(module, "__file__", None)
    if version is None and file is not None and Path(file).suffix == ".py":
        version = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return f"{module.__name__} {version}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
