"""Batch norm in training, forward and forward + backward, against torch on the same CPU threads and inputs.

Run as ``python benchmarks/ops/batch_norm.py --peer-python PATH``, where PATH is the Python of an environment with
requirements-torch.txt; without it only our times are printed. Both sides return the output, the gradients of input,
scale and bias, and the new running statistics. Torch is given its faster memory format (channels last, "CL") as well
as its default. The limit is the time to move the bytes that any implementation must move (read x twice, write y;
backward, read x and the cotangent twice, write a gradient) at the bandwidth of a copy, measured in the same run.
timing.py says under what settings.
"""

import argparse
import inspect
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from timing import keep_memory, milliseconds, synchronous_jax

SHAPES = {"resnet stage 1": (32, 56, 56, 64), "resnet stage 3": (32, 14, 14, 256), "dense": (256, 128)}


def inputs(shape):
    rng = np.random.default_rng(0)
    return rng.normal(1, 2, size=shape).astype(np.float32), rng.normal(size=shape).astype(np.float32)


def ours():
    jax = synchronous_jax()
    import jax.numpy as jnp

    from jaxml.ops import batch_norm, init_batch_norm

    def forward(x, params, state):
        return batch_norm(x, params, state, training=True, convention="torch")

    def both(x, cotangent, params, state):
        y, pullback, state = jax.vjp(lambda x, params: forward(x, params, state), x, params, has_aux=True)
        return y, pullback(cotangent), state

    table = {}
    for name, shape in SHAPES.items():
        x, cotangent = map(jnp.asarray, inputs(shape))
        params, state = init_batch_norm(shape)
        start = time.perf_counter()
        forward_compiled = jax.jit(forward).lower(x, params, state).compile()
        both_compiled = jax.jit(both).lower(x, cotangent, params, state).compile()
        compile_s = time.perf_counter() - start
        copy = jax.jit(jnp.negative)
        table[name] = {
            "compile": 1e3 * compile_s,
            "forward": milliseconds(lambda f=forward_compiled, a=(x, params, state): jax.block_until_ready(f(*a))),
            "both": milliseconds(lambda f=both_compiled, a=(x, cotangent, params, state): jax.block_until_ready(f(*a))),
            "copy": milliseconds(lambda x=x, copy=copy: jax.block_until_ready(copy(x))),
        }
    return table


PEER = """
import json, sys, time, statistics, numpy as np, torch
torch.set_num_threads(int(sys.argv[2]))
{milliseconds}
table = {}
for name, arrays in np.load(sys.argv[1], allow_pickle=False).items():
    x, cotangent = map(torch.from_numpy, arrays)
    channels = x.shape[-1]
    scale, bias = torch.ones(channels, requires_grad=True), torch.zeros(channels, requires_grad=True)
    mean, var = torch.zeros(channels), torch.ones(channels)
    layouts = {"channels last": (x, cotangent)}
    if x.ndim == 4:
        layouts["channels last"] = tuple(t.permute(0, 3, 1, 2) for t in (x, cotangent))
        layouts["default"] = tuple(t.contiguous() for t in layouts["channels last"])
    for layout, (x, cotangent) in layouts.items():
        def forward():
            with torch.no_grad():
                return torch.nn.functional.batch_norm(x, mean, var, scale, bias, True)
        leaf = x.detach().requires_grad_()
        def both():
            y = torch.nn.functional.batch_norm(leaf, mean, var, scale, bias, True)
            return y, torch.autograd.grad(y, (leaf, scale, bias), cotangent)
        table.setdefault(name, {})[layout] = {"forward": milliseconds(forward), "both": milliseconds(both)}
print(json.dumps(table))
"""


def theirs(python, threads):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "inputs.npz")
        np.savez(path, **{name: np.stack(inputs(shape)) for name, shape in SHAPES.items()})
        script = PEER.replace("{milliseconds}", inspect.getsource(milliseconds))
        command = [python, "-c", script, path, str(threads)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", help="Python with the packages of requirements-torch.txt")
    peer_python = parser.parse_args().peer_python
    threads = len(os.sched_getaffinity(0))
    mine = ours()
    peer = theirs(peer_python, threads) if peer_python else {}
    if not peer:
        print("no --peer-python: torch is skipped", file=sys.stderr)
    print(f"{threads} threads, milliseconds, medians; bar: ratio >= 1 forward + backward")
    heads = f"{'torch CL':>9} {'ratio':>6} {'torch NCHW':>11} {'ratio':>6} {'limit':>7}"
    print(f"{'work':<15} {'pass':<9} {'ours':>8} {heads}")
    for name, row in mine.items():
        for kind, copies in (("forward", 1.5), ("both", 4.0)):
            line = f"{name:<15} {kind:<9} {row[kind]:8.3f}"
            for layout, width in (("channels last", 9), ("default", 11)):
                time_ms = peer.get(name, {}).get(layout, {}).get(kind)
                line += f" {time_ms:{width}.3f} {time_ms / row[kind]:6.2f}" if time_ms else f" {'-':>{width}} {'-':>6}"
            print(line + f" {copies * row['copy']:7.3f}")
        print(f"{name:<15} compile   {row['compile']:8.0f}")


if __name__ == "__main__":
    keep_memory()
    main()
