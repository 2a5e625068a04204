"""Sampling against torch's answers, the ONNX reference evaluator, scalar definitions, and the common laws."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from jax.scipy.ndimage import map_coordinates
from onnx.reference import ReferenceEvaluator

from jaxml import ops
from jaxml.ops.sampling.windows import window_sum
from tests.ops import contract

GOLDEN = np.load(Path(__file__).parent / "golden" / "sampling_torch.npz")
# Compiled once per shape: called eagerly, each of their operations would be compiled alone.
bilinear_sample = jax.jit(ops.bilinear_sample, static_argnames="padding")
grid_sample = jax.jit(ops.grid_sample, static_argnames=("mode", "padding", "align_corners"))
crop_and_resize = jax.jit(ops.crop_and_resize, static_argnames=("crop_size", "mode"))
deform_conv2d = jax.jit(ops.deform_conv2d, static_argnames=("stride", "padding", "dilation"))
MODES = pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
PADDINGS = ("zeros", "border", "reflection")


def onnx_run(operator: str, inputs: dict[str, np.ndarray], **attributes) -> np.ndarray:
    """Evaluate one ONNX operator with ONNX's own NumPy implementation."""
    value = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)  # noqa: E731
    node = onnx.helper.make_node(operator, list(inputs), ["out"], **attributes)
    graph = onnx.helper.make_graph([node], "one", [value(name) for name in inputs], [value("out")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 22)])
    return np.asarray(ReferenceEvaluator(model).run(None, inputs)[0])


