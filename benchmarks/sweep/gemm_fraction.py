"""Small networks trained side by side: the share of the machine's matrix-product peak that the sweep reaches.

Run ``python benchmarks/sweep/gemm_fraction.py``. One lane trains a network 64-128-128-10 for 5 steps on batches of 64;
its products cost 6 * batch * weights flops a step (forward, and twice that backward). The peak is the best product of
two square matrices in the same run. Seconds are those of `jaxml.sweep` without tracing and compiling, the faster
of two calls.
"""

import itertools
import math
import time

import jax
import jax.numpy as jnp

import jaxml

SIZES = (64, 128, 128, 10)
BATCH, STEPS = 64, 5
FLOPS = 6 * BATCH * STEPS * sum(a * b for a, b in itertools.pairwise(SIZES))
LANES = (1, 8, 64, 512, 4096)


def trial(key, *, rate: float):
    """Train on labels that a random linear map gives."""
    weights, data, teacher = jax.random.split(key, 3)
    keys = jax.random.split(weights, len(SIZES) - 1)
    params = [jax.random.normal(k, (a, b)) / math.sqrt(a) for k, a, b in zip(keys, SIZES, SIZES[1:], strict=False)]
    x = jax.random.normal(data, (BATCH, SIZES[0]))
    labels = jnp.argmax(x @ jax.random.normal(teacher, (SIZES[0], SIZES[-1])), axis=1)

    def loss(params):
        hidden = x
        for w in params[:-1]:
            hidden = jax.nn.relu(hidden @ w)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(hidden @ params[-1]), labels[:, None], 1))

    def step(params, _):
        value, grads = jax.value_and_grad(loss)(params)
        return [w - rate * g for w, g in zip(params, grads, strict=True)], value

    _, losses = jax.lax.scan(step, params, None, length=STEPS)
    return {"loss": losses[-1]}


def peak_gflops() -> float:
    """The best of thirty products of two square matrices, ten of each size."""
    best, product = 0.0, jax.jit(jnp.matmul)
    for n in (512, 1024, 2048):
        a = jnp.ones((n, n))
        product(a, a).block_until_ready()
        for _ in range(10):
            begin = time.perf_counter()
            product(a, a).block_until_ready()
            best = max(best, 2 * n**3 / (time.perf_counter() - begin) / 1e9)
    return best


def main() -> None:
    peak = peak_gflops()
    print(f"peak {peak:.0f} GFLOP/s ({jax.devices()[0].device_kind}, f32 matrix product)")
    print(f"{'lanes':>6} {'seconds':>8} {'GFLOP/s':>8} {'of peak':>8} {'chunk':>6} {'compile s':>10}")
    for lanes in LANES:
        best, compiling, chunk = math.inf, 0.0, 0
        for _ in range(2):
            begin = time.perf_counter()
            results = jaxml.sweep(trial, seeds=lanes, rate=0.1)
            total = time.perf_counter() - begin
            compiling = results.attrs["trace_seconds"] + results.attrs["compile_seconds"]
            best, chunk = min(best, total - compiling), results.attrs["lanes"]
        speed = lanes * FLOPS / best / 1e9
        print(
            f"{lanes:6d} {best:8.3f} {speed:8.1f} {speed / peak:8.1%} {chunk:6d} {compiling:10.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
