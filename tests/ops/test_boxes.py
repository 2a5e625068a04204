"""Layouts, areas, clipping and regression targets against the definition, torchvision (golden) and degenerate boxes."""

import itertools
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml.ops import boxes as op
from tests.ops import contract

TORCHVISION = np.load(Path(__file__).parent / "golden" / "boxes_torchvision.npz")
AXIS_ALIGNED, ROTATED = ("xyxy", "xywh", "cxcywh"), ("xywhr", "cxcywhr", "xyxyxyxy")
FORMATS = AXIS_ALIGNED + ROTATED


def golden(name):
    return jnp.asarray(TORCHVISION[name])


def in_format(name):
    """Five boxes with sides and angles that survive every round trip, in the named layout."""
    rng = np.random.default_rng(0)
    centre, sides = rng.uniform(-9, 9, (5, 2)), rng.uniform(1, 9, (5, 2))
    boxes = jnp.asarray(np.concatenate([centre, sides], 1), jnp.float32)
    if name in ROTATED:
        boxes = jnp.concatenate([boxes, jnp.asarray(rng.uniform(-170, 170, (5, 1)), jnp.float32)], 1)
    return op.box_convert(boxes, from_format="cxcywhr" if name in ROTATED else "cxcywh", to_format=name)


@pytest.mark.parametrize("to_format", ROTATED)
@pytest.mark.usefixtures("x64")
def test_rotated_layouts_equal_torchvision(to_format):
    rotated = golden("rotated")
    converted = op.box_convert(rotated, from_format="cxcywhr", to_format=to_format)
    contract.assert_close(converted, golden(f"rotated_{to_format}"), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("a", "b"), [pair for group in (AXIS_ALIGNED, ROTATED) for pair in itertools.product(group, group)]
)
def test_conversion_and_back_is_the_identity(a, b):
    boxes = in_format(a)
    there = op.box_convert(boxes, from_format=a, to_format=b)
    contract.assert_close(op.box_convert(there, from_format=b, to_format=a), boxes, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("a", "b"), list(itertools.product(AXIS_ALIGNED, ROTATED)))
def test_an_axis_aligned_box_is_a_rotated_one_with_angle_zero(a, b):
    boxes = in_format(a)
    there = op.box_convert(boxes, from_format=a, to_format=b)
    contract.assert_close(op.box_convert(there, from_format=b, to_format=a), boxes, rtol=1e-4, atol=1e-4)


def test_the_axis_aligned_box_of_a_rotated_one_encloses_its_corners():
    corners = in_format("xyxyxyxy")
    points = np.asarray(corners).reshape(-1, 4, 2)
    hull = op.box_convert(corners, from_format="xyxyxyxy", to_format="xyxy")
    contract.assert_close(hull, np.concatenate([points.min(1), points.max(1)], 1))


@pytest.mark.parametrize("a", FORMATS)
def test_conversion_is_finite_for_boxes_without_size(a):
    convert = lambda x: {b: op.box_convert(x, from_format=a, to_format=b) for b in FORMATS}  # noqa: E731
    contract.finite_everywhere(convert, jnp.zeros(op.convert.SIZES[a]))


@pytest.mark.usefixtures("x64")
def test_conversion_derivatives_are_right():
    boxes = in_format("cxcywhr")[0].astype(jnp.float64)
    for middle, last in (("xyxyxyxy", "cxcywhr"), ("xywhr", "xyxy")):

        def there_and_on(x, middle=middle, last=last):
            return op.box_convert(
                op.box_convert(x, from_format="cxcywhr", to_format=middle), from_format=middle, to_format=last
            )

        contract.hessian_matches(there_and_on, boxes)


@pytest.mark.parametrize("dtype", [jnp.int16, jnp.int32, jnp.uint8])
def test_integer_boxes_do_not_overflow(dtype):
    side = int(jnp.iinfo(dtype).max)
    boxes = jnp.array([[0, 0, side, side], [5, 5, 3, 7]], dtype)
    contract.assert_close(op.box_area(boxes), np.array([side**2, -4.0]), rtol=1e-6)
    contract.assert_close(op.box_area(boxes, pixel_offset=1), np.array([(side + 1) ** 2, -3.0]), rtol=1e-6)


