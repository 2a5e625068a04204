"""RoIAlign beside torchvision and ONNX Runtime: forward, and with gradients (ours in features and boxes, torch's in
features; ONNX Runtime has none).

    python benchmarks/ops/roi_align.py --peer-python PATH/TO/python

PATH is an environment with benchmarks/requirements-torchvision.txt; without it the peer's columns stay empty. Both
sides read identical inputs in the same run, each in the memory layout it works best in, on the cores the process is
pinned to (`taskset -c 0,1`). Times are medians; "first" is the first call, compilation included; "floor" is the time to
write the output once (and, with gradients, both gradients too); "reads" is the time to write it from sixteen rows of
channels each, as the forward op must, where those lie in order and at hand. timing.py says under what settings.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from timing import keep_memory, milliseconds, synchronous_jax

# boxes, map side, channels
SIZES = [(512, 25, 256), (1000, 50, 256), (512, 100, 64), (512, 100, 512), (1000, 200, 256)]
BARS = {"forward": 10, "with gradients": 4}


def draw(k: int, side: int, channels: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(0, side, size=(k, 2, 2)), axis=1).reshape(k, 4)
    return {
        "features": rng.normal(size=(side, side, channels)).astype(np.float32),
        "boxes": corners.astype(np.float32),
        "cotangent": rng.normal(size=(k, 7, 7, channels)).astype(np.float32),
    }


def clock(call: Callable) -> tuple[float, float]:
    """Milliseconds of the first call and the median of the later ones."""
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start), milliseconds(call)


def peer(path: str) -> None:
    """Time torchvision and ONNX Runtime on the inputs in `path`; runs in the peers' environment."""
    import torch
    from torchvision.ops import roi_align

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    inputs = np.load(path)
    maps = torch.tensor(np.moveaxis(inputs["features"], -1, 0)[None].copy(), requires_grad=True)
    rois = torch.tensor(np.concatenate([np.zeros((len(inputs["boxes"]), 1), np.float32), inputs["boxes"]], 1))
    cotangent = torch.tensor(np.moveaxis(inputs["cotangent"], -1, 1).copy())

    def forward() -> None:
        with torch.no_grad():
            roi_align(maps, rois, 7, 1.0, 2, True)

    def both() -> None:
        maps.grad = None
        roi_align(maps, rois, 7, 1.0, 2, True).backward(cotangent)

    runtime = onnx_runtime(maps.detach().numpy(), inputs["boxes"])
    gap = np.abs(roi_align(maps, rois, 7, 1.0, 2, True).detach().numpy() - runtime()[0]).max()
    assert gap < 1e-3, gap
    print(milliseconds(forward), milliseconds(both), milliseconds(runtime))


def onnx_runtime(maps: np.ndarray, boxes: np.ndarray) -> Callable:
    """The same RoIAlign in ONNX Runtime, which has no gradients."""
    import onnx
    import onnxruntime

    names = {"maps": maps, "boxes": boxes, "images": np.zeros(len(boxes), np.int64)}
    kinds = {"images": onnx.TensorProto.INT64}
    node = onnx.helper.make_node("RoiAlign", list(names), ["y"], output_height=7, output_width=7, sampling_ratio=2)
    values = [
        onnx.helper.make_tensor_value_info(name, kinds.get(name, onnx.TensorProto.FLOAT), array.shape)
        for name, array in names.items()
    ]
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph([node], "roi_align", values, [result])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 16)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, names)


def ours(inputs: dict[str, np.ndarray]) -> dict[str, tuple[float, float, float, float]]:
    jax = synchronous_jax()
    import jax.numpy as jnp

    from jaxml.ops import roi_align

    features, boxes, cotangent = (jnp.asarray(inputs[name]) for name in ("features", "boxes", "cotangent"))

    def pool(features: jax.Array, boxes: jax.Array) -> jax.Array:
        return roi_align(features, boxes, output_size=7)

    def with_gradients(features: jax.Array, boxes: jax.Array, cotangent: jax.Array) -> tuple:
        value, pull = jax.vjp(pool, features, boxes)
        return value, pull(cotangent)

    def fill(*shapes: jax.Array) -> list[jax.Array]:
        return [jnp.full(x.shape, boxes[0, 0]) for x in shapes]

    def read(features: jax.Array) -> jax.Array:
        rows, first = features.reshape(-1, features.shape[2]), jnp.arange(cotangent[..., 0].size, dtype=jnp.int32) % 64
        taps = (rows.at[first + i].get(mode="promise_in_bounds") for i in range(16))
        return sum((boxes[0, 0] * tap for tap in taps), 0.0)

    def timed(fn: Callable, *args: jax.Array) -> tuple[float, float]:
        compiled = jax.jit(fn)
        return clock(lambda: jax.block_until_ready(compiled(*args)))

    work = {
        "forward": (timed(pool, features, boxes), timed(fill, cotangent)),
        "with gradients": (
            timed(with_gradients, features, boxes, cotangent),
            timed(fill, cotangent, features, boxes),
        ),
    }
    reads = timed(read, features)[1]
    return {name: (first, median, floor, reads) for name, ((first, median), (_, floor)) in work.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="python of an environment with torchvision")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return peer(options.peer)
    if not options.peer_python:
        print("no --peer-python: torchvision is not timed")
    head = (
        "boxes",
        "map",
        "C",
        "work",
        "first ms",
        "ours ms",
        "floor ms",
        "x floor",
        "x reads",
        "peer ms",
        "ratio",
        "bar",
        "onnx ms",
        "times",
    )
    print(("{:>6} {:>8} {:>4} {:>15}" + " {:>9}" * 10).format(*head))
    for k, side, channels in SIZES:
        inputs = draw(k, side, channels)
        theirs, runtime = ["", ""], ""
        if options.peer_python:
            with tempfile.TemporaryDirectory() as folder:
                path = str(Path(folder) / "inputs.npz")
                np.savez(path, **inputs)
                command = [options.peer_python, __file__, "--peer", path]
                *theirs, runtime = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        for (name, (first, median, floor, reads)), other in zip(ours(inputs).items(), theirs, strict=True):
            row = f"{k:>6} {f'{side}x{side}':>8} {channels:>4} {name:>15} {first:>9.0f} {median:>9.1f} {floor:>9.1f}"
            ratio = f"{float(other):>9.1f} {float(other) / median:>9.1f}" if other else " " * 19
            other = f" {float(runtime):>9.1f} {float(runtime) / median:>9.1f}" if runtime and name == "forward" else ""
            times = f"{median / floor:>9.1f} " + (f"{median / reads:>9.1f}" if name == "forward" else " " * 9)
            print(f"{row} {times} {ratio} {BARS[name]:>9}{other}", flush=True)


if __name__ == "__main__":
    keep_memory()
    sys.exit(main())
