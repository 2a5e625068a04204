"""grid_sample, crop_and_resize and deform_conv2d beside torch, forward and with gradients in every floating input.

    python benchmarks/ops/sampling.py --peer-python PATH/TO/python

PATH is an environment with benchmarks/requirements-torchvision.txt; without it the peer's columns stay empty. torch has
no crop_and_resize: its peer is grid_sample on a grid of the same points. Identical inputs, same run, the layout each
side works best in. Times are medians; "floor" is the time to write the output once.
timing.py says under what settings.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from timing import keep_memory, milliseconds, synchronous_jax

# op, image side, channels, output side (or boxes and crop side)
CASES = {
    "grid_sample 512x512x3": (512, 3),
    "grid_sample 128x128x64": (128, 64),
    "grid_sample 64x64x256": (64, 256),
    "crop_and_resize 128x128x64, 100 of 14x14": (128, 64),
    "deform_conv2d 3x3 64x64x64": (64, 64),
}


def draw(case: str) -> dict[str, np.ndarray]:
    side, c = CASES[case]
    rng = np.random.default_rng(0)
    inputs = {"image": rng.normal(size=(side, side, c))}
    if case.startswith("grid"):
        inputs["where"] = rng.uniform(-1, 1, size=(side, side, 2))
    elif case.startswith("crop"):
        inputs["where"] = np.sort(rng.uniform(0, 1, size=(100, 2, 2)), axis=1).reshape(100, 4)
    else:
        inputs["where"] = rng.normal(size=(side, side, 1, 3, 3, 2))
        inputs["kernel"] = rng.normal(size=(3, 3, c, c))
    return {name: value.astype(np.float32) for name, value in inputs.items()}


def peer(case: str, path: str) -> None:
    """Time torch on the inputs in `path`; runs in the peer's environment."""
    import torch
    from torch.nn.functional import grid_sample
    from torchvision.ops import deform_conv2d

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    inputs = {name: torch.tensor(value) for name, value in np.load(path).items()}
    image = inputs["image"].permute(2, 0, 1)[None].contiguous()
    where = inputs["where"]
    if case.startswith("grid"):
        leaves = [image, where[None].contiguous()]
        run = lambda image, grid: grid_sample(image, grid, align_corners=False)  # noqa: E731
    elif case.startswith("crop"):
        leaves = [image, where]
        steps = torch.linspace(0, 1, 14)

        def run(image: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
            x = boxes[:, 0, None] + steps * (boxes[:, 2] - boxes[:, 0])[:, None]
            y = boxes[:, 1, None] + steps * (boxes[:, 3] - boxes[:, 1])[:, None]
            x, y = x[:, None, :].expand(-1, 14, -1), y[:, :, None].expand(-1, -1, 14)
            grid = 2 * torch.stack([x, y], -1).reshape(1, -1, 14, 2) - 1
            return grid_sample(image, grid, align_corners=True)
    else:
        offset = where.reshape(*where.shape[:2], -1).permute(2, 0, 1)[None].contiguous()
        leaves = [image, offset, inputs["kernel"].permute(3, 2, 0, 1).contiguous()]
        run = lambda image, offset, kernel: deform_conv2d(image, offset, kernel, padding=1)  # noqa: E731
    leaves = [leaf.requires_grad_() for leaf in leaves]
    cotangent = torch.ones_like(run(*leaves))

    def forward() -> None:
        with torch.no_grad():
            run(*leaves)

    print(milliseconds(forward), milliseconds(lambda: torch.autograd.grad(run(*leaves), leaves, cotangent)))


def ours(case: str, inputs: dict[str, np.ndarray]) -> list[float]:
    """Milliseconds of the forward pass, of it with all gradients, and of writing the output."""
    jax = synchronous_jax()
    import jax.numpy as jnp

    from jaxml.ops import crop_and_resize, deform_conv2d, grid_sample

    run: Callable[..., jax.Array] = {
        "grid": grid_sample,
        "crop": lambda image, boxes: crop_and_resize(image, boxes, crop_size=14),
        "defo": lambda image, offset, kernel: deform_conv2d(image, offset, kernel, padding=1),
    }[case[:4]]
    leaves = [jnp.asarray(value) for value in inputs.values()]
    shape = jax.eval_shape(run, *leaves)
    cotangent = jnp.ones(shape.shape, shape.dtype)

    def with_gradients(cotangent: jax.Array, *leaves: jax.Array) -> tuple:
        value, pull = jax.vjp(run, *leaves)
        return value, pull(cotangent)

    def timed(fn: Callable, *args: jax.Array) -> float:
        compiled = jax.jit(fn)
        return milliseconds(lambda: jax.block_until_ready(compiled(*args)))

    floor = timed(lambda image: jnp.full(shape.shape, image[0, 0, 0]), leaves[0])
    return [timed(run, *leaves), timed(with_gradients, cotangent, *leaves), floor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="python of an environment with torch and torchvision")
    parser.add_argument("--peer", nargs=2, metavar=("CASE", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return peer(*options.peer)
    if not options.peer_python:
        print("no --peer-python: torch is not timed")
    print(f"{'work':>41} {'pass':>15} {'ours ms':>9} {'peer ms':>9} {'ratio':>7} {'bar':>9} {'floor ms':>9}")
    for case in CASES:
        inputs = draw(case)
        theirs = ["", ""]
        if options.peer_python:
            with tempfile.TemporaryDirectory() as folder:
                path = str(Path(folder) / "inputs.npz")
                np.savez(path, **inputs)
                command = [options.peer_python, __file__, "--peer", case, path]
                theirs = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        *times, floor = ours(case, inputs)
        for name, mine, other in zip(("forward", "with gradients"), times, theirs, strict=True):
            bar = "1" if name == "forward" and not case.startswith("deform") else "reported"
            ratio = f"{float(other):>9.2f} {float(other) / mine:>7.1f}" if other else " " * 17
            print(f"{case:>41} {name:>15} {mine:>9.2f} {ratio} {bar:>9} {floor:>9.2f}", flush=True)


if __name__ == "__main__":
    keep_memory()
    sys.exit(main())
