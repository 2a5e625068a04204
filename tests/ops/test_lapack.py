"""Factorisations lane by lane: LAPACK's values and derivatives, no batched call on a CPU, no program that blocks."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml.data import gaussian_classes, orthogonal_design
from jaxml.nn import INITIALIZERS
from jaxml.ops import lapack
from tests.learn.learners import KEY, LEARNERS, X, cast

ROOT = Path(__file__).resolve().parents[2]
ROOTS = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
POSITIVE = ROOTS @ ROOTS.swapaxes(-1, -2) + np.eye(4)


def side_by_side(fn):
    return jax.jit(jax.vmap(jax.vmap(fn)))


def test_lanes_of_lanes_have_the_values_of_lapack(x64):
    close = lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12)  # noqa: E731
    close(side_by_side(lapack.cholesky)(POSITIVE), np.linalg.cholesky(POSITIVE))
    close(side_by_side(lapack.inverse)(POSITIVE), np.linalg.inv(POSITIVE))
    factor = np.linalg.cholesky(POSITIVE)
    # The right-hand sides are the same in all lanes, which the loop must not cut up.
    shared = jax.vmap(jax.vmap(lapack.solve_cholesky, (0, None)), (0, None))
    close(
        shared(factor, jnp.asarray(ROOTS[0, 0])),
        np.linalg.solve(POSITIVE, np.broadcast_to(ROOTS[0, 0], POSITIVE.shape)),
    )
    for parts, product in (
        (side_by_side(lapack.eigh)(POSITIVE), lambda w, V: V * w[..., None, :] @ V.swapaxes(-1, -2)),
        (side_by_side(lapack.qr)(POSITIVE), lambda Q, R: Q @ R),
        (side_by_side(lapack.svd)(POSITIVE), lambda U, s, V: U * s[..., None, :] @ V),
    ):
        close(product(*map(np.asarray, parts)), POSITIVE)


@pytest.mark.parametrize("name", ["cholesky", "inverse"])
def test_derivatives_of_both_orders(x64, name):
    theirs = {"cholesky": jnp.linalg.cholesky, "inverse": jnp.linalg.inv}[name]
    # A symmetric change of A is what both are defined for.
    made = lambda fn: lambda R: jnp.sum(jnp.sin(fn(R @ R.T + jnp.eye(4))))  # noqa: E731
    ours, expected = made(getattr(lapack, name)), made(theirs)
    for derivative in (jax.grad, jax.hessian):
        found = jax.jit(jax.vmap(derivative(ours)))(ROOTS[0])
        np.testing.assert_allclose(found, jax.jit(jax.vmap(derivative(expected)))(ROOTS[0]), atol=1e-10)


def batched_calls(fn, *args):
    """The LAPACK calls of a batch in the program that `fn` becomes on a CPU."""
    text = jax.jit(fn).trace(*args).lower(lowering_platforms=("cpu",)).as_text()
    calls = re.findall(r"custom_call @(lapack_\w+)\(.*num_batch_dims = \"(\d+)\"", text)
    return [name for name, dims in calls if dims != "0"], len(calls)


STEPS = jnp.array([0.1, 0.2, 0.3])
SEEDS = jax.random.split(KEY, 3)


@pytest.mark.parametrize(
    "name",
    [
        "least squares",
        "ridge",
        "lasso",
        "elastic net",
        "huber",
        "logistic",
        "softmax",
        "linear SVM",
        "kernel SVM",
        "LDA",
    ],
)
def test_no_learner_gives_lapack_a_batch_on_a_cpu(name):
    """Two batched calls can wait for each other for ever; the batch of lanes and seeds must be a loop."""
    learner, rows = LEARNERS[name], jnp.asarray(X[:12], jnp.float32)
    fit = lambda X, s: learner.fit(X, jnp.asarray(cast(learner.y[:12])), None, s)  # noqa: E731
    lanes = jax.vmap(jax.vmap(lambda X, s: fit(X, s).params, (0, None)), (None, 0))
    found, calls = batched_calls(lanes, jnp.stack([rows, rows + 0.1 * rows**2]), STEPS)
    assert found == []
    assert calls > 0 or name == "kernel SVM"  # which needs none
    if name in ("ridge", "huber", "LDA"):
        slope = jax.grad(lambda s: sum(jnp.sum(leaf) for leaf in jax.tree.leaves(fit(rows * s, s).params)))
        assert batched_calls(jax.vmap(slope), STEPS)[0] == []


@pytest.mark.parametrize("name", ["orthogonal", "design", "classes"])
def test_no_draw_gives_lapack_a_batch_on_a_cpu(name):
    draw = {
        "orthogonal": lambda key: INITIALIZERS["orthogonal"](key, (5, 4)),
        "design": lambda key: orthogonal_design(key, n=5, d=3),
        "classes": lambda key: (
            gaussian_classes(key, n=5, means=jnp.asarray(X[:2], jnp.float32), covariances=jnp.eye(3)).X
        ),
    }[name]
    found, calls = batched_calls(jax.vmap(draw), SEEDS)
    assert found == []
    assert calls > 0
    assert batched_calls(jax.vmap(lambda A: jnp.linalg.cholesky(A)), POSITIVE[0])[0] == ["lapack_spotrf_ffi"]


def test_orthogonal_weights_are_those_of_jax():
    ours = jax.vmap(lambda key: INITIALIZERS["orthogonal"](key, (3, 2, 7)))(SEEDS)
    theirs = jax.nn.initializers.orthogonal()
    np.testing.assert_allclose(ours, jnp.stack([theirs(key, (3, 2, 7)) for key in SEEDS]), atol=1e-6)


def test_nothing_else_calls_lapack():
    """What a program may hold is made here alone, so that no two of its calls wait for each other; NumPy is free to."""
    names = "cholesky|qr|svd|eigh?|eigvalsh?|inv|pinv|solve|lstsq|s?l?o?g?det|matrix_rank|cond|matrix_power|tensorsolve"
    banned = re.compile(
        rf"((?<!\bnp\.)linalg\.({names})\b|jax\.scipy\.linalg|jsp\.linalg|lax\.linalg|initializers\.orthogonal|multivariate_normal\()"
    )
    allowed = {"jaxml/ops/lapack.py", "jaxml/nn/initializers.py"}
    for folder in ("jaxml", "experiments"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            swept = (
                folder == "jaxml" or "def trial(" in path.read_text()
            )  # suites call one program at a time, unbatched
            if swept and str(path.relative_to(ROOT)) not in allowed:
                lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith((">>>", "..."))]
                assert not banned.search("\n".join(lines)), path


BLOCKING = """
    import jax, jax.numpy as jnp, numpy as np
    from jaxml.learn import fit_linear_svm
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 120)).astype(np.float32)
    y = (X[:, 0] + rng.normal(size=200) > 0.5).astype(np.int32)
    def pair(C):  # two fits that know nothing of each other
        return fit_linear_svm(X, y, C=C).diagnostics.converged, fit_linear_svm(2 * X, y, C=C / 4).diagnostics.gap
    print(jax.jit(jax.vmap(pair))(jnp.logspace(-3.0, -1.0, 4))[0].all())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are chosen by sched_setaffinity")
@pytest.mark.parametrize("cores", [1, 2])
def test_independent_fits_of_one_program_end(cores):
    """On two cores, two batched LAPACK calls waited for each other for ever in two runs of three."""
    have = sorted(os.sched_getaffinity(0))[:cores]
    code = f"import os\nos.sched_setaffinity(0, {have})\n" + textwrap.dedent(BLOCKING)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.stdout.split() == ["True"], done.stderr[-2000:]
