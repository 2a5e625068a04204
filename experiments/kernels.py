"""The linear and the Gaussian kernel: their formulas, and whether they are scalar products, exactly."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxml import Experiment, Suite
from jaxml.learn import kernel_matrix

Case = dict[str, Any]
Kernel = Literal["linear", "rbf"]


def kernel(name: Kernel) -> Suite:
    """Is the kernel what its formula says, and a scalar product of something?"""
    formulas: dict[Kernel, Callable[[np.ndarray, np.ndarray, float], float]] = {
        "linear": lambda x, z, gamma: float(sum(a * b for a, b in zip(x, z, strict=True))),
        "rbf": lambda x, z, gamma: float(np.exp(-gamma * sum((a - b) ** 2 for a, b in zip(x, z, strict=True)))),
    }
    other: Kernel = "rbf" if name == "linear" else "linear"

    def of(form: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any], Any]:
        return jax.jit(lambda X, gamma: jax.vmap(lambda x: jax.vmap(lambda z: form(x, z, gamma))(X))(X))

    def size(c: Case) -> float:
        length = float(np.max(np.sum(c["X"] ** 2, 1))) * len(c["X"])
        return len(c["X"]) * (1 + (length if name == "linear" else 0.0))

    def formula(f: Any, c: Case) -> tuple[Any, ...]:
        expected = [[formulas[name](x, z, c["gamma"]) for z in c["X"]] for x in c["X"]]
        return f(c["X"], c["gamma"]), np.asarray(expected), size(c)

    def positive(f: Any, c: Case) -> bool:
        return float(np.linalg.eigvalsh(np.asarray(f(c["X"], c["gamma"])))[0]) >= -1e-14 * size(c)

    far = [{"X": 1e6 + np.array([[0.1, 0.3], [0.7, 0.9], [0.2, 1.1]]), "gamma": 1.0}]
    return Suite(
        subject=jax.jit(lambda X, gamma: kernel_matrix(X, X, kernel=name, gamma=gamma)),
        draw=lambda generator, size: {
            "X": generator.normal(size=(size, 2)),
            "gamma": float(10.0 ** generator.uniform(-2, 1)),
        },
        valid=lambda gamma, X: gamma > 0 and len(X) > 0,
        sizes=(1, 4),
        adversarial=[{"X": np.zeros((4, 2)), "gamma": 1.0}, *(far if name == "rbf" else [])],
        properties={"formula": formula, "no negative eigenvalue": positive},
        mutants={
            "the other kernel": jax.jit(lambda X, gamma: kernel_matrix(X, X, kernel=other, gamma=gamma)),
            "from rounded lengths": of(lambda x, z, gamma: jnp.exp(-gamma * (x @ x - 2 * x @ z + z @ z))),
            "negative": of(lambda x, z, gamma: -(x @ z)),
            "distance without the square": of(lambda x, z, gamma: jnp.exp(-gamma * jnp.sqrt(jnp.sum((x - z) ** 2)))),
            "sign turned": of(lambda x, z, gamma: jnp.exp(gamma * jnp.sum((x - z) ** 2))),
        },
    )


experiment = Experiment(suites={"linear_kernel": lambda: kernel("linear"), "rbf_kernel": lambda: kernel("rbf")})
