"""Write roi_torchvision.npz: what torchvision's pooling ops answer on random, degenerate and border-crossing boxes.

Run in an environment with torch 2.14.0 and torchvision 0.29.2:  python tests/ops/golden/roi_torchvision.py
"""

from pathlib import Path

import numpy as np
import torch
from torchvision.ops import MultiScaleRoIAlign, ps_roi_align, ps_roi_pool, roi_align, roi_pool

H, W, C, K, OUT, SCALE = 12, 17, 8, 24, (2, 4), 0.5


def channels_last(x: torch.Tensor) -> np.ndarray:
    return np.moveaxis(x.detach().numpy(), 1, -1)


def main() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(H, W, C))
    corners = rng.uniform(-6, 2 * np.array([W, H]), size=(K, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0, 30, size=(K, 2))], 1)
    boxes[:8] = [
        [4, 4, 4, 4],  # no area
        [6, 2, 6, 20],  # no width
        [-61.3, -57.9, 91.7, 83.1],  # far larger than the map
        [100, 100, 130, 140],  # outside
        [-30, -30, -10, -10],  # outside, on the other side
        [0, 0, 2 * W, 2 * H],  # the whole map
        [3, 3, 3.5, 3.5],  # much smaller than a pixel
        [-2.5, 20, 4.25, 30.5],  # over the border band
    ]
    out = {"features": features, "boxes": boxes}
    for name, dtype in {"f32": torch.float32, "f64": torch.float64}.items():
        maps = torch.tensor(np.moveaxis(features, -1, 0)[None], dtype=dtype, requires_grad=True)
        rois = torch.tensor(np.concatenate([np.zeros((K, 1)), boxes], 1), dtype=dtype)
        for aligned in (False, True):
            for ratio in (0, 2) if name == "f32" else (0, 1, 2, 3):
                y = roi_align(maps, rois, OUT, SCALE, ratio or -1, aligned)
                out[f"align_{name}_{int(aligned)}_{ratio}"] = channels_last(y)
        if name == "f32":
            continue  # float64 pins the rest down
        weights = torch.tensor(rng.normal(size=y.shape), dtype=dtype)
        out["cotangent"] = channels_last(weights)
        for ratio in (0, 2):
            y = roi_align(maps, rois, OUT, SCALE, ratio or -1, True)
            out[f"align_gradient_{ratio}"] = channels_last(torch.autograd.grad((y * weights).sum(), maps)[0])[0]
        y = roi_pool(maps, rois, OUT, SCALE)
        out["pool"] = channels_last(y)
        out["pool_gradient"] = channels_last(torch.autograd.grad((y * weights).sum(), maps)[0])[0]
        for ratio in (0, 2):
            out[f"ps_align_{ratio}"] = channels_last(ps_roi_align(maps, rois, OUT, SCALE, ratio or -1))
        out["ps_pool"] = channels_last(ps_roi_pool(maps, rois, OUT, SCALE))
    sides = np.exp(rng.uniform(2, 6, size=(30, 2)))
    corners = rng.uniform(0, 256 - np.minimum(sides, 200))
    out["pyramid_boxes"] = np.concatenate([corners, corners + sides], 1)
    pyramid = {}
    for level in (2, 3, 4, 5):
        size = 256 // 2**level
        pyramid[str(level)] = torch.tensor(rng.normal(size=(1, 2, size, size)))
        out[f"pyramid_{level}"] = channels_last(pyramid[str(level)])[0]
    pooler = MultiScaleRoIAlign(list(pyramid), 3, 2, canonical_scale=64)
    out["pyramid_pooled"] = channels_last(pooler(pyramid, [torch.tensor(out["pyramid_boxes"])], [(256, 256)]))
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **out)


if __name__ == "__main__":
    main()
