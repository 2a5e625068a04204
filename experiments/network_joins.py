"""How a dense block joins what its layers give, and how that differs from a sum, exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxml import Experiment, Suite
from jaxml.nn import DenseBlock

Case = dict[str, Any]
GROWTH = 2


def concatenation() -> Suite:
    """Does a dense block keep its input and what each layer makes of all before on channels of its own?"""
    width, shape = 3, (1, 2, 2, 3)
    dense = DenseBlock(width, GROWTH, layers=2, rngs=nnx.Rngs(0))
    first, second = (jax.jit(layer) for layer in dense.layers)

    def is_made_of_all_before(f: Any, c: Case) -> bool:
        y = np.asarray(f(c["x"]))
        x, a = y[..., :width], y[..., : width + GROWTH]
        made = [(first(x), a[..., width:]), (second(a), y[..., width + GROWTH :])]
        return all(left.shape == right.shape and np.allclose(left, right, rtol=1e-5) for left, right in made)

    both: Callable[..., Any] = lambda x: (first(x), second(jnp.concatenate([x, first(x)], axis=-1)))  # noqa: E731
    return Suite(
        subject=jax.jit(dense),
        draw=lambda generator: {"x": generator.normal(size=shape)},
        adversarial=[{"x": np.zeros(shape)}],
        properties={
            "k0 + k L channels": lambda f, x: (f(x).shape[-1], width + 2 * GROWTH),
            "the input is kept": lambda f, x: np.all(np.asarray(f(x))[..., :width] == x),
            "each layer reads all before": is_made_of_all_before,
        },
        mutants={
            "added, as in a residual block": lambda x: x.at[..., :GROWTH].add(both(x)[0] + both(x)[1]),
            "the input left out": lambda x: jnp.concatenate(both(x), axis=-1),
            "new channels first": lambda x: jnp.concatenate([*both(x), x], axis=-1),
            "each from the input alone": lambda x: jnp.concatenate(
                [x, first(x), second(jnp.concatenate([x, 0 * first(x)], axis=-1))], axis=-1
            ),
        },
    )


def sum_of_two() -> Suite:
    """Is a layer of a sum one of a concatenation whose weights of both parts are the same, and of that alone?"""

    def over(W: Any, x: Any, y: Any) -> Any:
        return W @ np.concatenate([x, y])

    def twice(A: Any) -> Any:
        return np.concatenate([A, A], axis=1)

    return Suite(
        subject=over,
        draw=lambda generator, size: (
            {n: generator.normal(size=(2, size)) for n in "AB"} | {n: generator.normal(size=size) for n in "xy"}
        ),
        sizes=(1, 3),
        adversarial=[{"A": np.eye(2), "B": np.zeros((2, 2)), "x": np.ones(2), "y": -np.ones(2)}],
        properties={
            "the same weights give the layer of the sum": lambda f, x, y, A: (
                f(twice(A), x, y),
                A @ (x + y),
                np.abs(A) @ (np.abs(x) + np.abs(y)),
            ),
            "others tell apart what has the same sum": lambda f, x, A, B: (
                f(np.concatenate([A, B], axis=1), x, -x),
                (A - B) @ x,
                (np.abs(A) + np.abs(B)) @ np.abs(x),
            ),
        },
        mutants={
            "of the sum": lambda W, x, y: W[:, : len(x)] @ (x + y),
            "of the mean": lambda W, x, y: W @ np.concatenate([x + y, x + y]) / 2,
            "the parts changed over": lambda W, x, y: W @ np.concatenate([y, x]),
            "the first part twice": lambda W, x, y: W @ np.concatenate([x, x]),
        },
    )


experiment = Experiment(suites={"concatenation": concatenation, "sum_of_two": sum_of_two})
