"""The program of a network read: which operations belong to which call of a layer, and what they see of the image."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jaxml.nn.fields import WHOLE, Field, composed, hull, window

IMAGES = 2
"""The images in the batch that is traced: with one, a bias would look like an output."""
_CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_PRODUCTS = {"conv_general_dilated", "dot_general"}
_VIEWS = {"broadcast_in_dim", "convert_element_type", "reshape", "squeeze", "transpose"}
_ALONG_AXES = {"cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum", "rev", "sort"}
_LONGEST = 64
"""Passes through a loop after which a field that still grows is called whole."""


class Value(NamedTuple):
    """What is known of an array: the pixels it sees, None if it is the same for all images, and what it is made of.

    `product` is true of a product of which nothing but another view was taken; `flops` is what it took to make it of
    parameters alone.
    """

    field: Field = None
    leaves: frozenset[int] = frozenset()
    product: bool = False
    flops: float = 0.0


NOTHING = Value()


class Row:
    """A call of a layer, while it is read."""

    def __init__(self, path: str, kind: str):
        self.path, self.kind = path, kind
        self.parameters, self.flops, self.flops_inside = 0, 0.0, 0.0
        self.shape: tuple[int, ...] = ()
        self.field: Field = None
        self.leaves: frozenset[int] = frozenset()


class Scope(NamedTuple):
    """A call of a layer: its name, and which parameters the layer has."""

    path: str
    kind: str
    leaves: frozenset[int]


class Reader:
    """Walks a program, joins receptive fields and gathers rows.

    Args:
        scopes: the calls of layers by the scope of their operations.
        sizes: of each array among the parameters.
        names: of each likewise, for operations outside of all scopes.
    """

    def __init__(self, scopes: Mapping[str, Scope], sizes: Sequence[int], names: Sequence[tuple[str, str]]):
        self._scopes, self._sizes, self._names = scopes, sizes, names
        self._in_scope: dict[str, Row] = {}
        self._of_leaves: dict[tuple[str, str], Row] = {}
        self._dry = False
        self.rows: list[Row] = []
        self.counted: set[int] = set()

    def read(self, jaxpr: Jaxpr, values: Sequence[Value], outer: str = "", times: int = 1) -> list[Value]:
        """What is known of a program's outputs, given its inputs."""
        known: dict[Any, Value] = dict(zip(jaxpr.invars, values, strict=True))

        def of(v: Any) -> Value:
            return NOTHING if isinstance(v, Literal) else known.get(v, NOTHING)

        for eqn in jaxpr.eqns:
            inside = [name for name in str(eqn.source_info.name_stack).split("/") if name in self._scopes]
            scope = inside[-1] if inside else outer
            outputs = self._step(eqn, [of(v) for v in eqn.invars], scope, times)
            known.update(zip(eqn.outvars, outputs, strict=False))
        return [of(v) for v in jaxpr.outvars]

    def _step(self, eqn: Any, inputs: list[Value], scope: str, times: int) -> list[Value]:
        name, p = eqn.primitive.name, eqn.params
        if name == "scan":
            return self._loop(p["jaxpr"].jaxpr, inputs, p["num_consts"], p["num_carry"], scope, times, p["length"])
        if name == "while":
            inputs = inputs[p["cond_nconsts"] :]
            return self._loop(p["body_jaxpr"].jaxpr, inputs, p["body_nconsts"], len(eqn.outvars), scope, times, 1)
        called = next((p[key] for key in _CALLS if key in p), None)
        if called is not None:
            body = called.jaxpr if isinstance(called, ClosedJaxpr) else called
            return self.read(body, inputs[len(inputs) - len(body.invars) :], scope, times)
        return [self._after(eqn, inputs, scope, times)] * len(eqn.outvars)

    def _loop(
        self, body: Jaxpr, inputs: list[Value], consts: int, carried: int, scope: str, times: int, length: int
    ) -> list[Value]:
        """Read a body once for good, after as many passes as its fields take to settle."""
        held, state, moving = inputs[:consts], inputs[consts : consts + carried], inputs[consts + carried :]
        dry, self._dry = self._dry, True
        for turn in range(length - 1):
            found = self.read(body, [*held, *state, *moving])[:carried]
            after = [a._replace(field=hull([a.field, b.field])) for a, b in zip(found, state, strict=True)]
            if turn == _LONGEST:
                after = [a._replace(field=a.field and WHOLE) for a in after]
            if [a.field for a in after] == [b.field for b in state]:
                break
            state = after
        self._dry = dry
        return self.read(body, [*held, *state, *moving], scope, times * length)

    def _after(self, eqn: Any, inputs: list[Value], scope: str, times: int) -> Value:
        """What is known of an equation's output; what it adds to its row."""
        name, out = eqn.primitive.name, eqn.outvars[0].aval.shape
        leaves = frozenset().union(*(value.leaves for value in inputs))
        made = sum(value.flops for value in inputs)
        field = field_after(eqn, [value.field for value in inputs])
        flops = product_flops(eqn) if name in _PRODUCTS else (0.0, 0.0)
        if field is None:
            return Value(None, leaves, flops=made + flops[1])
        views = name in _VIEWS and any(value.product for value in inputs)
        row = None if self._dry else self._row(eqn, leaves, scope)
        if row is not None:
            biased = name in ("add", "sub") and leaves and any(value.product for value in inputs)
            bias = math.prod(out) / IMAGES if biased else 0.0
            row.flops += times * (flops[0] / IMAGES + bias + made)
            row.flops_inside += times * (flops[1] / IMAGES + bias + made)
            row.shape, row.field = out[1:], field
        return Value(field, product=name in _PRODUCTS or views)

    def _row(self, eqn: Any, leaves: frozenset[int], scope: str) -> Row | None:
        """The row that an operation on images belongs to."""
        if scope:
            if scope not in self._in_scope:
                path, kind, own = self._scopes[scope]
                self._in_scope[scope] = self._added(path, kind, own)
            return self._in_scope[scope]
        if leaves:
            name = self._names[min(leaves)]
            row = self._of_leaves.get(name)
            if row is None or leaves <= row.leaves:  # all of them once more: it is called again
                row = self._of_leaves[name] = self._added(*name, frozenset())
            row.leaves |= leaves
            row.parameters += self._new(leaves)
            return row
        kind = "product" if eqn.primitive.name in _PRODUCTS else _pooling(eqn)
        return self._added("", kind, frozenset()) if kind else None

    def _added(self, path: str, kind: str, leaves: frozenset[int]) -> Row:
        self.rows.append(Row(path, kind))
        self.rows[-1].parameters = self._new(leaves)
        return self.rows[-1]

    def _new(self, leaves: frozenset[int]) -> int:
        """The size of those parameters that no row has counted."""
        new = leaves - self.counted
        self.counted |= new
        return sum(self._sizes[leaf] for leaf in new)