def test_clip_equals_torchvision_and_takes_traced_sizes():
    boxes = golden("a").astype(jnp.float32)
    contract.assert_close(op.clip_boxes(boxes, height=6, width=4), golden("clipped").astype(jnp.float32))
    clipped = jax.jit(jax.vmap(lambda h, w: op.clip_boxes(boxes, height=h, width=w, pixel_offset=1)))
    first, second = clipped(jnp.array([7, 3]), jnp.array([5, 4]))
    contract.assert_close(first, op.clip_boxes(boxes, height=6, width=4))
    contract.assert_close(second, op.clip_boxes(boxes, height=2, width=3))


def test_small_boxes_are_those_torchvision_removes():
    boxes = golden("a").astype(jnp.float32)
    assert np.flatnonzero(~op.small_box_mask(boxes, min_size=4)).tolist() == TORCHVISION["large"].tolist()
    edge = jnp.array([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.0], [0.0, 0.0, jnp.nan, 9.0]])
    assert op.small_box_mask(edge, min_size=4).tolist() == [False, True, True]
    assert op.small_box_mask(edge, min_size=4, pixel_offset=1).tolist() == [False, False, True]


def test_mask_boxes_equal_torchvision_and_an_empty_mask_has_zeros():
    masks = golden("masks")
    contract.assert_close(op.masks_to_boxes(masks), golden("mask_boxes"))
    contract.assert_close(op.masks_to_boxes(masks.astype(jnp.float32) * 0.5), golden("mask_boxes"))
    contract.assert_close(op.masks_to_boxes(jnp.zeros((2, 4, 4))), np.zeros((2, 4)))
    assert op.masks_to_boxes(jnp.zeros((0, 4, 4))).shape == (0, 4)


