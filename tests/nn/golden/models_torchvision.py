"""Write models_torchvision.json: logits of small torchvision networks, and the names and shapes of the published ones.

Run with torchvision installed (benchmarks/requirements-torchvision.txt): ``python models_torchvision.py``. Weights and
images come from `numbers`, which the tests compute too, so that none are stored.
"""

import hashlib
import json
import zlib
from pathlib import Path

import numpy as np


def numbers(name, shape):
    """Weights that look random, from their name alone, at scales that keep activations of order one."""
    size = int(np.prod(shape))
    wave = np.sin(zlib.crc32(name.encode()) % 1000 + 1.7 * np.arange(size) ** 1.1).reshape(shape)
    if name.endswith("running_var"):
        return (1 + 0.5 * wave).astype(np.float32)
    if len(shape) == 1:
        return (0.1 * wave + (name.endswith("weight"))).astype(np.float32)
    fan_in = int(np.prod(shape[1:]))
    return (wave * np.sqrt(4 / fan_in)).astype(np.float32)


def fingerprint(shapes):
    """One number for all names and shapes of a model."""
    lines = sorted(f"{name} {list(shape)}" for name, shape in shapes.items() if "num_batches_tracked" not in name)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def main():
    import torch
    from torchvision import models
    from torchvision.models import densenet, resnet, vgg

    small_vgg = vgg.VGG(vgg.make_layers([8, "M", 16, "M", 32, "M", 64, "M", 64, "M"], batch_norm=True), num_classes=5)
    small_vgg.classifier = torch.nn.Sequential(
        torch.nn.Linear(64 * 49, 24), torch.nn.ReLU(), torch.nn.Dropout(),
        torch.nn.Linear(24, 24), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(24, 5),
    )  # fmt: skip
    small = {
        "basic": resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=5),
        "bottleneck": resnet.ResNet(resnet.Bottleneck, [2, 1, 1, 1], num_classes=5),
        "dense": densenet.DenseNet(8, (2, 3), num_init_features=16, num_classes=5),
        "vgg": small_vgg,
    }
    images = torch.from_numpy(numbers("images", (2, 3, 64, 64)) * 20).float()
    logits = {}
    for name, model in small.items():
        state = {key: torch.from_numpy(numbers(key, tuple(v.shape))) for key, v in model.state_dict().items()
                 if "num_batches_tracked" not in key}  # fmt: skip
        model.load_state_dict(state, strict=False)
        with torch.no_grad():
            logits[name] = model.eval()(images).tolist()
    names = [f"resnet{n}" for n in (18, 34, 50, 101, 152)] + [f"densenet{n}" for n in (121, 169, 201)]
    names += [f"vgg{n}{norm}" for n in (11, 13, 16, 19) for norm in ("", "_bn")]
    with torch.device("meta"):
        shapes = {name: {k: tuple(v.shape) for k, v in getattr(models, name)().state_dict().items()} for name in names}
    found = {"torch": torch.__version__, "logits": logits, "names": {n: fingerprint(s) for n, s in shapes.items()}}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
