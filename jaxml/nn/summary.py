"""What a network is made of: shapes, parameters, operations and receptive field of each layer, without running it.

The network is traced abstractly and its program read: the convolutions counted are those that would be computed, with
the strides and paddings that they have there.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jaxml.nn.layers import count_parameters
from jaxml.ops import ConvLayer, ReceptiveField, conv_cost, receptive_field

WHOLE = "whole"
"""The field of what depends on every pixel, such as the mean over a map."""
Field = ReceptiveField | str | None
CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")
IMAGES = 2  # in the batch that is traced: with one, a bias would look like an output


class Layer(NamedTuple):
    """One row of `describe`.

    Attributes:
        path: where the layer stands in the model, ``stages.0.1.conv1``; empty for an operation without parameters.
        kind: ``Conv``, ``BatchNorm``, ``Linear``, ..., or ``max pool``, ``average pool``, ``mean``.
        shape: of the output, without the batch axis.
        parameters: trainable ones.
        flops: of the convolutions and matrix products for one example, 2 a multiply-add, biases 1 an output, taps on
            padding included.
        flops_inside: the same without taps on padding, as XLA counts.
        field: the input pixels that one output can see; "whole" if all.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    flops: int
    flops_inside: int
    field: ReceptiveField | str


def describe(model: nnx.Module, input_shape: tuple[int, int, int]) -> list[Layer]:
    """List the layers of an image network in the order in which they are computed.

    Args:
        model: a module that maps (n, h, w, c) images; an abstract one (`nnx.eval_shape`) will do.
        input_shape: (h, w, c) of one image.

    Returns:
        One `Layer` for each call of a module with parameters of its own, and for each pooling.

    It counts convolutions and matrix products only: norms and activations are 0.

    See also: `jaxml.ops.conv_cost` and `jaxml.ops.receptive_field`, which count.

    >>> from jaxml.nn import resnet50
    >>> layers = describe(nnx.eval_shape(lambda: resnet50(rngs=nnx.Rngs(0))), (224, 224, 3))
    >>> convolutions = [layer for layer in layers if layer.kind == "Conv"]
    >>> len(convolutions), sum("downsample" not in layer.path for layer in convolutions)
    (53, 49)
    >>> sum(layer.parameters for layer in layers), sum(layer.flops for layer in layers)
    (25557032, 8178369512)
    """
    model = nnx.clone(model)
    scopes = _name_layers(model)
    graph, state = nnx.split(model)
    images = jax.ShapeDtypeStruct((IMAGES, *input_shape), jnp.float32)

    def forward(state: Any, x: Any) -> Any:
        return nnx.merge(graph, state, copy=True)(x)  # pyright: ignore[reportCallIssue]

    program = jax.make_jaxpr(forward)(state, images)
    reader = _Reader(scopes)
    unit = ReceptiveField((1, 1), (1, 1), (0, 0))
    reader.read(program.jaxpr, [None] * (len(program.jaxpr.invars) - 1) + [unit], "")
    return reader.layers


class _Named(nnx.Module):
    """A layer whose operations carry its path in the program."""

    def __init__(self, layer: nnx.Module, scope: str):
        self.layer, self.scope = layer, scope

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with jax.named_scope(self.scope):
            return self.layer(*args, **kwargs)  # pyright: ignore[reportCallIssue]


def _name_layers(model: nnx.Module) -> dict[str, tuple[str, str, int]]:
    """Wrap each module that has parameters of its own; ``scope -> (path, kind, parameters)``."""
    scopes = {}
    modules = dict(nnx.iter_modules(model))
    for path, module in modules.items():
        if path and any(isinstance(value, nnx.Param) for value in vars(module).values()):
            scope, kind = f"layer{len(scopes)}", type(module).__name__
            scopes[scope] = (".".join(map(str, path)), kind, count_parameters(module))
            parent, name = modules[path[:-1]], path[-1]
            if isinstance(parent, nnx.List):
                parent[int(str(name))] = _Named(module, scope)
            else:
                setattr(parent, str(name), _Named(module, scope))
    return scopes


class _Reader:
    """Walks a program, joins receptive fields and gathers layers."""

    def __init__(self, scopes: dict[str, tuple[str, str, int]]):
        self.scopes = scopes
        self.layers: list[Layer] = []
        self.last_scope = ""

    def read(self, jaxpr: Jaxpr, fields: Sequence[Field], outer: str, times: int = 1) -> list[Field]:
        known: dict[Any, Field] = dict(zip(jaxpr.invars, fields, strict=True))
        for eqn in jaxpr.eqns:
            inputs = [None if isinstance(v, Literal) else known.get(v) for v in eqn.invars]
            scope = outer or next((s for s in str(eqn.source_info.name_stack).split("/") if s in self.scopes), "")
            inner = next((eqn.params[name] for name in CALLS if name in eqn.params), None)
            if inner is not None:
                body = inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner
                given = inputs[len(inputs) - len(body.invars) :]
                outputs = self.read(body, given, scope, times * eqn.params.get("length", 1))
            else:
                field = _after(eqn, inputs)
                if field is not None:
                    self._gather(eqn, scope, field, times)
                outputs = [field] * len(eqn.outvars)
            known.update(zip(eqn.outvars, outputs, strict=False))
        return [None if isinstance(v, Literal) else known.get(v) for v in jaxpr.outvars]

    def _gather(self, eqn: Any, scope: str, field: ReceptiveField | str, times: int) -> None:
        shape = eqn.outvars[0].aval.shape[1:]
        flops, inside = (times * count for count in _flops(eqn))
        if scope and scope == self.last_scope:
            before = self.layers[-1]
            bias = times * math.prod(shape) if before.flops and _adds_bias(eqn) else 0
            flops, inside = before.flops + flops + bias, before.flops_inside + inside + bias
            self.layers[-1] = before._replace(shape=shape, flops=flops, flops_inside=inside, field=field)
            return
        path, kind, parameters = self.scopes.get(scope, ("", _pooling(eqn), 0))
        if kind:
            self.layers.append(Layer(path, kind, shape, parameters, flops, inside, field))
            self.last_scope = scope


