"""The rule of `jaxml.ops` for boxes and what is sampled in them: finite for every finite box, right where it fits."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import ops
from jaxml.ops.boxes.convert import BoxFormat
from tests.ops.test_range import DRAWS, derivatives, draws

IMAGE = jnp.array(np.random.default_rng(0).normal(size=(5, 4, 4)), jnp.float32)
SCORES = jnp.array([0.9, 0.8, 0.7])
LAYOUTS: list[tuple[BoxFormat, BoxFormat]] = [
    ("xyxy", "cxcywh"),
    ("cxcywh", "xywh"),
    ("xywh", "cxcywhr"),
    ("cxcywhr", "xyxy"),
    ("xyxyxyxy", "cxcywhr"),
]


def sampled(op, **options):
    return lambda points: op(IMAGE.astype(points.dtype), points, **options)


PAIRS = {
    "giou_loss": ops.giou_loss,
    "ciou_loss": ops.ciou_loss,
    "encode_boxes": functools.partial(ops.encode_boxes, weights=(10, 10, 5, 5)),
    "decode_boxes": ops.decode_boxes,
    "box_iou": functools.partial(ops.box_iou, pixel_offset=1),
}
SINGLE = {
    "box_area": ops.box_area,
    "clip_boxes": functools.partial(ops.clip_boxes, height=5, width=7),
    "soft_nms": lambda boxes: ops.soft_nms(boxes, SCORES.astype(boxes.dtype)).scores,
}
POOLS = {
    "roi_align": sampled(ops.roi_align, output_size=2),
    "roi_align dense": sampled(ops.roi_align, output_size=2, sampling_ratio=0, aligned=False),
    "prroi_pool": sampled(ops.prroi_pool, output_size=2),
    "roi_pool": sampled(ops.roi_pool, output_size=2, spatial_scale=8.0),
    "crop_and_resize": sampled(ops.crop_and_resize, crop_size=3),
    "border": lambda p: ops.grid_sample(IMAGE.astype(p.dtype), p.reshape(-1, 2), padding="border"),
    "reflection": lambda p: ops.grid_sample(IMAGE.astype(p.dtype), p.reshape(-1, 2), padding="reflection"),
}
CONVERTED = {f"{a} to {b}": functools.partial(ops.box_convert, from_format=a, to_format=b) for a, b in LAYOUTS}
WIDTHS = {"xyxy": 4, "xywh": 4, "cxcywh": 4, "cxcywhr": 5, "xyxyxyxy": 8}
SHAPES = (
    dict.fromkeys(PAIRS, ((3, 4), (3, 4)))
    | dict.fromkeys([*SINGLE, *POOLS], ((3, 4),))
    | {name: ((2, WIDTHS[name.split()[0]]),) for name in CONVERTED}
)
GROUPS = {
    "boxes, twice": (PAIRS | {"xyxyxyxy to cxcywhr": CONVERTED["xyxyxyxy to cxcywhr"]}, jnp.float32, 2),
    "boxes": (SINGLE | CONVERTED, jnp.float32, 1),  # rotated_box_iou, a large program: in test_boxes_overlap.py
    "half": ({name: (PAIRS | SINGLE)[name] for name in ("giou_loss", "encode_boxes", "box_area")}, jnp.float16, 1),
    "pools": (POOLS, jnp.float32, 1),
}


@pytest.mark.parametrize("group", GROUPS)
def test_finite_for_every_finite_box(group):
    fns, dtype, order = GROUPS[group]
    arguments = {name: [draws(shape, dtype, seed=k) for k, shape in enumerate(SHAPES[name])] for name in fns}

    @jax.jit
    def everything(arguments):
        return {name: jax.vmap(functools.partial(derivatives, fn, order))(*arguments[name]) for name, fn in fns.items()}

    failed = [
        (name, what)
        for name, result in everything(arguments).items()
        for what, tree in result.items()
        if not all(np.isfinite(np.asarray(leaf, np.float64)).all() for leaf in jax.tree.leaves(tree))
    ]
    assert not failed, failed


def boxes_of_every_size(n, *, low, high):
    """Boxes within one another's reach, of one size or of mixed ones, with copies: [DRAWS, n, 4] and exact."""
    rng = np.random.default_rng(0)
    size = np.exp2(rng.uniform(low, high, (DRAWS, n, 1)))
    size[::2] = np.exp2(rng.uniform(low, high, (DRAWS // 2, 1, 1)))
    corners = rng.uniform(-1, 1, (DRAWS, n, 2, 2)) * size[..., None]
    boxes = np.concatenate([corners.min(2), corners.max(2)], -1)
    boxes[:, n // 2 :: 2] = boxes[:, : len(range(n // 2, n, 2))]
    boxes = boxes.astype(np.float32)
    return jnp.array(boxes), boxes.astype(np.float64)


def overlaps(boxes):
    a, b = boxes[:, None], boxes[None]
    inner = np.prod(np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0), -1)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], -1)
    return inner / (area[:, None] + area[None] - inner)


def test_overlaps_are_right_at_every_size():
    boxes, exact = boxes_of_every_size(6, low=-40, high=127.9)
    found = jax.jit(jax.vmap(lambda b: ops.box_iou(b, b)))(boxes)
    np.testing.assert_allclose(found, [overlaps(b) for b in exact], rtol=2e-5, atol=1e-8)


def test_nms_is_right_at_every_size():
    """Also where areas would vanish or overflow, beside boxes 2^100 times as large."""
    _, exact = boxes_of_every_size(8, low=-50, high=60.9)
    exact = exact * np.exp2(np.linspace(-60, 67, DRAWS).round())[:, None, None]
    boxes = jnp.array(exact, jnp.float32)
    scores = jnp.linspace(1, 0, 8)
    keep = jax.jit(jax.vmap(lambda b: ops.nms(b, scores, iou_threshold=0.3).keep))(boxes)
    for found, iou in zip(np.asarray(keep), map(overlaps, exact), strict=True):
        expected = np.zeros(8, bool)
        for i in range(8):
            expected[i] = not (expected & (iou[i] > 0.3)).any()
        np.testing.assert_array_equal(found, expected)
    huge = jnp.array([[-3e38, -3e38, 3e38, 3e38]] * 8)
    np.testing.assert_array_equal(
        jax.jit(lambda b: ops.nms(b, scores, iou_threshold=0.5).keep)(huge), np.arange(8) == 0
    )
    np.testing.assert_array_equal(jax.jit(ops.box_iou)(huge, huge), 1)
    centre = jax.jit(functools.partial(ops.box_convert, from_format="xyxy", to_format="cxcywh"))(huge)
    np.testing.assert_allclose(np.asarray(centre)[:, :2], 0)


def test_sizes_choose_their_level_where_areas_overflow():
    sides = np.array([[1e30, 1e-30], [3e38, 1e-36], [1e30, 1e30], [1e-30, 1e-30]], np.float32)
    boxes = np.concatenate([0 * sides, sides], 1)
    choose = jax.jit(functools.partial(ops.box_levels, min_level=0, max_level=5, canonical_level=1))
    levels = choose(boxes, canonical_size=1.0)
    np.testing.assert_array_equal(levels, [1, 5, 5, 0])
    for side in (1e30, 1e-30):
        boxes = np.array([[0.0, 0.0, 1.1, 1.1], [0.0, 0.0, 2.1, 2.1]] * 2, np.float32) * np.float32(side)
        levels = choose(boxes, canonical_size=side)
        np.testing.assert_array_equal(levels, [1, 2] * 2)


def test_far_corners_still_reach_the_map():
    huge = jnp.array([[-3e38, -3e38, 3e38, 3e38]])
    ones = jnp.ones((4, 4, 1))
    align = jax.jit(functools.partial(ops.roi_align, output_size=3, sampling_ratio=1))
    pooled = align(ones, huge)[0, :, :, 0]
    np.testing.assert_array_equal(pooled, np.eye(3)[1][:, None] * np.eye(3)[1])
    far = jnp.array([[2.0**30, 0.0, 2.0**30 + 128, 1.0]])  # two neighbours among float32 numbers, and four bins
    np.testing.assert_array_equal(jax.jit(functools.partial(ops.prroi_pool, output_size=(1, 4)))(ones, far), 0)
    border = jax.jit(functools.partial(ops.grid_sample, padding="border"))
    np.testing.assert_array_equal(border(ones, jnp.array([[3e38, -3e38]])), 1)