@MODES
def test_grid_sample_equals_torch_in_value_and_gradients(mode, x64):
    image, grid, cotangent = (jnp.array(GOLDEN[name]) for name in ("image", "grid", "cotangent"))

    @jax.jit
    def with_gradients(image, grid, cotangent):
        results = {}
        for padding in PADDINGS:
            for corners in (False, True):
                sample = partial(grid_sample, mode=mode, padding=padding, align_corners=corners)
                value, pull = jax.vjp(sample, image, grid)
                key = f"{mode}_{padding}_{int(corners)}"
                results |= dict(zip((key, f"{key}_dimage", f"{key}_dgrid"), (value, *pull(cotangent)), strict=True))
        return results

    for name, ours in with_gradients(image, grid, cotangent).items():
        np.testing.assert_allclose(ours, GOLDEN[name], rtol=0, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_grid_sample_equals_onnx(mode):
    rng = np.random.default_rng(1)
    image, grid = rng.normal(size=(4, 5, 2)), rng.uniform(-1.4, 1.4, size=(3, 6, 2))
    for padding in PADDINGS:
        theirs = onnx_run(
            "GridSample",
            {"X": np.float32(np.moveaxis(image, -1, 0)[None]), "grid": np.float32(grid[None])},
            mode={"bilinear": "linear"}.get(mode, mode),
            padding_mode=padding,
            align_corners=1,
        )
        ours = grid_sample(jnp.float32(image), jnp.float32(grid), mode=mode, padding=padding, align_corners=True)
        np.testing.assert_allclose(ours, np.moveaxis(theirs[0], 0, -1), atol=1e-5, err_msg=padding)


def test_bilinear_sample_equals_map_coordinates(x64):
    rng = np.random.default_rng(2)
    image, points = jnp.array(rng.normal(size=(5, 6, 1))), jnp.array(rng.uniform(-2, 7, size=(40, 2)))
    for padding, theirs in {"zeros": "constant", "border": "nearest", "reflection": "mirror"}.items():
        expected = map_coordinates(image[:, :, 0], [points[:, 1], points[:, 0]], order=1, mode=theirs)
        np.testing.assert_allclose(bilinear_sample(image, points, padding=padding)[:, 0], expected, atol=1e-12)


def test_bilinear_sample_is_exact_on_bilinear_maps(x64):
    plane = lambda x, y: 2 + 3 * x - y + 0.5 * x * y  # noqa: E731
    y, x = np.meshgrid(np.arange(4.0), np.arange(5.0), indexing="ij")
    image, points = jnp.array(plane(x, y)[..., None]), np.array([[0.0, 0.0], [1.3, 2.9], [4.0, 3.0], [2.0, 1.0]])
    sampled = bilinear_sample(image, jnp.array(points))[:, 0]
    np.testing.assert_allclose(sampled, plane(points[:, 0], points[:, 1]), atol=1e-12)
    slope = jax.jit(jax.vmap(jax.grad(lambda p: bilinear_sample(image, p).sum())))(points[3:])
    np.testing.assert_allclose(slope, [[3.5, 0.0]], atol=1e-12)  # at an integer point, from the right


def test_last_pixel_keeps_its_slope_under_border_padding(x64):
    image = jnp.array([0.0, 1.0, 4.0]).reshape(1, 3, 1)
    slope = jax.jit(jax.grad(lambda x: bilinear_sample(image, jnp.stack([x, 0 * x]), padding="border").sum()))
    assert [float(slope(jnp.array(x))) for x in (-0.5, 0.0, 1.0, 2.0, 2.5)] == [0.0, 1.0, 3.0, 3.0, 0.0]


@MODES
def test_images_smaller_than_the_window(mode, x64):
    points = jnp.array([[0.0, 0.0], [-1.0, 1.0], [0.3, -0.6]])
    for padding in PADDINGS:
        sampled = grid_sample(jnp.full((1, 1, 1), 2.0), points, mode=mode, padding=padding)
        if padding != "zeros":
            np.testing.assert_allclose(sampled, 2.0)
        assert np.isfinite(sampled).all()


@MODES
def test_sampling_laws(mode):
    rng = np.random.default_rng(3)
    image, grid = np.float32(rng.normal(size=(4, 5, 2))), np.float32(rng.uniform(-1.5, 1.5, size=(3, 2)))
    wild = np.array([[1e30, -3e38], [np.nan, 0.0], [0.0, 1.0]], np.float32)
    for padding in ("zeros",) if mode == "bilinear" else ("reflection",):
        sample = partial(grid_sample, mode=mode, padding=padding)
        if mode == "bilinear":  # the others differ in their weights alone
            contract.jit_equals_eager(
                partial(ops.grid_sample, mode=mode, padding=padding), *map(jnp.array, (image, grid))
            )
        gradient = jax.jit(jax.grad(lambda i, g, sample=sample: jnp.sum(sample(i, g) ** 2), (0, 1)))
        contract.vmap_equals_loop(gradient, np.stack([image, 2 * image]), np.stack([grid, -grid]))
        contract.lowers_everywhere(gradient, image, grid)
        contract.finite_everywhere(sample, image, wild[::2], argnums=(0, 1))
        sampled = np.asarray(sample(image, wild))
        assert (sampled[1] == 0).all()
        contract.assert_close(sampled[2], sample(image, wild[2]))


@MODES
def test_sampling_derivatives(mode, x64):
    rng = np.random.default_rng(4)
    image, grid = jnp.array(rng.normal(size=(3, 4, 1))), jnp.array(rng.uniform(-1.2, 1.2, size=(4, 2)))
    for padding in ("zeros",) if mode == "nearest" else ("reflection",):
        contract.hessian_matches(partial(grid_sample, mode=mode, padding=padding), image, grid, rtol=1e-3)


@pytest.mark.parametrize(("n", "window"), [(5, (2, 2)), (3, (5, 4)), (1, (1, 1))])
def test_window_sum_and_its_derivatives(n, window, x64):
    rng = np.random.default_rng(6)
    image, weight = rng.normal(size=(6, 5, 2)), rng.normal(size=(n, 2, *window))
    start = np.int32(rng.integers(0, [7 - window[0], 6 - window[1]], size=(n, 2, 2)))
    plain = sum(
        weight[:, s, a, b, None] * image[start[:, s, 0] + a, start[:, s, 1] + b]
        for s in range(2)
        for a in range(window[0])
        for b in range(window[1])
    )
    total = jax.jit(lambda image, weight: window_sum(image, jnp.array(start), weight))
    np.testing.assert_allclose(total(image, weight), plain, atol=1e-12)
    lanes = jax.jit(jax.vmap(total, (3, 1)))(np.stack([image, -image], 3), np.stack([weight, 2 * weight], 1))
    np.testing.assert_allclose(lanes, [plain, -2 * plain], atol=1e-12)
    curved = lambda image, weight: jnp.sum(jnp.sin(total(image, weight)))  # noqa: E731
    contract.derivatives_match(curved, jnp.array(image), jnp.array(weight), order=3 if n == 1 else 1)
    lowered = jax.jit(jax.grad(curved, (0, 1))).trace(image, weight).lower(lowering_platforms=("cuda",))
    assert "scatter" in lowered.as_text()  # where it is fast


def test_scatter_of_other_platforms_equals_the_loop():
    from jaxml.ops.sampling import windows

    rng = np.random.default_rng(7)
    start = jnp.array(rng.integers(0, 4, size=(9, 5, 2)), jnp.int32)
    rows, weight = jnp.float32(rng.normal(size=(9, 3))), jnp.float32(rng.normal(size=(9, 5, 2, 2)))
    loop, at = (
        jax.jit(partial(f, size=(5, 5)))(start, rows, weight) for f in (windows._scatter_loop, windows._scatter_at)
    )
    contract.assert_close(loop, at)


def crop_reference(image, box, rows, columns, outside):
    """TensorFlow's rule, one pixel at a time."""
    h, w, _ = image.shape
    x1, y1, x2, y2 = box
    out = np.full((rows, columns, image.shape[2]), outside)
    for p in range(rows):
        y = (y1 + p * (y2 - y1) / (rows - 1)) * (h - 1) if rows > 1 else (y1 + y2) / 2 * (h - 1)
        for q in range(columns):
            x = (x1 + q * (x2 - x1) / (columns - 1)) * (w - 1) if columns > 1 else (x1 + x2) / 2 * (w - 1)
            if 0 <= y <= h - 1 and 0 <= x <= w - 1:
                y0, x0 = int(y), int(x)
                y1_, x1_ = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
                fy, fx = y - y0, x - x0
                top = image[y0, x0] * (1 - fx) + image[y0, x1_] * fx
                out[p, q] = top * (1 - fy) + (image[y1_, x0] * (1 - fx) + image[y1_, x1_] * fx) * fy
    return out


@pytest.mark.parametrize("size", [(3, 4), (1, 2)])
def test_crop_and_resize_equals_the_definition(size, x64):
    rng = np.random.default_rng(8)
    image = rng.normal(size=(5, 6, 2))
    boxes = np.array([[0, 0, 1, 1], [0.2, 0.9, 0.7, 0.1], [-0.3, 0.1, 1.4, 0.8], [0.5, 0.5, 0.5, 0.5], [2, 2, 3, 3.0]])
    ours = crop_and_resize(jnp.array(image), jnp.array(boxes), crop_size=size, extrapolation_value=-7.0)
    expected = [crop_reference(image, box, *size, -7.0) for box in boxes]
    np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_crop_and_resize_laws(x64):
    rng = np.random.default_rng(9)
    image, boxes = jnp.array(rng.normal(size=(4, 5, 2))), jnp.array([[0.1, 0.2, 0.83, 0.91], [0.77, 0.3, 0.2, 0.6]])
    crop = partial(crop_and_resize, crop_size=(2, 3))
    contract.derivatives_match(crop, image, boxes, order=1)
    contract.jit_equals_eager(partial(ops.crop_and_resize, crop_size=(2, 3)), image, boxes)
    image, boxes = np.array(image), np.array(boxes)
    contract.vmap_equals_loop(crop, np.stack([image, -image]), np.stack([boxes, boxes / 2]))
    contract.lowers_everywhere(crop, image, boxes)
    whole = crop_and_resize(image, np.array([[0.0, 0, 1, 1]]), crop_size=(4, 5))
    np.testing.assert_allclose(np.asarray(whole)[0], image, atol=1e-12)
    nearest = crop_and_resize(image, np.array([[0.0, 0, 1, 1]]), crop_size=(7, 9), mode="nearest")
    np.testing.assert_array_equal(np.asarray(nearest)[0], np.repeat(np.repeat(image, 2, 0), 2, 1)[1:, 1:])
    clean, broken = (
        np.asarray(crop(image, each)) for each in (boxes, np.where([[1], [0]] * (np.arange(4) == 0), np.nan, boxes))
    )
    assert (broken[0] == 0).all()
    contract.assert_close(broken[1], clean[1])


def torch_layout() -> dict[str, jax.Array]:
    """The golden tensors in our layout: channels last, the packed offset axes taken apart."""
    g = {name: GOLDEN[f"deform_{name}"] for name in ("image", "offset", "weight", "bias", "mask")}
    _, _, oh, ow = g["offset"].shape
    ours = {
        "image": np.moveaxis(g["image"][0], 0, -1),
        "offset": np.moveaxis(g["offset"][0], 0, -1).reshape(oh, ow, 2, 2, 3, 2),
        "weight": np.transpose(g["weight"], (2, 3, 1, 0)),
        "bias": g["bias"],
        "mask": np.moveaxis(g["mask"][0], 0, -1).reshape(oh, ow, 2, 2, 3),
    }
    return {name: jnp.array(value) for name, value in ours.items()}


def deform(image, offset, weight, bias, mask):
    return ops.deform_conv2d(
        image, offset, weight, bias=bias, mask=mask, stride=(2, 1), padding=(1, 2), dilation=(1, 2)
    )


def test_deform_conv2d_equals_torchvision_in_value_and_gradients(x64):
    arguments = torch_layout()

    @jax.jit
    def with_gradients(cotangent, *arguments):
        value, pull = jax.vjp(deform, *arguments)
        return value, pull(cotangent)

    cotangent = np.moveaxis(GOLDEN["deform_cotangent"][0], 0, -1)
    value, pulled = with_gradients(cotangent, *arguments.values())
    np.testing.assert_allclose(value, np.moveaxis(GOLDEN["deform_out"][0], 0, -1), atol=1e-11)
    gradients = dict(zip(arguments, pulled, strict=True))
    theirs = {name: GOLDEN[f"deform_{name}_gradient"] for name in arguments}
    for name in ("image", "offset", "mask"):
        expected = np.moveaxis(theirs[name][0], 0, -1).reshape(gradients[name].shape)
        np.testing.assert_allclose(gradients[name], expected, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(gradients["weight"], np.transpose(theirs["weight"], (2, 3, 1, 0)), atol=1e-10)
    np.testing.assert_allclose(gradients["bias"], theirs["bias"], atol=1e-10)


def test_deform_conv2d_without_offsets_is_a_convolution():
    rng = np.random.default_rng(10)
    image, kernel = jnp.float32(rng.normal(size=(6, 7, 2))), jnp.float32(rng.normal(size=(3, 3, 2, 4)))
    expected = jax.lax.conv_general_dilated(
        image[None], kernel, (1, 2), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )[0]  # fmt: skip
    ours = deform_conv2d(image, jnp.zeros((*expected.shape[:2], 1, 3, 3, 2)), kernel, stride=(1, 2), padding=1)
    contract.assert_close(ours, expected, atol=1e-4)


def test_deform_conv2d_equals_onnx():
    rng = np.random.default_rng(11)
    image, kernel = np.float32(rng.normal(size=(5, 6, 2))), np.float32(rng.normal(size=(2, 2, 2, 3)))
    offset = np.float32(rng.normal(size=(4, 5, 1, 2, 2, 2)))
    theirs = onnx_run(
        "DeformConv",
        {
            "X": np.moveaxis(image, -1, 0)[None],
            "W": np.transpose(kernel, (3, 2, 0, 1)),
            "offset": np.moveaxis(offset.reshape(4, 5, -1), -1, 0)[None],
        },
        kernel_shape=[2, 2],
        pads=[0, 0, 0, 0],
    )
    ours = deform_conv2d(jnp.array(image), jnp.array(offset), jnp.array(kernel))
    np.testing.assert_allclose(ours, np.moveaxis(theirs[0], 0, -1), atol=1e-4)


def test_deform_conv2d_laws(x64):
    arguments = torch_layout()
    few = {k: v[:2, :2] if k in ("offset", "mask") else v for k, v in arguments.items()}
    image, kernel = arguments["image"][:3, :4], arguments["weight"][:, :2]
    conv = lambda image, offset, mask: deform_conv2d(image, offset, kernel, mask=mask)  # noqa: E731
    offset, mask = few["offset"][:, :, :, :, :2], few["mask"][:, :, :, :, :2]
    offset, mask = (jnp.concatenate([part, part[:, :1]], 1) for part in (offset, mask))
    contract.derivatives_match(conv, image, offset, mask, order=1)
    whole = jax.jit(deform)
    contract.vmap_equals_loop(whole, *(jnp.stack([v, v / 2]) for v in arguments.values()))
    contract.lowers_everywhere(whole, *arguments.values())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grid_sample(jnp.zeros((2, 2)), jnp.zeros((3, 2))), r"'image' must have shape \(h, w, c\)"),
        (lambda: grid_sample(jnp.zeros((2, 2, 1)), jnp.zeros((3, 3))), r"'grid' must have shape .* got \(3, 3\)"),
        (lambda: grid_sample(jnp.zeros((2, 2, 1)), jnp.zeros((3, 2), jnp.int32)), "'grid' must be floating"),
        (lambda: grid_sample(jnp.zeros((2, 2, 1)), jnp.zeros(2), mode="cubic"), "'mode' must be one of .*'bicubic'"),
        (lambda: grid_sample(jnp.zeros((2, 2, 1)), jnp.zeros(2), padding="wrap"), "'padding' must be one of 'zeros'"),
        (lambda: bilinear_sample(jnp.zeros((0, 2, 1)), jnp.zeros(2)), "'image' must have pixels"),
        (lambda: bilinear_sample(jnp.zeros((2, 2, 1)), jnp.zeros(3)), r"'points' must have shape"),
        (lambda: crop_and_resize(jnp.zeros((2, 2, 1)), jnp.zeros((1, 4)), crop_size=0), "'crop_size' must be"),
        (lambda: crop_and_resize(jnp.zeros((2, 2, 1)), jnp.zeros((1, 5)), crop_size=1), "'boxes' must have shape"),
        (lambda: conv(image=(3, 3, 3), offset=(2, 2, 2, 2, 2, 2), weight=(2, 2, 3, 1)), "must divide the 3 channels"),
        (lambda: conv(image=(3, 3, 4), offset=(2, 2, 1, 2, 2, 2), weight=(2, 2, 3, 1)), "does not fit 4 image"),
        (lambda: conv(image=(3, 3, 4), offset=(3, 3, 1, 2, 2, 2), weight=(2, 2, 4, 1)), r"\(2, 2, 1, 2, 2, 2\)"),
        (lambda: conv(image=(3, 3, 4), offset=(2, 2, 1, 2, 2, 2), weight=(2, 2, 4, 1), mask=(2, 2, 1, 2, 3)), "'mask'"),
        (lambda: conv(image=(3, 3, 4), offset=(2, 2, 1, 2, 2, 2), weight=(2, 2, 4, 1), bias=(2,)), "'bias'"),
    ],
)  # fmt: skip
def test_messages(call, message, unchecked_types):
    with pytest.raises(ValueError, match=message):
        call()


def conv(image, offset, weight, **optional):
    return deform_conv2d(
        jnp.zeros(image), jnp.zeros(offset), jnp.zeros(weight), **{k: jnp.zeros(v) for k, v in optional.items()}
    )
