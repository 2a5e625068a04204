"""Operations of convolutions: formulas against loops that count, and XLA's own counts."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from experiments.shared.convolutions import counted, shape
from jaxml import Experiment, Suite
from jaxml.ops import conv_cost, conv_output_size

Case = dict[str, Any]
Count = Callable[..., Any]


def places(c: Case) -> int:
    """Outputs of a filter on a square map."""
    return conv_output_size((c["size"],), kernel_size=c["kernel"], stride=c["stride"], padding=c["padding"])[0] ** 2


def layer(generator: np.random.Generator) -> Case:
    """A convolution of a square map, with as many zeros on every side as half its kernel at most."""
    kernel = int(generator.integers(1, 6))
    names = {"channels": 6, "filters": 6, "stride": 3}
    drawn = {name: int(generator.integers(1, most)) for name, most in names.items()}
    return drawn | {
        "size": int(generator.integers(kernel, 9)),
        "kernel": kernel,
        "padding": int(generator.integers(0, kernel // 2 + 1)),
    }


def a_layer(c: Case) -> bool:
    """Whether a kernel fits."""
    return min(value for name, value in c.items() if name != "padding") >= 1 and 0 <= c["padding"] <= c["kernel"] // 2


ONE: Case = {"channels": 1, "filters": 1, "stride": 1, "size": 1, "kernel": 1, "padding": 0}


def operations(*, bias: bool) -> Suite:
    """Are the operations 2 K^2 C_in C_out H W, those of a bias among them, or one fewer for each output without it?"""
    taps: Count = lambda c: c["kernel"] ** 2 * c["channels"] * c["filters"]  # noqa: E731
    less: Count = lambda c: 0 if bias else c["filters"] * places(c)  # noqa: E731
    of: Count = lambda c: 2 * taps(c) * places(c) - less(c)  # noqa: E731
    key = ("kernel", "channels", "filters")
    return Suite(
        subject=of,
        draw=layer,
        valid=lambda c: a_layer(c) and c["size"] >= c["kernel"],
        adversarial=[ONE, ONE | {"size": 8, "kernel": 3, "padding": 1, "stride": 2}],
        properties={
            "is what a loop counts": lambda f, c: (f(c), counted(places(c), *(c[name] for name in key), bias)),
            "is what conv_cost counts, which adds the first product to 0": lambda f, c: (
                f(c) + less(c),
                conv_cost(
                    (c["size"],) * 2, in_channels=c["channels"], out_channels=c["filters"], kernel_size=c["kernel"],
                    stride=c["stride"], padding=c["padding"],
                ).flops,
            ),
        },
        mutants={
            "multiplications alone": lambda c: taps(c) * places(c),
            "the map that goes in": lambda c: 2 * taps(c) * c["size"] ** 2 - less(c),
            "the bias turned round": lambda c: 2 * taps(c) * places(c) - c["filters"] * places(c) + less(c),
            "K for its square": lambda c: of(c) // c["kernel"],
        },
    )  # fmt: skip


def three_by_three() -> Suite:
    """Do 9 C products, 8 C and C - 1 additions and a bias make 18 C?"""
    return Suite(
        subject=lambda c: 9 * c + 8 * c + (c - 1) + 1,
        draw=lambda generator: int(generator.integers(1, 513)),
        valid=lambda c: c >= 1,
        adversarial=[1, 2],
        properties={
            "is 2 x 9 C": lambda f, c: (f(c), 2 * 9 * c),
            "is what a loop counts": lambda f, c: (f(c), counted(1, 3, c, 1, True)),
        },
        mutants={
            "no bias": lambda c: 9 * c + 8 * c + (c - 1),
            "an addition for each product": lambda c: 9 * c + 9 * c + (c - 1) + 1,
            "channels not added up": lambda c: 9 * c + 8 * c + 1,
        },
    )


def convolution(padding: str, scale: int = 1) -> Callable[[], tuple[Any, ...]]:
    """A 3 x 3 convolution of 8 channels to 16, on a map of 10 x 10."""
    numbers = ("NHWC", "HWIO", "NHWC")
    f = lambda kernel, x: lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=numbers)  # noqa: E731
    return lambda: (f, shape(h=3, w=3, i=8, o=16 * scale), shape(n=1, h=10, w=10, c=8))


experiment = Experiment(
    suites={
        "operations_with_bias": lambda: operations(bias=True),
        "operations_without_bias": lambda: operations(bias=False),
        "three_by_three": three_by_three,
    },
    programs={
        "unpadded": convolution("VALID"),
        "padded": convolution("SAME"),
        "twice_the_filters": convolution("VALID", scale=2),
        "product": lambda: (jnp.matmul, shape(n=4, k=6), shape(k=6, m=5)),
        "products_alone": lambda: (lambda x, y: x[:, :, None] * y[None], shape(n=4, k=6), shape(k=6, m=5)),
    },
)