@pytest.mark.usefixtures("x64")
def test_targets_equal_torchvision():
    boxes, anchors, weights = golden("a"), golden("a")[::-1], (10, 10, 5, 5)
    encoded = op.encode_boxes(boxes, anchors, weights=weights)
    contract.assert_close(encoded, golden("encoded"), rtol=1e-12, atol=1e-12)
    decoded = op.decode_boxes(golden("deltas"), anchors, weights=weights)
    contract.assert_close(decoded, golden("decoded"), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("pixel_offset", [0, 1])
def test_decoding_inverts_encoding(pixel_offset):
    boxes, anchors = golden("a").astype(jnp.float32), golden("a")[::-1].astype(jnp.float32)
    deltas = op.encode_boxes(boxes, anchors, pixel_offset=pixel_offset, weights=(2, 3, 4, 5))
    back = op.decode_boxes(deltas, anchors, pixel_offset=pixel_offset, weights=(2, 3, 4, 5))
    contract.assert_close(back, boxes, rtol=1e-4, atol=1e-4)


def test_legacy_targets_count_pixels():
    box, anchor = jnp.array([2, 3, 5, 10]), jnp.array([0, 0, 7, 3])  # 4 x 8 and 8 x 4 pixels
    expected = [(4 - 4) / 8, (7 - 2) / 4, math.log(0.5), math.log(2)]
    contract.assert_close(op.encode_boxes(box, anchor, pixel_offset=1), np.array(expected))


@pytest.mark.usefixtures("x64")
def test_target_derivatives_are_right():
    boxes, anchors = golden("a")[:3], golden("a")[3:6]
    contract.hessian_matches(op.encode_boxes, boxes, anchors)
    contract.gradients_match(op.decode_boxes, golden("deltas")[:3] * 0.1, anchors)


def test_targets_are_finite_without_area_and_for_wild_deltas():
    flat = jnp.array([[1.0, 1.0, 1.0, 5.0], [2.0, 2.0, 2.0, 2.0]])
    contract.finite_everywhere(jax.jit(op.encode_boxes), flat, flat[::-1], argnums=(0, 1))
    contract.finite_everywhere(jax.jit(op.decode_boxes), flat * 1e4, flat, argnums=(0, 1))


def test_laws_of_layouts_and_targets():
    boxes, deltas = golden("a").astype(jnp.float32), golden("deltas").astype(jnp.float32)
    for fn, args in (
        (lambda x: op.box_convert(x, from_format="xyxy", to_format="cxcywhr"), (boxes,)),
        (op.encode_boxes, (boxes, boxes[::-1])),
        (op.decode_boxes, (deltas, boxes)),
        (lambda x: op.clip_boxes(x, height=5, width=7), (boxes,)),
    ):
        contract.jit_equals_eager(fn, *args, atol=1e-4)
        contract.vmap_equals_loop(fn, *args, atol=1e-4)
        contract.lowers_everywhere(fn, *args)
        spoiled = fn(args[0].at[2].set(jnp.nan), *args[1:])
        assert np.isnan(np.asarray(spoiled)).any(-1).tolist() == [row == 2 for row in range(len(boxes))]
    contract.lowers_everywhere(op.masks_to_boxes, jnp.zeros((2, 3, 4)))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_is_computed_in_single(dtype):
    boxes = jnp.array([[100.0, 100.0, 1000.0, 1000.0]], dtype)
    deltas = op.encode_boxes(boxes, boxes)
    assert deltas.dtype == dtype
    contract.assert_close(op.decode_boxes(deltas, boxes), boxes)
    contract.assert_close(op.box_area(boxes.at[0, 2].set(150)), np.array([50 * 900.0]), rtol=2**-8)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda b: op.box_convert(b, from_format="xxyy", to_format="xywh"),
            "'from_format' must be one of 'xyxy'",
        ),
        (
            lambda b: op.box_convert(b, from_format="xyxy", to_format="corners"),
            "'to_format' must be one of 'xyxy'",
        ),
        (
            lambda b: op.box_convert(b, from_format="cxcywhr", to_format="xyxy"),
            r"'boxes' must have shape \(..., 5\), got \(3, 4\). 'cxcywhr' has 5 numbers",
        ),
        (lambda b: op.box_area(b[:, :3]), r"box_area: 'boxes' must have shape \(..., 4\), got \(3, 3\)"),
        (lambda b: op.box_area(b, pixel_offset=2), "'pixel_offset' must be one of 0, 1, got 2"),
        (lambda b: op.clip_boxes(b[:, :2], height=3, width=3), "clip_boxes: 'boxes' must have shape"),
        (lambda b: op.clip_boxes(b, height=3, width=3, pixel_offset=-1), "'pixel_offset' must be one of"),
        (lambda b: op.small_box_mask(b[:, :2], min_size=3), "small_box_mask: 'boxes' must have shape"),
        (lambda b: op.small_box_mask(b, min_size=3, pixel_offset=5), "'pixel_offset' must be one of"),
        (lambda b: op.masks_to_boxes(b[0]), r"'masks' must have shape \(..., h, w\), got \(4,\)"),
        (lambda b: op.masks_to_boxes(b[:, :0]), r"must have h, w >= 1, got \(3, 0\)"),
        (lambda b: op.encode_boxes(b, b[:1]), r"'anchors' must have shape \(3, 4\), got \(1, 4\)"),
        (lambda b: op.encode_boxes(b, b, pixel_offset=3), "'pixel_offset' must be one of"),
        (lambda b: op.decode_boxes(b[:, :1], b), r"'deltas' must have shape \(..., 4\), got \(3, 1\)"),
        (lambda b: op.decode_boxes(b, b[0]), r"'anchors' must have shape \(3, 4\), got \(4,\)"),
        (lambda b: op.decode_boxes(b, b, pixel_offset=3), "'pixel_offset' must be one of"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(jnp.zeros((3, 4)))