def _pooling(eqn: Any) -> str:
    name = eqn.primitive.name
    if name == "reduce_window_max":
        return "max pool"
    if name in ("reduce_window_sum", "reduce_window"):
        return "average pool"
    return "mean" if name == "reduce_sum" and {1, 2} <= set(eqn.params["axes"]) else ""


def _flops(eqn: Any) -> tuple[int, ...]:
    """Operations of one equation for one example: with and without taps on padding."""
    name, out = eqn.primitive.name, eqn.outvars[0].aval.shape
    if name == "conv_general_dilated":
        geometry, (lhs, rhs) = _geometry(eqn), (v.aval.shape for v in eqn.invars)
        _, channel, *spatial = eqn.params["dimension_numbers"].lhs_spec
        options: dict[str, Any] = {
            "in_channels": lhs[channel],
            "out_channels": rhs[eqn.params["dimension_numbers"].rhs_spec[0]],
            "groups": eqn.params["feature_group_count"],
            **geometry._asdict(),
        }
        size = [lhs[axis] for axis in spatial]
        return tuple(conv_cost(size, skip_padding=skip, **options).flops for skip in (False, True))
    if name == "dot_general":
        contracted = eqn.params["dimension_numbers"][0][0]
        count = 2 * math.prod(out) * math.prod(eqn.invars[0].aval.shape[axis] for axis in contracted) // IMAGES
        return count, count
    return 0, 0


def _adds_bias(eqn: Any) -> bool:
    """Whether numbers for each channel, or for each output, are added to every example."""
    shapes = [v.aval.shape for v in eqn.invars]
    out = eqn.outvars[0].aval.shape
    sizes = (out[-1], math.prod(out[1:]))
    return eqn.primitive.name == "add" and any(shape != out and math.prod(shape) in sizes for shape in shapes)


def _geometry(eqn: Any) -> ConvLayer:
    """Kernel, stride, padding and dilation of a convolution or a window."""
    p = eqn.params
    if eqn.primitive.name == "conv_general_dilated":
        kernel = [eqn.invars[1].aval.shape[axis] for axis in p["dimension_numbers"].rhs_spec[2:]]
        return ConvLayer(kernel, p["window_strides"], p["padding"], p["rhs_dilation"])
    spatial = slice(1, 3)
    return ConvLayer(
        p["window_dimensions"][spatial], p["window_strides"][spatial], p["padding"][spatial],
        p["window_dilation"][spatial],
    )  # fmt: skip


def _after(eqn: Any, inputs: list[Field]) -> Field:
    """The field of an equation's output."""
    field = _hull([f for f in inputs if f is not None])
    if field is None or isinstance(field, str):
        return field
    name, p = eqn.primitive.name, eqn.params
    if name == "conv_general_dilated" or name.startswith("reduce_window"):
        return _compose(field, receptive_field([_geometry(eqn)]))
    if name == "pad":
        low = [-before for before, _, _ in p["padding_config"][1:3]]
        return _compose(field, ReceptiveField((1, 1), (1, 1), (low[0], low[1])))
    if name == "slice":
        strides = (p["strides"] or (1,) * 4)[1:3]
        return _compose(field, ReceptiveField((1, 1), strides, p["start_indices"][1:3]))
    which = next(i for i, f in enumerate(inputs) if f is not None)
    before = eqn.invars[which].aval.shape
    if name == "transpose" or (name == "dot_general" and set(p["dimension_numbers"][0][which]) == {3}):
        return field
    return field if eqn.outvars[0].aval.shape[1:3] == before[1:3] else WHOLE


def _compose(first: ReceptiveField, then: ReceptiveField) -> ReceptiveField:
    """The field in the input of `first` of an operation on its output."""
    axes = [
        (size + (more - 1) * stride, stride * step, start + offset * stride)
        for size, stride, start, more, step, offset in zip(*first, *then, strict=True)
    ]
    size, stride, start = zip(*axes, strict=True)
    return ReceptiveField(size, stride, start)


def _hull(fields: list[ReceptiveField | str]) -> Field:
    """What is seen through any of several fields of one stride."""
    if not fields or WHOLE in fields:
        return WHOLE if fields else None
    known = [field for field in fields if isinstance(field, ReceptiveField)]
    starts = [min(f.start[a] for f in known) for a in (0, 1)]
    ends = [max(f.start[a] + f.size[a] for f in known) for a in (0, 1)]
    return ReceptiveField((ends[0] - starts[0], ends[1] - starts[1]), known[0].stride, (starts[0], starts[1]))
