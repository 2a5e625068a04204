"""Files of weights: what is written is read, and what is damaged is refused with a reason."""

import contextlib
import json

import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from jaxml.nn import (
    MLP,
    BasicBlock,
    ResNet,
    load_torch_weights,
    read_safetensors,
    torch_weights,
    write_safetensors,
)
from jaxml.nn.weights import DTYPES, _modern
from tests.nn.build import build


def test_every_dtype_and_shape_survives(tmp_path):
    rng = np.random.default_rng(0)
    tensors = {}
    for i, dtype in enumerate(DTYPES.values()):
        tensors[f"t{i}"] = (rng.integers(0, 2, size=(3,) * (i % 3))).astype(dtype)
    tensors["empty"] = np.zeros((0, 4), np.float32)
    tensors["columns"] = rng.normal(size=(3, 4)).T
    write_safetensors(tmp_path / "t.safetensors", tensors)
    found = read_safetensors(tmp_path / "t.safetensors")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found[name], tensor)
    assert found["t3"].dtype == ml_dtypes.bfloat16


def write(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(**changes):
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"not json", "its header is not JSON"),
        (b"[1, 2]", "its header is not JSON"),
        (b'{"w": 3}', "its header is not JSON"),
        (b"[" * 5000, "its header is not JSON"),
        (entry(dtype="F8"), "'w' has dtype 'F8', not one of F64"),
        (entry(shape=[-2]), r"'w' has shape \[-2\]"),
        (entry(shape="2"), "'w' has shape '2'"),
        (entry(shape=[True, 2]), "'w' has shape"),
        (entry(data_offsets=[0]), r"offsets \[0\]"),
        (entry(data_offsets=None), "offsets None"),
        (entry(data_offsets=[0, 16], shape=[4]), "bytes 0 to 16 of 8"),
        (entry(data_offsets=[8, 0]), "bytes 8 to 0 of 8"),
        (entry(shape=[3]), "and take 12"),
        (entry(shape=[2**40, 2**40]), "and take"),
    ],
)
def test_damaged_files_are_refused(tmp_path, header, reason):
    with pytest.raises(ValueError, match=reason):
        read_safetensors(write(tmp_path / "w.safetensors", header, bytes(8)))


@pytest.mark.parametrize("content", [b"", b"1234", (2**62).to_bytes(8, "little"), (9).to_bytes(8, "little") + b"{}"])
def test_short_files_are_refused(tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="its header should have"):
        read_safetensors(tmp_path / "w.safetensors")


@given(place=st.integers(0, 90), byte=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(tmp_path_factory, place, byte):
    path = tmp_path_factory.getbasetemp() / "changed.safetensors"
    write_safetensors(path, {"w": np.arange(4.0)})
    content = bytearray(path.read_bytes())
    content[min(place, len(content) - 1)] = byte
    path.write_bytes(content)
    with contextlib.suppress(ValueError):
        assert all(isinstance(tensor, np.ndarray) for tensor in read_safetensors(path).values())


def test_metadata_is_no_tensor(tmp_path):
    header = entry() | {"__metadata__": {"format": "pt"}}
    assert set(read_safetensors(write(tmp_path / "w.safetensors", header, bytes(8)))) == {"w"}


@pytest.fixture(scope="module")
def model():
    return build(lambda rngs: ResNet(BasicBlock, (1,), classes=2, width=2, rngs=rngs))


def test_checkpoints_that_do_not_fit_are_named(tmp_path, model):
    path, weights = tmp_path / "w.safetensors", torch_weights(model)
    write_safetensors(path, weights | {"bn1.num_batches_tracked": np.asarray(3)})
    load_torch_weights(model, path)
    write_safetensors(path, {n: w for n, w in weights.items() if n != "bn1.bias"} | {"extra": np.zeros(1)})
    with pytest.raises(ValueError, match=r"lacks 'bn1.bias' and has 'extra' that ResNet has not. Build the model"):
        load_torch_weights(model, path)
    write_safetensors(path, weights | {"fc.weight": np.zeros((3, 2), np.float32)})
    with pytest.raises(ValueError, match=r"'fc.weight' has shape \(3, 2\) .* does not fit fc.kernel of shape \(2, 2\)"):
        load_torch_weights(model, path)
    write_safetensors(path, {"fc.weight": np.zeros((3, 2), np.float32)})
    with pytest.raises(ValueError, match=r"lacks .* and \d+ more"):
        load_torch_weights(model, path)
    with pytest.raises(ValueError, match="MLP has no counterpart in torchvision"):
        load_torch_weights(nnx.eval_shape(lambda: MLP(2, 2, 2, depth=1, rngs=nnx.Rngs(0))), path)


def test_loading_copies(tmp_path, model):
    path, weights = tmp_path / "w.safetensors", torch_weights(model)
    write_safetensors(path, weights | {"fc.bias": np.array([5.0, 6.0], np.float32)})
    loaded = load_torch_weights(model, path)
    assert loaded.fc.bias[...].tolist() == [5.0, 6.0]
    assert model.fc.bias[...].tolist() != [5.0, 6.0]


def test_old_names_of_dense_layers_are_understood():
    assert _modern("features.denseblock1.denselayer2.norm.1.weight") == "features.denseblock1.denselayer2.norm1.weight"
    assert _modern("features.norm5.weight") == "features.norm5.weight"
