"""Sizes and costs of convolutions against XLA's own convolution, its cost analysis, and a tap-by-tap count."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import ops

CASES = [
    # size, in, out, kernel, stride, padding, dilation, groups
    ((9, 8), 4, 6, 3, 1, 0, 1, 1),
    ((9, 8), 4, 6, (3, 2), (2, 1), ((1, 0), (0, 2)), 1, 2),
    ((10, 7), 4, 4, 3, 2, "SAME", 1, 4),
    ((10, 9), 2, 3, 3, 1, 2, (2, 3), 1),
    ((8, 8), 3, 5, 1, 3, "VALID", 1, 1),
    ((11, 5), 2, 2, 5, 2, "SAME", 2, 1),
]
FIELDS = ("size", "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")


def by_hand(size, in_channels, out_channels, kernel, stride, pairs, dilation, groups, *, skip_padding):
    """Multiply-adds counted one by one."""
    padded = [n + before + after for n, (before, after) in zip(size, pairs, strict=True)]
    corners = [range(0, p - d * (k - 1), s) for p, k, s, d in zip(padded, kernel, stride, dilation, strict=True)]
    count = 0
    for corner in itertools.product(*corners):
        for tap in itertools.product(*map(range, kernel)):
            pixel = [c + t * d - before for c, t, d, (before, _) in zip(corner, tap, dilation, pairs, strict=True)]
            inside = all(0 <= p < n for p, n in zip(pixel, size, strict=True))
            count += (inside or not skip_padding) * out_channels * (in_channels // groups)
    return tuple(len(c) for c in corners), count


@pytest.mark.parametrize("case", CASES)
def test_equal_to_xla_and_to_counting(case):
    settings = dict(zip(FIELDS, case, strict=True))
    size = settings["size"]
    two = lambda v: (v, v) if isinstance(v, int) else tuple(v)  # noqa: E731
    kernel, stride, dilation = (two(settings[name]) for name in ("kernel_size", "stride", "dilation"))
    groups, padding = settings["groups"], settings["padding"]
    pairs = padding if isinstance(padding, str) else [two(p) for p in two(padding)]
    weights = jnp.zeros((settings["out_channels"], settings["in_channels"] // groups, *kernel))

    def conv(x):
        return jax.lax.conv_general_dilated(
            x, weights, stride, pairs, rhs_dilation=dilation, feature_group_count=groups
        )

    lowered = jax.jit(conv).lower(jnp.zeros((1, settings["in_channels"], *size)))
    cost = ops.conv_cost(**settings)
    xla = ops.conv_cost(**settings, skip_padding=True)
    assert cost.output_size == ops.conv_output_size(
        size, kernel_size=kernel, stride=stride, padding=padding, dilation=dilation
    )
    assert cost.output_size == lowered.out_info.shape[2:]
    assert cost.parameters == weights.size
    assert xla.flops == lowered.cost_analysis()["flops"]
    if isinstance(pairs, str):
        effective = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        pairs = jax.lax.padtype_to_pads(size, effective, stride, pairs)
    for skip, counted in ((False, cost), (True, xla)):
        output, count = by_hand(
            size, settings["in_channels"], settings["out_channels"], kernel, stride, pairs, dilation, groups,
            skip_padding=skip,
        )  # fmt: skip
        assert (counted.output_size, counted.flops) == (output, 2 * count)
    biased = ops.conv_cost(**settings, bias=True)
    assert biased.parameters - cost.parameters == settings["out_channels"]
    assert biased.flops - cost.flops == settings["out_channels"] * np.prod(cost.output_size)


def test_kernels_that_do_not_fit_and_one_axis():
    assert ops.conv_output_size((2, 9), kernel_size=3) == (0, 7)
    assert ops.conv_cost((2, 9), in_channels=1, out_channels=1, kernel_size=3).flops == 0
    assert ops.conv_output_size((16,), kernel_size=4, stride=4) == (4,)


def test_receptive_field_is_what_the_gradient_reaches():
    layers = [
        ops.ConvLayer(3, 1, 1),
        ops.ConvLayer((3, 2), (2, 1), ((1, 0), (0, 1))),
        ops.ConvLayer(3, 2, 2, (2, 1)),
        ops.ConvLayer(2, 2),
    ]

    def network(x):
        for kernel, stride, padding, dilation in layers:
            two = lambda v: (v, v) if isinstance(v, int) else tuple(v)  # noqa: E731
            x = jax.lax.conv_general_dilated(
                x, jnp.ones((1, 1, *two(kernel))), two(stride), [two(p) for p in two(padding)],
                rhs_dilation=two(dilation),
            )  # fmt: skip
        return x[0, 0]

    shape = (1, 1, 64, 64)
    field = ops.receptive_field(layers)
    out = jax.eval_shape(network, jnp.zeros(shape)).shape
    index = (out[0] // 2, out[1] // 2)
    reached = np.argwhere(np.asarray(jax.grad(lambda x: network(x)[index])(jnp.zeros(shape)))[0, 0])
    for axis in range(2):
        start = field.start[axis] + index[axis] * field.stride[axis]
        assert reached[:, axis].min() == start
        assert reached[:, axis].max() == start + field.size[axis] - 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.conv_output_size((8, 8), kernel_size=(3, 3, 3)), "'kernel_size' must be one integer or one per"),
        (lambda: ops.conv_output_size((8, 8), kernel_size=0), "'kernel_size' must be at least 1"),
        (lambda: ops.conv_output_size((8, 8), kernel_size=3, stride=(1, 0)), "'stride' must be at least 1"),
        (lambda: ops.conv_output_size((8, 8), kernel_size=3, padding="FULL"), "'padding' must be one of"),
        (
            lambda: ops.conv_cost((8,), in_channels=3, out_channels=4, kernel_size=1, groups=2),
            "must divide in_channels=3",
        ),
        (lambda: ops.receptive_field([ops.ConvLayer(3, 1, "SAME")]), "'padding' must be given in pixels"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_errors_say_what_to_change(call, message):
    with pytest.raises(ValueError, match=message):
        call()
