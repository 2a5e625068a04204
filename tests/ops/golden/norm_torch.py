"""Write norm_torch.npz: torch's normalisation of one small batch. Run in an environment with torch 2.13.0."""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

rng = np.random.default_rng(0)
x = torch.tensor(3 + 2 * rng.normal(size=(2, 4, 3, 2)))
scale, bias = torch.tensor(rng.normal(size=4)), torch.tensor(rng.normal(size=4))
mean, var = torch.tensor(rng.normal(size=4)), torch.tensor(rng.uniform(1, 2, size=4))
golden = {"x": x, "scale": scale, "bias": bias, "mean": mean, "var": var}
golden["eval"] = F.batch_norm(x, mean, var, scale, bias, training=False)
new_mean, new_var = mean.clone(), var.clone()
leaf = x.clone().requires_grad_()
golden["train"] = F.batch_norm(leaf, new_mean, new_var, scale, bias, training=True, momentum=0.1)
golden["train"].pow(3).sum().backward()
golden |= {"new_mean": new_mean, "new_var": new_var, "x_gradient": leaf.grad}
golden["group"] = F.group_norm(x, 2, scale, bias)
golden["layer"] = F.layer_norm(x, (3, 2))
np.savez(Path(__file__).with_suffix(".npz"), **{k: v.detach().numpy() for k, v in golden.items()})
