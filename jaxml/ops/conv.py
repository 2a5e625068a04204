"""Sizes and costs of convolutions, from their settings alone: plain integers in, plain integers out, no arrays.

A size, kernel, stride, padding or dilation is given per axis, as a tuple whose length is the number of spatial
axes; a single integer stands for the same on each axis of the kernel.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from jaxml.ops.checks import check_choice

__all__ = [
    "ConvCost",
    "ConvLayer",
    "ReceptiveField",
    "conv_cost",
    "conv_output_size",
    "receptive_field",
]

Padding = Literal["SAME", "VALID"] | int | Sequence[int | tuple[int, int]]


class ConvCost(NamedTuple):
    """What one convolution costs for one example.

    See also: `conv_cost`, which counts it.
    """

    output_size: tuple[int, ...]
    parameters: int
    flops: int


class ConvLayer(NamedTuple):
    """Geometry of one layer, a convolution or a pooling, for `receptive_field`.

    See also: `receptive_field`.
    """

    kernel_size: int | Sequence[int]
    stride: int | Sequence[int] = 1
    padding: int | Sequence[int | tuple[int, int]] = 0
    dilation: int | Sequence[int] = 1


class ReceptiveField(NamedTuple):
    """The input pixels one output sees: ``start + i * stride .. start + i * stride + size - 1`` for output `i`.

    See also: `receptive_field`.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    start: tuple[int, ...]


def conv_output_size(
    size: Sequence[int],
    *,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
) -> tuple[int, ...]:
    """Spatial size of a convolution's (or pooling's) output.

    ``floor((size + before + after - dilation (kernel_size - 1) - 1) / stride) + 1`` per axis, at least 0.

    Args:
        size: spatial size of the input, one integer per axis.
        kernel_size: taps per axis, >= 1.
        stride: step per axis, >= 1.
        padding: per axis one integer for both sides or a pair ``(before, after)``; "VALID" is none, "SAME" is what
            gives ``ceil(size / stride)``, the odd pixel after.
        dilation: distance between taps per axis, >= 1.

    Returns:
        The output's size per axis; 0 where the kernel does not fit.

    Raises:
        ValueError: for lengths that differ, sizes below 1, or an unknown padding.

    Not for transposed convolutions.

    Reference: Dumoulin and Visin (2016), A guide to convolution arithmetic, arXiv:1603.07285, relationship 6.

    >>> conv_output_size((224, 224), kernel_size=7, stride=2, padding=3)
    (112, 112)
    """
    axes = _axes("conv_output_size", size, kernel_size, stride, padding, dilation)
    return tuple(_length(*axis) for axis in axes)


