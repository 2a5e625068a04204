"""Small positive definite systems: against LAPACK, side by side, and the message for shapes that do not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml.learn import solve_positive


def test_many_systems_side_by_side_are_solved_as_lapack_solves_them(x64):
    roots, B = jax.random.normal(jax.random.key(0), (5, 7, 7)), jax.random.normal(jax.random.key(1), (5, 7, 2))
    A = roots @ roots.mT + 1e-3 * jnp.eye(7)[None]
    found = jax.jit(jax.vmap(solve_positive))(A, B)
    np.testing.assert_allclose(found, np.linalg.solve(A, B), rtol=1e-9)
    slope = jax.jit(jax.grad(lambda A: solve_positive(A, B[0]).sum()))(A[0])
    # d sum(A^-1 B) = -A^-1 1 (A^-1 B 1)'
    inverse = np.linalg.inv(A[0])
    np.testing.assert_allclose(slope, -np.outer(inverse.sum(1), found[0].sum(1)), rtol=1e-7)


@pytest.mark.parametrize("shapes", [((2, 3), (2, 1)), ((2, 2), (3, 1)), ((2, 2), (2,))])
def test_shapes_that_do_not_fit_are_named(shapes, unchecked_types):
    with pytest.raises(ValueError, match=r"expected 'A' of shape \(n, n\) and 'B' of shape \(n, m\)"):
        solve_positive(*map(jnp.ones, shapes))
