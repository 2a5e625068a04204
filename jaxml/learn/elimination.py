"""Small systems of equations solved by plain operations, of which a compiler runs many side by side."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


def solve_positive(A: Float[Array, "n n"], B: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """Solve A X = B for a positive definite A by elimination without pivots.

    Row i is divided by its diagonal and taken off all others, a_kj - a_ki a_ij / a_ii, for every i in turn.

    Args:
        A: symmetric and positive definite, for which no pivot is needed; that is not checked.
        B: the right-hand sides, one in each column.

    Returns:
        X, in the dtype of B.

    Raises:
        ValueError: when the shapes do not fit.

    Note: not a replacement for LAPACK, which is more accurate and faster for one large system. This one is for
    many small ones under `jax.vmap`: LAPACK takes them one at a time.

    Golub and Van Loan (2013), Matrix Computations, section 3.2.

    >>> A = jnp.array([[4.0, 1.0], [1.0, 3.0]])
    >>> solve_positive(A, A @ jnp.array([[1.0], [2.0]]))[:, 0]
    Array([1., 2.], dtype=float32)
    """
    n = A.shape[0]
    if A.shape != (n, n) or B.ndim != 2 or B.shape[0] != n:
        raise ValueError(
            f"solve_positive: expected 'A' of shape (n, n) and 'B' of shape (n, m), got {A.shape} and {B.shape}. "
            "For one right-hand side pass B[:, None]."
        )

    def eliminate(i: Array, whole: Array) -> Array:
        row = whole[i] / whole[i, i]
        return (whole - whole[:, i, None] * row[None]).at[i].set(row)

    return jax.lax.fori_loop(0, n, eliminate, jnp.concatenate([A, B], axis=1))[:, n:]
