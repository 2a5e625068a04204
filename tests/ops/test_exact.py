"""What floors and comparisons hang on: right by whole numbers, and the same for one box as for many."""

from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import ops
from jaxml.learn import bin_features
from jaxml.ops.exact import ceil_quotient, midpoint, power_of_two, quotient, round_half_away, share_edges
from tests.ops import contract, roi_reference

SIDES = np.arange(1, 201)


def boxes_along_x(low: np.ndarray, high: np.ndarray) -> jax.Array:
    return jnp.array(np.stack([low, 0 * low, high, 0 * low + 1], 1), jnp.float32)


@pytest.mark.parametrize("bins", [3, 14])
def test_pools_cut_bins_by_whole_numbers(bins):
    p = np.arange(bins)
    start, end = p * SIDES[:, None] // bins, -(-(p + 1) * SIDES[:, None] // bins)
    ramp = jnp.arange(256.0).reshape(1, 256, 1)
    largest = jax.jit(partial(ops.roi_pool, output_size=(1, bins)))
    inclusive = boxes_along_x(0 * SIDES, SIDES - 1).at[:, 3].set(0)
    for sign, expected in ((1, end - 1), (-1, -start)):
        np.testing.assert_array_equal(largest(sign * ramp, inclusive)[:, 0, :, 0], expected)
    contract.rows_stand_alone(partial(largest, ramp), inclusive[::40])
    mean = jax.jit(partial(ops.ps_roi_pool, output_size=(1, bins)))
    pooled = mean(jnp.repeat(ramp, bins, 2), boxes_along_x(0 * SIDES, SIDES))
    np.testing.assert_allclose(pooled[:, 0, :, 0], (start + end - 1) / 2, rtol=1e-6)


def test_a_bin_does_not_reach_into_the_next_pixel():
    row = jnp.zeros((1, 9, 1)).at[0, 7, 0].set(9.0)
    pool = jax.jit(partial(ops.roi_pool, row, output_size=(1, 3)))
    for boxes in (1, 2):
        np.testing.assert_array_equal(pool(jnp.array([[0.0, 0, 6, 0]] * boxes)), 0)


def test_adaptive_roi_align_counts_by_whole_numbers():
    features = np.random.default_rng(0).normal(size=(40, 40, 1))
    sides = np.arange(7, 36, 7)
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], 1).astype(float)
    pool = jax.jit(partial(ops.roi_align, output_size=7, sampling_ratio=0))
    expected = roi_reference.roi_align(features, boxes, (7, 7), ratio=0)
    features = jnp.array(features, jnp.float32)
    np.testing.assert_allclose(pool(features, jnp.array(boxes, jnp.float32)), expected, atol=1e-5)
    np.testing.assert_allclose(pool(features, jnp.array(boxes[2:3], jnp.float32)), expected[2:3], atol=1e-5)


@pytest.mark.parametrize("implementation", ["gather", "dense"])
def test_roi_align_takes_samples_on_the_border(implementation):
    size, k = 16, np.arange(1, 60)
    # Of 7 samples at odd fourteenths of the side, 14 k, the last lies on the far border or the first on the near one.
    low = np.concatenate([size - 13 * k, -1 - k])
    boxes = jnp.array(np.stack([low, 0 * low + 8, low + 14 * np.tile(k, 2), 0 * low + 8], 1) + 0.5, jnp.float32)
    pool = partial(ops.roi_align, output_size=(1, 7), sampling_ratio=1, implementation=implementation)
    pooled = np.asarray(jax.jit(pool)(jnp.ones((size, size, 1)), boxes))[:, 0, :, 0]
    np.testing.assert_array_equal(pooled[: len(k), -1], 1)
    np.testing.assert_array_equal(pooled[len(k) :, 0], 1)


@pytest.mark.parametrize("rows", [22, 83])
def test_crops_end_on_the_border(rows):
    crop = jax.jit(partial(ops.crop_and_resize, jnp.ones((31, 3, 1)), crop_size=(rows, 1)))
    for boxes in (1, 2):
        np.testing.assert_array_equal(crop(jnp.array([[0.0, 0, 1, 1]] * boxes)), 1)


def test_an_overlap_of_exactly_the_threshold_is_kept():
    pairs = np.array([(a, b) for b in range(2, 40) for a in range(1, b)])
    sides = jnp.array(pairs, jnp.float32)
    threshold = np.array([float(Fraction(int(a), int(b))) for a, b in pairs], np.float32)
    boxes = jnp.stack([0 * sides, 0 * sides + 3, sides, 0 * sides + 7], -1)  # [pairs, 2, 4], the shorter one first
    iou = jax.jit(jax.vmap(lambda pair: ops.box_iou(pair[:1], pair[1:])[0, 0]))(boxes)
    np.testing.assert_array_equal(iou, threshold)
    scores = jnp.array([0.5, 0.9])

    @jax.jit
    @jax.vmap
    def kept(pair, threshold):
        hard = ops.nms(pair, scores, iou_threshold=threshold)
        soft = ops.soft_nms(pair, scores, method="linear", iou_threshold=threshold)
        return hard.count, soft.scores[1]

    count, score = kept(boxes, jnp.array(threshold))
    np.testing.assert_array_equal(count, 2)
    np.testing.assert_array_equal(score, np.float32(0.5))
    count, score = kept(boxes, jnp.nextafter(jnp.array(threshold), 0))
    np.testing.assert_array_equal(count, 1)
    assert (score < 0.5).all()


