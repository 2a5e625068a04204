"""Weights in torchvision's names and layouts, from and to local ``.safetensors`` files.

The format is eight bytes that hold the length of a JSON header, the header, and the tensors' bytes in the order it
says. It is read here directly, every number checked against the file, because that takes fewer lines than a dependency
and runs nothing: a pickled checkpoint executes code, this cannot.
"""

import json
import math
import re
from pathlib import Path
from typing import Any, TypeVar

import jax.numpy as jnp
import ml_dtypes
import numpy as np
from flax import nnx

Model = TypeVar("Model", bound=nnx.Module)

DTYPES: dict[str, Any] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
LARGEST_HEADER = 100_000_000  # bytes; the limit of the reference implementation


def read_safetensors(path: str | Path) -> dict[str, np.ndarray]:
    """Read every tensor of a file, mapped into memory rather than copied.

    Args:
        path: a ``.safetensors`` file.

    Returns:
        Read-only arrays by name.

    Raises:
        ValueError: when the file is not what its header says: too short, not JSON, an unknown dtype, offsets outside
            the file or of another length than the shape asks for.

    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "one.safetensors")
    >>> write_safetensors(path, {"w": np.arange(3.0)})
    >>> read_safetensors(path)["w"].tolist()
    [0.0, 1.0, 2.0]
    """

    def refuse(reason: str) -> ValueError:
        return ValueError(f"read_safetensors: {path}: {reason}. The file is damaged or is not a .safetensors file.")

    content = np.memmap(path, np.uint8, "r") if Path(path).stat().st_size else np.zeros(0, np.uint8)
    length = int.from_bytes(content[:8].tobytes(), "little")
    if len(content) < 8 or length > min(LARGEST_HEADER, len(content) - 8):
        raise refuse(f"its header should have {length} bytes, the file has {len(content)}")
    try:
        header = json.loads(content[8 : 8 + length].tobytes().decode())
        entries = {name: dict(entry) for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise refuse(f"its header is not JSON that lists tensors ({error})") from None
    data, tensors = content[8 + length :], {}
    for name, entry in entries.items():
        shape: Any = entry.get("shape")
        offsets: Any = entry.get("data_offsets")
        dtype = DTYPES.get(str(entry.get("dtype")))
        if dtype is None:
            raise refuse(f"'{name}' has dtype {entry.get('dtype')!r}, not one of {', '.join(DTYPES)}")
        if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
            raise refuse(f"'{name}' has shape {shape!r} and offsets {offsets!r}")
        begin, end = offsets
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if not begin <= end <= len(data) or end - begin != size:
            raise refuse(f"'{name}' should lie in bytes {begin} to {end} of {len(data)} and take {size}")
        tensors[name] = data[begin:end].view(dtype).reshape(shape)
    return tensors


def write_safetensors(path: str | Path, tensors: dict[str, Any]) -> None:
    """Write arrays to a file, in the order of their names.

    Args:
        path: where to.
        tensors: arrays by name.

    Raises:
        ValueError: for a dtype that the format has not.

    See also: `read_safetensors`.

    >>> write_safetensors("/dev/null", {"w": np.zeros(3, complex)})
    Traceback (most recent call last):
    ...
    ValueError: write_safetensors: 'w' has dtype complex128, not one of F64, F32, F16, BF16, I64, ...
    """
    names = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
    header, end, chunks = {}, 0, []
    for name, tensor in sorted(tensors.items()):
        array = np.ascontiguousarray(tensor)
        if array.dtype not in names:
            raise ValueError(f"write_safetensors: '{name}' has dtype {array.dtype}, not one of {', '.join(DTYPES)}.")
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": names[array.dtype], "shape": list(np.shape(tensor)), "data_offsets": [begin, end]}
        chunks.append(array.tobytes())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight bytes
    Path(path).write_bytes(len(text).to_bytes(8, "little") + text + b"".join(chunks))


def torch_weights(model: nnx.Module) -> dict[str, np.ndarray]:
    """The weights of a `ResNet`, `DenseNet` or `VGG` under torchvision's names, in torch's layouts.

    Args:
        model: the network.

    Returns:
        Arrays by name: a convolution's weight is (out, in, height, width), an affine layer's (out, in).

    See also: `load_torch_weights`, its inverse.

    >>> from jaxml.nn import BasicBlock, ResNet
    >>> model = ResNet(BasicBlock, (1,), classes=2, width=4, rngs=nnx.Rngs(0))
    >>> weights = torch_weights(model)
    >>> weights["layer1.0.conv1.weight"].shape, weights["bn1.running_var"].shape
    ((4, 4, 3, 3), (4,))
    """
    return {name: _to_torch(np.asarray(leaf[...])) for name, (_, leaf) in _torch_leaves(model).items()}


def load_torch_weights(model: Model, path: str | Path) -> Model:
    """A network with the weights of a torchvision checkpoint saved as ``.safetensors``.

    Args:
        model: a `ResNet`, `DenseNet` or `VGG` of the checkpoint's shape; an abstract one (`nnx.eval_shape`) will do.
        path: the file, with torchvision's names.

    Returns:
        A copy of the model with those weights and running statistics.

    Raises:
        ValueError: when tensors are missing, left over or of another shape, or the file is damaged.

    Nothing is downloaded. A file of PyTorch's own (``.pth``) is converted with torch: ``safetensors.torch.save_file``.

    See also: `torch_weights`, its inverse.
    """
    found = {_modern(name): tensor for name, tensor in read_safetensors(path).items()}
    found = {name: tensor for name, tensor in found.items() if not name.endswith("num_batches_tracked")}
    model = nnx.clone(model)
    wanted = _torch_leaves(model)
    missing, left_over = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing or left_over:
        raise ValueError(
            f"load_torch_weights: {path} lacks {_some(missing)} and has {_some(left_over)} that "
            f"{type(model).__name__} has not. Build the model with the checkpoint's depth and options."
        )
    for name, (place, leaf) in wanted.items():
        value = _from_torch(found[name])
        if value.shape != leaf.shape:
            raise ValueError(
                f"load_torch_weights: '{name}' has shape {found[name].shape} in {path}, which does not fit {place} "
                f"of shape {leaf.shape}. Build the model with the checkpoint's classes, channels and width."
            )
        leaf.set_value(jnp.asarray(value, leaf.dtype))
    return model


def _torch_leaves(model: nnx.Module) -> dict[str, tuple[str, Any]]:
    """``torch name -> (our path, variable)``."""
    rename = getattr(model, "torch_name", None)
    if rename is None:
        raise ValueError(
            f"torch weights: {type(model).__name__} has no counterpart in torchvision. Use a ResNet, DenseNet or VGG."
        )
    leaves = {}
    for path, leaf in nnx.to_flat_state(nnx.state(model, (nnx.Param, nnx.BatchStat))):
        place, name = ".".join(map(str, path[:-1])), str(path[-1])
        torch = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}.get(name, name)
        leaves[f"{rename(place)}.{torch}"] = (f"{place}.{name}", leaf)
    return leaves


def _to_torch(value: np.ndarray) -> np.ndarray:
    return value.transpose((3, 2, 0, 1)) if value.ndim == 4 else value.T


def _from_torch(value: np.ndarray) -> np.ndarray:
    return value.transpose((2, 3, 1, 0)) if value.ndim == 4 else value.T


def _modern(name: str) -> str:
    """DenseNet's oldest checkpoints write ``norm.1`` where later ones write ``norm1``."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", name)


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(size) is int and size >= 0 for size in value)


def _some(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown or "nothing"
