"""Factorisations that take the lanes of a `vmap` one after the other on a CPU.

There XLA calls LAPACK. Given a batch, the call spreads it over XLA's pool of threads, one per core, and blocks the
thread that it runs on until all parts are done. Two such calls that do not depend on each other (two fits in one
program, two right-hand sides) run side by side, and on two cores each then waits for a thread that the other one holds,
for ever. A call for a single matrix does its work where it is and waits for nobody. A loop of those is as fast from
some thirty rows on: 1,024 lanes of 31 x 31 take 13 ms instead of 16, 64 of 100 x 100 5 instead of 10, 8 of 500 x 500 67
instead of 54, and 1,024 of 8 x 8 5 instead of 2 (Cholesky and one solution, two cores).

Elsewhere the lanes go into one batched call.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

__all__ = ["cholesky", "eigh", "inverse", "one_by_one", "qr", "solve_cholesky", "svd"]

Matrix = Float[Array, "n n"]


def one_by_one(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` of arrays, whose lanes under `vmap` form a loop on a CPU. Reverse-mode derivatives are not defined."""
    alone = jax.custom_batching.custom_vmap(fn)

    @alone.def_vmap
    def _lanes(size: int, batched: list[bool], *args: Any) -> tuple[Any, Any]:
        moving = [i for i, moves in enumerate(batched) if moves]

        def in_turn(*args: Any) -> Any:
            def lane(own: list[Any]) -> Any:
                given = list(args)
                for i, value in zip(moving, own, strict=True):
                    given[i] = value
                return alone(*given)

            return lax.map(lane, [args[i] for i in moving])

        def together(*args: Any) -> Any:
            return jax.vmap(fn, in_axes=[0 if moves else None for moves in batched], axis_size=size)(*args)

        out = lax.platform_dependent(*args, cpu=in_turn, default=together)
        return out, jax.tree.map(lambda _: True, out)

    return alone


_cholesky = one_by_one(jnp.linalg.cholesky)
_inverse = one_by_one(jnp.linalg.inv)
_solve_cholesky = one_by_one(lambda L, B: jax.scipy.linalg.cho_solve((L, True), B))
eigh = one_by_one(lambda A: tuple(jnp.linalg.eigh(A)))
"""Eigenvalues in rising order and eigenvectors of one symmetric matrix."""
qr = one_by_one(lambda A: tuple(jnp.linalg.qr(A)))
"""Q and R of one matrix."""
svd = one_by_one(lambda A: tuple(jnp.linalg.svd(A, full_matrices=False)))
"""U, singular values and V^T of one matrix, thin."""


@jax.custom_jvp
def inverse(A: Matrix) -> Matrix:
    """The inverse, with derivatives: d A^-1 = -A^-1 dA A^-1."""
    return _inverse(A)


@inverse.defjvp
def _inverse_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    found = inverse(*primals)
    return found, -found @ tangents[0] @ found


@jax.custom_jvp
def cholesky(A: Matrix) -> Matrix:
    """The lower factor of a positive definite matrix, with derivatives.

    dL = L half(L^-1 dA L^-T), where half keeps the lower triangle and half of the diagonal.
    """
    return _cholesky(A)


@cholesky.defjvp
def _cholesky_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    L = cholesky(*primals)
    undo = inverse(L)
    inner = undo @ ((tangents[0] + tangents[0].T) / 2) @ undo.T
    return L, L @ (jnp.tril(inner) - jnp.diag(jnp.diagonal(inner)) / 2)


def solve_cholesky(L: Matrix, B: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """Solve L L^T X = B; without derivatives."""
    return _solve_cholesky(L, B)