def test_overlaps_of_whole_numbers_are_rounded_once():
    corners = np.random.default_rng(0).integers(0, 40, (60, 2, 2))
    boxes = np.concatenate([corners.min(1), corners.max(1) + 1], 1)
    a, b = boxes[:, None], boxes[None]
    inner = np.prod(np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0), -1)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], -1)
    expected = (inner / (area[:, None] + area[None] - inner)).astype(np.float32)
    boxes = jnp.array(boxes, jnp.float32)
    np.testing.assert_array_equal(jax.jit(ops.box_iou)(boxes, boxes), expected)
    contract.rows_stand_alone(jax.jit(lambda rows: ops.box_iou(rows, boxes)), boxes[:3])


def test_a_size_reaches_its_level_exactly():
    sizes = jnp.arange(1.0, 300)
    levels = jax.jit(lambda c: ops.box_levels(
        jnp.stack([0 * L, 0 * L, c * 2.0**L, c * 2.0**L], -1), min_level=0, max_level=6, canonical_size=c
    ))  # fmt: skip
    L = jnp.arange(-3.0, 4)
    np.testing.assert_array_equal(jax.vmap(levels)(sizes), np.broadcast_to([1, 2, 3, 4, 5, 6, 6], (299, 7)))


@pytest.mark.parametrize("low", [[-60000.0, -50000, -40000, 40000, 50000], [1, 2, 3, 4, 6]])
def test_thresholds_lie_between_their_neighbours(low):
    column = np.array(low, np.float16)
    edges = np.asarray(bin_features(jnp.array(column)[:, None], missing=False).edges[0], np.float64)[: len(low) - 1]
    middle = (column[1:].astype(float) + column[:-1]) / 2
    np.testing.assert_array_equal(edges, middle.astype(np.float16))


def test_the_arithmetic():
    whole = jnp.arange(3000)
    for parts in (1, 7, 49):
        start, end = jax.jit(share_edges, static_argnums=1)(whole, parts)
        p = np.arange(parts)
        np.testing.assert_array_equal(start, p * np.arange(3000)[:, None] // parts)
        np.testing.assert_array_equal(end, -(-(p + 1) * np.arange(3000)[:, None] // parts))
        number = np.arange(3000, dtype=np.float32)
        count = jax.jit(lambda n, parts=parts: ceil_quotient(n, parts))(number)
        np.testing.assert_array_equal(count, -(-np.arange(3000) // parts))
        exact = jax.jit(lambda n, parts=parts: quotient(n, parts))(number * np.float32(parts))
        np.testing.assert_array_equal(exact, np.arange(3000))
    largest = jax.jit(share_edges, static_argnums=1)(jnp.array([1 << 30]), 1000)[1]
    assert np.asarray(largest)[0, -1] == 1 << 30
    x = np.array([0.5, -0.5, 1.5, -2.5, 0.49999997, 8388609.0, 1e30, 0], np.float32)
    np.testing.assert_array_equal(jax.jit(round_half_away)(x), [1, -1, 2, -3, 0, 8388609, x[6], 0])
    ends = np.array([[3e38, 2e38], [-3e38, 3e38], [1, 2], [-np.inf, 1]], np.float32)
    np.testing.assert_array_equal(
        jax.jit(midpoint)(ends[:, 0], ends[:, 1]), np.array([2.5e38, 0, 1.5, -np.inf], np.float32)
    )
    lengths = np.array([1, 1.5, 1e-15, 1e30, 3e38, 0.1], np.float32)
    powers = np.asarray(jax.jit(power_of_two)(lengths))
    assert ((lengths * powers >= 1) & (lengths * powers < 4)).all()
    np.testing.assert_array_equal(np.frexp(powers)[0], 0.5)


def test_mirrored_samples_stand_alone():
    image = jnp.array(np.random.default_rng(0).normal(size=(58, 58, 1)), jnp.float32)
    grid = jnp.stack(
        [jnp.arange(1.0, 30) * 2 - 1, 0 * jnp.arange(1.0, 30)], -1
    )  # the border, after any number of folds
    slope = jax.jit(
        jax.vmap(jax.grad(lambda g: ops.grid_sample(image, g, padding="reflection", align_corners=True)[0]))
    )
    contract.rows_stand_alone(slope, grid[:6])
