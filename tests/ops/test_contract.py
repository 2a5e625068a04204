"""The laws can fail: each is shown an op that breaks it."""

import jax
import jax.numpy as jnp
import pytest
from jax.core import Tracer

from tests.ops import contract

X = jnp.array([[0.5, 1.5], [2.5, 3.5]])


def test_an_op_that_differs_under_jit_is_noticed():
    broken = lambda x: x + (1.0 if isinstance(x, Tracer) else 0.0)  # noqa: E731
    with pytest.raises(AssertionError):
        contract.jit_equals_eager(broken, X)


def test_an_op_that_differs_under_vmap_is_noticed():
    @jax.custom_batching.custom_vmap
    def broken(x):
        return x

    broken.def_vmap(lambda size, batched, x: (x + 1, True))
    with pytest.raises(AssertionError):
        contract.vmap_equals_loop(broken, X)


DERIVED = (contract.derivatives_match, contract.gradients_match, contract.hessian_matches)


@pytest.mark.parametrize("law", DERIVED)
def test_a_wrong_derivative_is_noticed(law, x64):
    @jax.custom_jvp
    def broken(x):
        return jnp.sin(x)

    broken.defjvp(lambda primals, tangents: (broken(*primals), 1.01 * jnp.cos(primals[0]) * tangents[0]))
    with pytest.raises(AssertionError):
        law(broken, jnp.array([0.3, 0.9]))


def test_a_wrong_second_derivative_is_noticed(x64):
    @jax.custom_jvp
    def broken(x):
        return jnp.sin(x)

    broken.defjvp(
        lambda primals, tangents: (broken(*primals), jnp.cos(jax.lax.stop_gradient(primals[0])) * tangents[0])
    )
    contract.derivatives_match(broken, jnp.array([0.3, 0.9]), order=1)
    for law in DERIVED:
        with pytest.raises(AssertionError):
            law(broken, jnp.array([0.3, 0.9]))


@pytest.mark.parametrize("broken", [lambda x: jnp.sqrt(x - x), lambda x: (x - x) ** 1.5, lambda x: x / (x - x)])
def test_an_infinite_value_or_derivative_is_noticed(broken):
    with pytest.raises(AssertionError, match="is not finite"):
        contract.finite_everywhere(broken, X)


def test_an_op_that_one_platform_lacks_is_noticed():
    with pytest.raises(NotImplementedError, match="eig"):
        contract.lowers_everywhere(jnp.linalg.eigvals, X)
