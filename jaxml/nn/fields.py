"""Receptive fields that compose: what each output sees along an axis, whatever the strides, up or down.

After a transposed convolution neighbouring outputs see fields of different sizes, in turns. So a field is kept for
each of the outputs of one period, and the period after it sees the same, shifted.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from jaxml.ops import ReceptiveField

WHOLE = "whole"
"""The field of what depends on every pixel, such as the mean over a map."""


class Axis(NamedTuple):
    """The first and the last input pixel that each output of a period sees; the next period sees `step` further."""

    low: tuple[int, ...]
    high: tuple[int, ...]
    step: int

    def at(self, output: int) -> tuple[int, int]:
        turns, place = divmod(output, len(self.low))
        return self.low[place] + turns * self.step, self.high[place] + turns * self.step

    def over(self, period: int) -> "Axis":
        """The same field, written for a multiple of its period."""
        low, high = zip(*map(self.at, range(period)), strict=True)
        return Axis(low, high, self.step * period // len(self.low))


Field = tuple[Axis, Axis] | str | None
PIXEL: Field = (Axis((0,), (0,), 1), Axis((0,), (0,), 1))


def window(size: int = 1, stride: int = 1, before: int = 0, dilation: int = 1, spread: int = 1) -> Axis:
    """What the taps of a window see; its input has been spread out by that factor, with nothing between the pixels."""
    period = spread // math.gcd(spread, stride)
    starts = [output * stride - before for output in range(period)]
    low = tuple(-(-start // spread) for start in starts)
    high = tuple((start + (size - 1) * dilation) // spread for start in starts)
    return Axis(low, high, period * stride // spread)


def composed(first: Field, then: Sequence[Axis]) -> Field:
    """The field in the input of `first` of windows over its output."""
    if not isinstance(first, tuple):
        return first
    return _composed(first[0], then[0]), _composed(first[1], then[1])


def _composed(first: Axis, then: Axis) -> Axis:
    repeats = len(first.low) // math.gcd(len(first.low), then.step) if then.step else 1
    seen = [then.at(output) for output in range(len(then.low) * repeats)]
    step = then.step * repeats // len(first.low) * first.step
    return Axis(tuple(first.at(a)[0] for a, _ in seen), tuple(first.at(b)[1] for _, b in seen), step)


def hull(fields: Sequence[Field]) -> Field:
    """What is seen through any of several fields; None where there is none."""
    known = [field for field in fields if isinstance(field, tuple)]
    if WHOLE in fields or not known:
        return WHOLE if WHOLE in fields else None
    return _hull([field[0] for field in known]), _hull([field[1] for field in known])


def _hull(axes: Sequence[Axis]) -> Axis:
    period = math.lcm(*(len(axis.low) for axis in axes))
    axes = [axis.over(period) for axis in axes]
    low, high = zip(*(axis.low for axis in axes), strict=True), zip(*(axis.high for axis in axes), strict=True)
    return Axis(tuple(map(min, low)), tuple(map(max, high)), axes[0].step)


def shown(field: Field) -> ReceptiveField | str:
    """The largest of the fields of a period, how far they move from one output to the next, and where the first is."""
    if not isinstance(field, tuple):
        return field or ""
    size = tuple(max(b - a + 1 for a, b in zip(axis.low, axis.high, strict=True)) for axis in field)
    strides = [axis.step / len(axis.low) for axis in field]
    stride = tuple(int(each) if each == int(each) else each for each in strides)
    return ReceptiveField(size, stride, tuple(axis.low[0] for axis in field))  # pyright: ignore[reportArgumentType]
