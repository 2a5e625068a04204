"""The losses that learners minimise: conjugates and dual points by their definitions, curvatures by differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml.learn import losses

RNG = np.random.default_rng(0)
ROWS, DELTA = 12, 0.7
REAL, TWO, THREE = RNG.normal(size=ROWS), RNG.integers(0, 2, ROWS).astype(float), RNG.integers(0, 3, ROWS)
OMEGA = RNG.dirichlet(np.ones(ROWS))
LOSSES = {
    "half_squared": (losses.half_squared, REAL, lambda u, y: np.zeros_like(u)),
    "huber": (losses.huber(DELTA), REAL, lambda u, y: np.abs(u) - DELTA),
    "logistic": (losses.logistic, TWO, lambda u, y: np.maximum(-(y + u), y + u - 1)),
    "squared_hinge": (losses.squared_hinge, TWO, lambda u, y: (2 * y - 1) * u),
    "softmax": (losses.softmax(3), THREE, lambda u, y: -(u + np.eye(3)[y])),
}
"""The loss, its targets, and (u, y) -> what is at most 0 where the conjugate is finite."""


@pytest.mark.parametrize("name", LOSSES)
def test_slopes_meet_their_conjugates_and_balanced_ones_stay_in_the_domain(name, x64):
    loss, targets, outside = LOSSES[name]
    assert loss.conjugate is not None
    assert loss.balance is not None
    eta = 3 * RNG.normal(size=(ROWS, 3) if loss.classes else ROWS)

    @jax.jit
    def everything(eta, y, omega):
        u = loss.slope(eta, y)
        balanced = loss.balance(u, y, omega)
        row = lambda e, y: loss.value(e[None], y[None])[0]  # noqa: E731
        hessian = jax.vmap(jax.hessian(row))(eta, y)
        curvature = jnp.diagonal(hessian, axis1=1, axis2=2) if loss.classes else hessian
        return loss.value(eta, y) + loss.conjugate(u, y), u, balanced, loss.curvature(eta, y), curvature

    together, u, balanced, found, curvature = map(np.asarray, everything(eta, jnp.asarray(targets), OMEGA))
    product = u * eta
    np.testing.assert_allclose(together, product.sum(axis=1) if loss.classes else product, atol=1e-12)
    np.testing.assert_allclose(found, curvature, atol=1e-12)
    np.testing.assert_allclose(OMEGA @ balanced, 0, atol=1e-12)
    assert np.abs(OMEGA @ u).max() > 1e-3
    assert (outside(balanced, targets) <= 1e-12).all()
    if name == "softmax":
        np.testing.assert_allclose(balanced.sum(axis=1), 0, atol=1e-12)
        assert (outside(u - OMEGA @ u, targets) > 1e-3).any()  # centred alone it would leave the domain