def conv_cost(
    size: Sequence[int],
    *,
    in_channels: int,
    out_channels: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = False,
    skip_padding: bool = False,
) -> ConvCost:
    """Output size, parameters and floating-point operations of one convolution on one example.

    ``parameters = out_channels (in_channels / groups) prod(kernel_size) + [bias] out_channels`` and
    ``flops = 2 out_channels (in_channels / groups) taps + [bias] out_channels prod(output_size)``, where `taps` counts
    kernel positions over all outputs: ``prod(output_size) prod(kernel_size)``.

    Args:
        size: spatial size of the input, one integer per axis.
        in_channels: channels of the input, divisible by `groups`.
        out_channels: channels of the output, divisible by `groups`.
        kernel_size: taps per axis.
        stride: step per axis.
        padding: as in `conv_output_size`.
        dilation: distance between taps per axis.
        groups: 1 is dense; `in_channels` is depthwise.
        bias: whether a bias is added, at one operation per output.
        skip_padding: whether taps on padding are left out of `taps`, as XLA's own cost analysis does. Papers and most
            counters leave them in.

    Returns:
        The cost, 2 operations a multiply-add.

    Raises:
        ValueError: for lengths that differ, sizes below 1, an unknown padding, or groups that do not divide.

    Not what a fast algorithm (Winograd, FFT) executes, and not a time.

    Reference: He et al. (2016), Deep Residual Learning, CVPR, table 1, which counts a multiply-add as one.

    >>> conv_cost((224, 224), in_channels=3, out_channels=64, kernel_size=7, stride=2, padding=3)
    ConvCost(output_size=(112, 112), parameters=9408, flops=236027904)
    """
    for name, channels in {"in_channels": in_channels, "out_channels": out_channels}.items():
        if groups < 1 or channels < 1 or channels % groups:
            raise ValueError(
                f"conv_cost: 'groups' must divide {name}={channels}, got {groups}. Both must be at least 1."
            )
    axes = _axes("conv_cost", size, kernel_size, stride, padding, dilation)
    output = tuple(_length(*axis) for axis in axes)
    per_tap = out_channels * (in_channels // groups)
    taps = math.prod(_inner_taps(*axis) if skip_padding else _length(*axis) * axis[1] for axis in axes)
    return ConvCost(
        output_size=output,
        parameters=per_tap * math.prod(axis[1] for axis in axes) + bias * out_channels,
        flops=2 * per_tap * taps + bias * out_channels * math.prod(output),
    )


def receptive_field(layers: Sequence[ConvLayer], *, spatial_axes: int = 2) -> ReceptiveField:
    """Which input pixels one output of a stack of layers can see.

    From size 1, stride 1 and start 0, each layer adds ``dilation (kernel_size - 1) stride`` to the size and takes
    ``before stride`` from the start, with the stride of the layers before it; then strides multiply.

    Args:
        layers: convolutions and poolings in order.
        spatial_axes: number of spatial axes.

    Returns:
        Size, stride and start of output 0's field, per axis; a negative start lies on padding.

    Raises:
        ValueError: for a setting with another number of axes, a size below 1, or a padding that depends on the
            input's size ("SAME").

    Not the effective receptive field, which is smaller: the centre counts more than the edge.

    Reference: Araujo, Norris and Sim (2019), Computing Receptive Fields of Convolutional Neural Networks, Distill,
    eq. 2, doi:10.23915/distill.00021.

    >>> stem = [ConvLayer(7, 2, 3), ConvLayer(3, 2, 1)]
    >>> receptive_field(stem)
    ReceptiveField(size=(11, 11), stride=(4, 4), start=(-5, -5))
    """
    size, stride, start = [1] * spatial_axes, [1] * spatial_axes, [0] * spatial_axes
    for layer in layers:
        if isinstance(layer.padding, str):
            raise ValueError(
                f"receptive_field: 'padding' must be given in pixels, got {layer.padding!r}, which depends on the size."
            )
        geometry = _axes("receptive_field", [1] * spatial_axes, *layer)
        for a, (_, kernel, step, (before, _), dilation) in enumerate(geometry):
            size[a] += dilation * (kernel - 1) * stride[a]
            start[a] -= before * stride[a]
            stride[a] *= step
    return ReceptiveField(tuple(size), tuple(stride), tuple(start))


_Axis = tuple[int, int, int, tuple[int, int], int]


def _length(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> int:
    return max((size + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1, 0)


def _inner_taps(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> int:
    """Pairs of an output and a tap that reads the input and not its padding."""
    outputs = range(_length(size, kernel, stride, padding, dilation))
    return sum(0 <= o * stride + t * dilation - padding[0] < size for o in outputs for t in range(kernel))


def _axes(
    where: str, size: Sequence[int], kernel: object, stride: object, padding: object, dilation: object
) -> list[_Axis]:
    """``(size, kernel, stride, (before, after), dilation)`` per axis."""
    rank = len(size)
    settings = {"size": list(size)}
    for name, value in {"kernel_size": kernel, "stride": stride, "dilation": dilation}.items():
        settings[name] = _per_axis(where, name, value, rank)
    for name, values in settings.items():
        if any(value < 1 for value in values):
            raise ValueError(f"{where}: '{name}' must be at least 1 on every axis, got {tuple(values)}.")
    if isinstance(padding, str):
        check_choice(where, "padding", padding, ("SAME", "VALID"))
        pairs = [(0, 0)] * rank
        if padding == "SAME":
            pairs = [_same(*axis) for axis in zip(*settings.values(), strict=True)]
    else:
        pairs = [p if isinstance(p, tuple) else (p, p) for p in _per_axis(where, "padding", padding, rank)]
    return list(
        zip(settings["size"], settings["kernel_size"], settings["stride"], pairs, settings["dilation"], strict=True)
    )


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def _per_axis(where: str, name: str, value: object, rank: int) -> list:
    if isinstance(value, int):
        return [value] * rank
    values = list(value) if isinstance(value, Sequence) else []
    if len(values) != rank:
        raise ValueError(
            f"{where}: '{name}' must be one integer or one per spatial axis, {rank} in all, got {value!r}."
        )
    return values
