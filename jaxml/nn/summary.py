"""What a network is made of: shapes, parameters, operations and receptive field of each layer, without running it.

The network is traced abstractly and its program read: what is counted is what would be computed, each call of a layer
as often as it is called, and each parameter once, whatever names it has.
"""

import contextlib
import contextvars
import functools
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.tree_util import DictKey

from jaxml.nn.fields import PIXEL, shown
from jaxml.nn.reading import IMAGES, NOTHING, Reader, Scope, Value
from jaxml.ops import ReceptiveField

_CALLED: contextvars.ContextVar[Callable[..., Any]] = contextvars.ContextVar("called")
"""What opens the scope of a layer that is called, while a network is traced."""


class Layer(NamedTuple):
    """One row of `describe`.

    Attributes:
        path: where the layer stands in the model, ``stages.0.1.conv1``; of several names one for each call, in order.
            Empty for the model itself and for an operation without parameters.
        kind: ``Conv``, ``BatchNorm``, ``Linear``, ...; ``Param`` for parameters of a module that holds layers;
            ``product`` of two images' values, as in attention; ``max pool``, ``average pool``, ``mean``.
        shape: of the output, without the batch axis.
        parameters: trainable ones that no row before has used.
        flops: of the convolutions and matrix products for one example, 2 a multiply-add, biases 1 an output, taps on
            padding included; the zeros between the inputs of a transposed convolution are no taps.
        flops_inside: the same without taps on padding, as XLA counts.
        field: the input pixels that one output can see, the largest if they differ, and how far they move from one
            output to the next, half a pixel after doubling the size; "whole" if all, "unused" if the layer is not.
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
        One `Layer` for each call of a module with parameters of its own, each pooling and each product of two values
        that depend on the image; last, what is not used.

    It counts convolutions and matrix products only: norms and activations are 0. A `lax.while_loop` counts once, of a
    `lax.cond` nothing is counted.

    See also: `jaxml.ops.conv_cost` and `jaxml.ops.receptive_field`, which count for sizes alone.

    >>> from jaxml.nn import resnet50
    >>> layers = describe(nnx.eval_shape(lambda: resnet50(rngs=nnx.Rngs(0))), (224, 224, 3))
    >>> convolutions = [layer for layer in layers if layer.kind == "Conv"]
    >>> len(convolutions), sum("downsample" not in layer.path for layer in convolutions)
    (53, 49)
    >>> sum(layer.parameters for layer in layers), sum(layer.flops for layer in layers)
    (25557032, 8178369512)
    """
    graph, parameters, rest = nnx.split(model, nnx.Param, ...)
    leaves, tree = jax.tree.flatten(parameters)
    held = _layers(model, parameters)
    scopes: dict[str, Scope] = {}
    calls: Counter[int] = Counter()

    def forward(leaves: list[Any], rest: Any, x: Any) -> Any:
        network: Any = nnx.merge(graph, jax.tree.unflatten(tree, leaves), rest, copy=True)
        places = {}
        for path, module in nnx.iter_modules(network):
            if path in held:
                places[id(module)] = held[path]
                object.__setattr__(module, "__class__", _with_scope(type(module)))

        def opened(module: Any) -> Any:
            layer = places.get(id(module))
            if layer is None:
                return contextlib.nullcontext()
            turn, scope = calls[id(module)], f"layer{len(scopes)}"
            calls[id(module)] += 1
            scopes[scope] = Scope(layer.paths[min(turn, len(layer.paths) - 1)], layer.kind, layer.leaves)
            return jax.named_scope(scope)

        token = _CALLED.set(opened)
        try:
            return network(x)
        finally:
            _CALLED.reset(token)

    images = jax.ShapeDtypeStruct((IMAGES, *input_shape), jnp.float32)
    program = jax.make_jaxpr(forward)(leaves, rest, images).jaxpr
    sizes, names = [math.prod(leaf.shape) for leaf in leaves], _names(held, parameters)
    reader = Reader(scopes, sizes, names)
    made = [Value(leaves=frozenset([i])) for i in range(len(leaves))]
    reader.read(program, [*made, *[NOTHING] * (len(program.invars) - len(leaves) - 1), Value(PIXEL)])
    layers = [
        Layer(
            row.path, row.kind, row.shape, row.parameters, round(row.flops), round(row.flops_inside), shown(row.field)
        )
        for row in reader.rows
    ]
    unused: Counter[tuple[str, str]] = Counter()
    for leaf in {*range(len(leaves))} - reader.counted:
        unused[names[leaf]] += sizes[leaf]
    return layers + [Layer(path, kind, (), size, 0, 0, "unused") for (path, kind), size in unused.items()]


@functools.cache
def _with_scope(kind: type) -> type:
    """The same kind of layer, whose operations carry the scope of their call."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _CALLED.get(contextlib.nullcontext)(self):
            return kind.__call__(self, *args, **kwargs)

    return type(kind.__name__, (kind,), {"__call__": __call__})


class _Held(NamedTuple):
    """A layer: a module with parameters of its own and no module inside."""

    paths: list[str]
    kind: str
    leaves: frozenset[int]


def _layers(model: nnx.Module, parameters: Any) -> dict[tuple[Any, ...], _Held]:
    """The layers of a network, by the path under which each comes first, with all their paths."""
    at = {path: variable for path, _, variable in _walked(model, (), ()) if isinstance(variable, nnx.Param)}
    numbers: dict[int, list[int]] = {}
    for number, path in enumerate(_paths(parameters)):
        numbers.setdefault(id(at[path]), []).append(number)
    paths: dict[int, list[tuple[Any, ...]]] = {}
    modules: dict[int, Any] = {}
    for path, above, _ in _walked(model, (), ()):
        if not isinstance(above, (nnx.List, nnx.Dict)) and path[:-1] not in paths.get(id(above), ()):
            paths.setdefault(id(above), []).append(path[:-1])
            modules[id(above)] = above
    layers = {}
    for name, module in modules.items():
        children = [child for _, child in nnx.iter_children(module)]
        own = [child for child in children if isinstance(child, nnx.Param)]
        if own and not any(isinstance(child, nnx.Module) for child in children):
            leaves = frozenset(itertools.chain.from_iterable(numbers[id(each)] for each in own))
            shown_as = [".".join(map(str, path)) for path in paths[name]]
            layers |= {path: _Held(shown_as, type(module).__name__, leaves) for path in paths[name]}
    return layers


def _names(held: dict[tuple[Any, ...], _Held], parameters: Any) -> list[tuple[str, str]]:
    """A path and a kind for each array among the parameters: its layer's, or its own."""
    found = [(".".join(map(str, path)), "Param") for path in _paths(parameters)]
    for layer in held.values():
        for leaf in layer.leaves:
            found[leaf] = (layer.paths[0], layer.kind)
    return found


def _paths(parameters: Any) -> list[tuple[Any, ...]]:
    """The path of the parameter that each array belongs to."""
    paths, _ = jax.tree_util.tree_flatten_with_path(parameters)
    return [tuple(key.key for key in itertools.takewhile(lambda k: isinstance(k, DictKey), path)) for path, _ in paths]


def _walked(node: Any, path: tuple[Any, ...], above: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    """Every variable under each of its names: ``(path, what holds it, variable)``."""
    for name, child in nnx.iter_children(node):
        if isinstance(child, nnx.Variable):
            yield (*path, name), node, child
        elif all(child is not each for each in above):
            yield from _walked(child, (*path, name), (*above, node))
