"""NMS beside torchvision, spread out (most boxes survive) and crowded (few do), alone and over a batch of images.

Run as ``taskset -c 0,1 python benchmarks/ops/nms.py --peer-python PATH``, where PATH is the Python of an environment
with requirements-torchvision.txt; without it only our times are printed. Both sides read the same inputs in the same
run, on the cores the process is pinned to. Times are medians in milliseconds, compilation apart. The peer loops over
the images of a batch; ours is vmapped. "dispatch" is one jitted addition to the same boxes: no call can be faster.
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

SIZES = (100, 1_000, 5_000, 20_000)
BATCHES = ((8, 100), (8, 1_000))
THRESHOLD = 0.5
BARS = {("spread", n): ">= 2" for n in SIZES[1:]} | {("crowded", n): ">= 1" for n in SIZES[1:]}


def spread(n, rng):
    """Boxes of 10 to 50 over an area that grows with n: hardly any pair overlaps by half."""
    centre, side = rng.uniform(0, 60 * n**0.5, (n, 2)), rng.uniform(10, 50, (n, 2))
    return np.concatenate([centre - side / 2, centre + side / 2], 1)


def crowded(n, rng):
    """Jittered copies of 40 boxes, whatever n."""
    cluster = rng.integers(0, 40, n)
    centre = rng.uniform(0, 1000, (40, 2))[cluster] + rng.normal(0, 4, (n, 2))
    side = rng.uniform(60, 120, (40, 2))[cluster] * np.exp(rng.normal(0, 0.05, (n, 2)))
    return np.concatenate([centre - side / 2, centre + side / 2], 1)


def inputs():
    """The work: name -> boxes `(images, n, 4)` and distinct scores `(images, n)`."""
    work = {}
    for make in (spread, crowded):
        for images, n in [(1, n) for n in SIZES] + list(BATCHES):
            rng = np.random.default_rng(0)
            boxes = np.stack([make(n, rng) for _ in range(images)])
            scores = np.stack([rng.permutation(n) / n for _ in range(images)])
            work[f"{make.__name__} {images} {n}"] = boxes.astype(np.float32), scores.astype(np.float32)
    return work


def ours():
    jax = synchronous_jax()
    import jax.numpy as jnp

    from jaxml.ops import nms

    table = {}
    for name, arrays in inputs().items():
        boxes, scores = map(jnp.asarray, arrays)
        function = lambda b, s: nms(b, s, iou_threshold=THRESHOLD)  # noqa: E731
        if len(boxes) == 1:
            boxes, scores = boxes[0], scores[0]
        else:
            function = jax.vmap(function)
        start = time.perf_counter()
        compiled = jax.jit(function).lower(boxes, scores).compile()
        compile_ms = 1e3 * (time.perf_counter() - start)
        add = jax.jit(lambda b: b + 1)
        table[name] = {
            "ms": milliseconds(lambda f=compiled, b=boxes, s=scores: jax.block_until_ready(f(b, s))),
            "compile": compile_ms,
            "dispatch": milliseconds(lambda f=add, b=boxes: jax.block_until_ready(f(b))),
            "kept": int(compiled(boxes, scores).count.sum()),
        }
    return table


PEER = """
import json, statistics, sys, time, numpy as np, torch, torchvision
torch.set_num_threads(int(sys.argv[2]))
{milliseconds}
table = {}
work = np.load(sys.argv[1])
for name in sorted({key[:-2] for key in work}):
    images = list(zip(torch.from_numpy(work[name + " b"]), torch.from_numpy(work[name + " s"])))
    def run():
        return [torchvision.ops.nms(b, s, float(sys.argv[3])) for b, s in images]
    table[name] = {"ms": milliseconds(run), "kept": sum(len(k) for k in run())}
print(json.dumps(table))
"""


def theirs(python, threads):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "inputs.npz")
        arrays = {f"{name} {k}": x for name, pair in inputs().items() for k, x in zip("bs", pair, strict=True)}
        np.savez(path, **arrays)
        script = PEER.replace("{milliseconds}", inspect.getsource(milliseconds))
        command = [python, "-c", script, path, str(threads), str(THRESHOLD)]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", help="Python with the packages of requirements-torchvision.txt")
    peer_python = parser.parse_args().peer_python
    threads = len(os.sched_getaffinity(0))
    mine, peer = ours(), theirs(peer_python, threads) if peer_python else {}
    if not peer:
        print("no --peer-python: torchvision is skipped", file=sys.stderr)
    print(f"{threads} threads, threshold {THRESHOLD}")
    print(
        f"{'work':<8} {'images':>6} {'boxes':>6} {'kept':>6} {'ours ms':>8} {'torchvision':>11} {'ratio':>6} "
        f"{'bar':>5} {'dispatch':>8} {'compile':>8}"
    )
    for name, row in mine.items():
        kind, images, n = name.split()
        other = peer.get(name)
        columns = f"{other['ms']:>11.3f} {other['ms'] / row['ms']:>6.2f}" if other else f"{'-':>11} {'-':>6}"
        bar = BARS.get((kind, int(n)), "-") if images == "1" else "-"
        print(
            f"{kind:<8} {images:>6} {n:>6} {row['kept']:>6} {row['ms']:>8.3f} {columns} {bar:>5} "
            f"{row['dispatch']:>8.3f} {row['compile']:>8.0f}"
        )
        if other and other["kept"] != row["kept"]:
            print(f"  the peer kept {other['kept']}", file=sys.stderr)


if __name__ == "__main__":
    keep_memory()
    main()
