"""Pairwise overlaps beside torchvision: IoU, its generalised, distance and complete forms, and rotated IoU.

Run as ``taskset -c 0,1 python benchmarks/ops/iou.py --peer-python PATH``, where PATH is the Python of an environment
with requirements-torchvision.txt; without it only our times are printed. Both sides read the same inputs in the same
run, on the cores the process is pinned to. Times are medians in milliseconds, compilation apart. "write" is the time to
fill the n x n result once, which no implementation can avoid; "gradient" adds the gradient with respect to both sets.
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

SIZES = (100, 1_000)
NAMES = ("box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou", "rotated_box_iou")
BARS = {"box_iou": ">= 5"}


def inputs():
    """Boxes as (centre x, centre y, width, height, degrees), two sets of each size."""
    rng = np.random.default_rng(0)
    pairs = {}
    for n in SIZES:
        sets = [
            np.concatenate(
                [rng.uniform(0, 500, (n, 2)), rng.uniform(10, 90, (n, 2)), rng.uniform(-180, 180, (n, 1))], 1
            )
            for _ in "ab"
        ]
        pairs[str(n)] = np.stack(sets).astype(np.float32)
    return pairs


def ours():
    jax = synchronous_jax()
    import jax.numpy as jnp

    from jaxml import ops

    table = {}
    for n, pair in inputs().items():
        rotated = jnp.asarray(pair)
        straight = ops.box_convert(rotated[..., :4], from_format="cxcywh", to_format="xyxy")
        fill = jax.jit(lambda x, n=int(n): jnp.broadcast_to(x, (n, n)))
        write = milliseconds(lambda f=fill: jax.block_until_ready(f(jnp.float32(1))))
        for name in NAMES:
            a, b = rotated if name == "rotated_box_iou" else straight
            op = getattr(ops, name)
            gradient = jax.grad(lambda a, b, op=op: op(a, b).sum(), (0, 1))
            start = time.perf_counter()
            forward = jax.jit(op).lower(a, b).compile()
            compile_ms = 1e3 * (time.perf_counter() - start)
            backward = jax.jit(gradient).lower(a, b).compile()
            table[f"{name} {n}"] = {
                "ms": milliseconds(lambda f=forward, a=a, b=b: jax.block_until_ready(f(a, b))),
                "gradient": milliseconds(lambda f=backward, a=a, b=b: jax.block_until_ready(f(a, b))),
                "compile": compile_ms,
                "write": write,
            }
    return table


PEER = """
import json, statistics, sys, time, numpy as np, torch
from torchvision import ops
torch.set_num_threads(int(sys.argv[2]))
{milliseconds}
table = {}
for n, pair in np.load(sys.argv[1]).items():
    rotated = torch.from_numpy(pair)
    straight = ops.box_convert(rotated[..., :4], "cxcywh", "xyxy")
    for name in sys.argv[3:]:
        if name == "rotated_box_iou":
            run = lambda: ops.box_iou(*rotated, fmt="cxcywhr")
        else:
            run = lambda: getattr(ops, name)(*straight)
        table[f"{name} {n}"] = milliseconds(run)
print(json.dumps(table))
"""


def theirs(python, threads):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "inputs.npz")
        np.savez(path, **inputs())
        script = PEER.replace("{milliseconds}", inspect.getsource(milliseconds))
        command = [python, "-c", script, path, str(threads), *NAMES]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", help="Python with the packages of requirements-torchvision.txt")
    peer_python = parser.parse_args().peer_python
    threads = len(os.sched_getaffinity(0))
    mine, peer = ours(), theirs(peer_python, threads) if peer_python else {}
    if not peer:
        print("no --peer-python: torchvision is skipped", file=sys.stderr)
    print(f"{threads} threads, n x n pairs")
    print(
        f"{'work':<20} {'n':>5} {'ours ms':>8} {'torchvision':>11} {'ratio':>6} {'bar':>5} {'write':>7} "
        f"{'gradient':>8} {'compile':>8}"
    )
    for key, row in mine.items():
        name, n = key.split()
        columns = f"{peer[key]:>11.3f} {peer[key] / row['ms']:>6.1f}" if peer else f"{'-':>11} {'-':>6}"
        print(
            f"{name:<20} {n:>5} {row['ms']:>8.3f} {columns} {BARS.get(name, '-'):>5} {row['write']:>7.3f} "
            f"{row['gradient']:>8.3f} {row['compile']:>8.0f}"
        )


if __name__ == "__main__":
    keep_memory()
    main()
