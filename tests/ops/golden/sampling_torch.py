"""Write sampling_torch.npz: torch's grid_sample in all its modes with gradients, and torchvision's deform_conv2d.

Run in an environment with torch 2.14.0 and torchvision 0.29.2:  python tests/ops/golden/sampling_torch.py
"""

from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import grid_sample
from torchvision.ops import deform_conv2d


def main() -> None:
    rng = np.random.default_rng(5)
    image, grid = rng.normal(size=(5, 7, 3)), rng.uniform(-1.9, 1.9, size=(6, 8, 2))
    cotangent = rng.normal(size=(6, 8, 3))
    out = {"image": image, "grid": grid, "cotangent": cotangent}
    for mode, padding, corners in product(
        ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (False, True)
    ):
        x = torch.tensor(np.moveaxis(image, -1, 0)[None], requires_grad=True)
        g = torch.tensor(grid[None], requires_grad=True)
        y = grid_sample(x, g, mode=mode, padding_mode=padding, align_corners=corners)
        dx, dg = torch.autograd.grad((y * torch.tensor(np.moveaxis(cotangent, -1, 0)[None])).sum(), (x, g))
        key = f"{mode}_{padding}_{int(corners)}"
        out[key] = np.moveaxis(y.detach().numpy()[0], 0, -1)
        out[f"{key}_dimage"], out[f"{key}_dgrid"] = np.moveaxis(dx.numpy()[0], 0, -1), dg.numpy()[0]

    h, w, i, o, kh, kw, groups, offset_groups = 6, 7, 4, 6, 2, 3, 2, 2
    stride, padding, dilation = (2, 1), (1, 2), (1, 2)
    oh, ow = (h + 2 - (kh - 1) - 1) // 2 + 1, (w + 4 - 2 * (kw - 1) - 1) + 1
    draw = lambda *shape: torch.tensor(rng.normal(size=shape))  # noqa: E731
    x, weight, bias = draw(1, i, h, w), draw(o, i // groups, kh, kw), draw(o)
    offset = 1.5 * draw(1, 2 * offset_groups * kh * kw, oh, ow)
    mask = torch.sigmoid(draw(1, offset_groups * kh * kw, oh, ow))
    leaves = [t.requires_grad_() for t in (x, offset, weight, bias, mask)]
    y = deform_conv2d(x, offset, weight, bias, stride, padding, dilation, mask)
    upstream = draw(*y.shape)
    gradients = torch.autograd.grad((y * upstream).sum(), leaves)
    names = ("deform_image", "deform_offset", "deform_weight", "deform_bias", "deform_mask")
    for name, leaf, gradient in zip(names, leaves, gradients, strict=True):
        out[name], out[f"{name}_gradient"] = leaf.detach().numpy(), gradient.numpy()
    out["deform_out"], out["deform_cotangent"] = y.detach().numpy(), upstream.numpy()
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **out)


if __name__ == "__main__":
    main()
