"""What a traced program costs: the memory alive at once and the arithmetic done, estimated from its jaxpr.

Both are upper estimates made before the compiler fuses anything away; they choose a chunk size and rank hazards.
"""

import math
from collections.abc import Iterator
from typing import Any


def peak_bytes(jaxpr: Any) -> int:
    """The bytes alive at once in a jaxpr."""
    last_use = {v: i for i, eqn in enumerate(jaxpr.eqns) for v in eqn.invars if not hasattr(v, "val")}
    last_use |= {v: len(jaxpr.eqns) for v in jaxpr.outvars if not hasattr(v, "val")}
    ends: dict[int, int] = {}
    live = peak = sum(_bytes(v) for v in jaxpr.invars)
    for i, eqn in enumerate(jaxpr.eqns):
        inner = max((peak_bytes(j) - sum(map(_bytes, j.invars)) for j in inner_jaxprs(eqn)), default=0)
        for v in eqn.outvars:
            live += _bytes(v)
            end = last_use.get(v, i)
            ends[end] = ends.get(end, 0) + _bytes(v)
        peak = max(peak, live + inner)
        live -= ends.pop(i, 0)
    return peak


def work(jaxpr: Any) -> float:
    """Scalar operations in one call: products of matrices, else one per element; a `while` body counts once."""
    total = 0.0
    for eqn in jaxpr.eqns:
        inner = [work(j) for j in inner_jaxprs(eqn)]
        if eqn.primitive.name == "cond":
            total += max(inner)
        elif inner:
            total += sum(inner) * eqn.params.get("length", 1)
        elif eqn.primitive.name == "dot_general":
            (contracted, _), _ = eqn.params["dimension_numbers"]
            depth = math.prod(eqn.invars[0].aval.shape[i] for i in contracted)
            total += 2.0 * depth * sum(_size(v) for v in eqn.outvars)
        else:
            total += sum(_size(v) for v in eqn.outvars)
    return total


def equations(jaxpr: Any) -> Iterator[Any]:
    """Every equation of a jaxpr and of the jaxprs inside it."""
    for eqn in jaxpr.eqns:
        yield eqn
        for inner in inner_jaxprs(eqn):
            yield from equations(inner)


def inner_jaxprs(eqn: Any) -> Iterator[Any]:
    for value in eqn.params.values():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            jaxpr = getattr(item, "jaxpr", item)
            if hasattr(jaxpr, "eqns"):
                yield jaxpr


def _size(variable: Any) -> int:
    return math.prod(getattr(variable.aval, "shape", ()))


def _bytes(variable: Any) -> int:
    return _size(variable) * getattr(getattr(variable.aval, "dtype", None), "itemsize", 0)