def _pooling(eqn: Any) -> str:
    name = eqn.primitive.name
    if name == "reduce_window_max":
        return "max pool"
    if name in ("reduce_window_sum", "reduce_window"):
        return "average pool"
    shape = eqn.invars[0].aval.shape if eqn.invars else ()
    return "mean" if name == "reduce_sum" and len(shape) == 4 and {*eqn.params["axes"]} == {1, 2} else ""


def product_flops(eqn: Any) -> tuple[float, float]:
    """Operations of a product over the whole batch: with and without taps on padding."""
    out, p = eqn.outvars[0].aval.shape, eqn.params
    lhs, rhs = (v.aval.shape for v in eqn.invars)
    if eqn.primitive.name == "dot_general":
        (contracted, _), _ = p["dimension_numbers"]
        count = 2.0 * math.prod(out) * math.prod(lhs[axis] for axis in contracted)
        return count, count
    numbers = p["dimension_numbers"]
    batch, channels, *places = numbers.out_spec
    taps, inside = 1, 1
    for axis, (place, before, kernel) in enumerate(
        zip(places, numbers.lhs_spec[2:], numbers.rhs_spec[2:], strict=True)
    ):
        spread = p["lhs_dilation"][axis]
        starts = np.arange(out[place])[:, None] * p["window_strides"][axis] - p["padding"][axis][0]
        at = starts + np.arange(rhs[kernel]) * p["rhs_dilation"][axis]
        on = at % spread == 0
        taps *= int(on.sum())
        inside *= int((on & (at >= 0) & (at < lhs[before] * spread)).sum())
    each = 2.0 * out[batch] * out[channels] * rhs[numbers.rhs_spec[1]] / p["batch_group_count"]
    return each * taps, each * inside


def field_after(eqn: Any, inputs: list[Field]) -> Field:
    """The field of an equation's output."""
    field = hull(inputs)
    if not isinstance(field, tuple):
        return field
    name, p = eqn.primitive.name, eqn.params
    if name == "conv_general_dilated" and p["dimension_numbers"].lhs_spec == (0, 3, 1, 2):
        sides = [eqn.invars[1].aval.shape[axis] for axis in p["dimension_numbers"].rhs_spec[2:]]
        padding = [before for before, _ in p["padding"]]
        return composed(
            field, list(map(window, sides, p["window_strides"], padding, p["rhs_dilation"], p["lhs_dilation"]))
        )
    if name.startswith("reduce_window"):
        sides = zip(p["window_dimensions"], p["window_strides"], p["padding"], p["window_dilation"], strict=True)
        return composed(field, [window(n, stride, pad[0], dilation) for n, stride, pad, dilation in [*sides][1:3]])
    if name == "pad":
        return composed(
            field, [window(1, 1, int(low), 1, int(inner) + 1) for low, _, inner in p["padding_config"][1:3]]
        )
    if name == "slice" and len(p["start_indices"]) > 2:
        strides = p["strides"] or [1] * len(p["start_indices"])
        return composed(field, [window(1, strides[i], -p["start_indices"][i]) for i in (1, 2)])
    which = next(i for i, seen in enumerate(inputs) if seen is not None)
    before = eqn.invars[which].aval.shape
    if name == "transpose":
        return field
    if name == "dot_general" and {*p["dimension_numbers"][0][which]} == {3}:
        return field
    return field if eqn.outvars[0].aval.shape[1:3] == before[1:3] and name not in _ALONG_AXES else WHOLE
