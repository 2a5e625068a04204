"""Hard and soft NMS against scalar greedy references, torchvision (golden), and the laws of all ops."""

import functools
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxml.ops import nms, soft_nms
from tests.ops import contract

TORCHVISION = np.load(Path(__file__).parent / "golden" / "boxes_torchvision.npz")
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)


@functools.cache
def compiled(**static):
    """One compilation for all thresholds, masks and classes of one shape."""
    return jax.jit(
        lambda boxes, scores, threshold, **arrays: nms(boxes, scores, iou_threshold=threshold, **static, **arrays)
    )


def iou(a, b, offset=0):
    """IoU of one box with many, in float32 as the op computes it; 0 where both have no area."""
    sides = [np.minimum(a[k + 2], b[:, k + 2]) - np.maximum(a[k], b[:, k]) + offset for k in (0, 1)]
    inner = np.maximum(sides[0], 0) * np.maximum(sides[1], 0)
    area = (b[:, 2] - b[:, 0] + offset) * (b[:, 3] - b[:, 1] + offset)
    union = (a[2] - a[0] + offset) * (a[3] - a[1] + offset) + area - inner
    return np.where(union > 0, inner / np.where(union > 0, union, 1), 0)


def greedy(boxes, scores, threshold, offset=0, classes=None):
    """The definition: walk down the scores; a box still there is kept, and strikes out what it overlaps by more."""
    boxes, kept, left = np.asarray(boxes), [], np.ones(len(boxes), bool)
    for i in np.argsort(-np.asarray(scores), kind="stable"):
        if left[i]:
            kept.append(i)
            struck = iou(boxes[i], boxes, offset) > np.float32(threshold)
            left &= ~(struck if classes is None else struck & (classes == classes[i]))
    return kept


def survivors(result):
    indices, count, keep = (np.asarray(x) for x in result[:3])
    assert (indices[:count] >= 0).all()
    assert (indices[count:] == -1).all()
    assert sorted(indices[:count]) == np.flatnonzero(keep).tolist()
    return indices[:count].tolist()


def spread(n, seed=0):
    """Most boxes survive."""
    rng = np.random.default_rng(seed)
    centre, side = rng.uniform(0, 40 * math.sqrt(n), (n, 2)), rng.uniform(10, 50, (n, 2))
    boxes = np.concatenate([centre - side / 2, centre + side / 2], 1)
    return jnp.asarray(boxes, jnp.float32), jnp.asarray(rng.permutation(n) / n, jnp.float32)


def crowd(n, seed=0, clusters=12):
    """Few boxes survive."""
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, clusters, n)
    centre = rng.uniform(-300, 300, (clusters, 2))[cluster] + rng.normal(0, 4, (n, 2))
    side = rng.uniform(40, 90, (clusters, 2))[cluster] * rng.uniform(0.9, 1.1, (n, 2))
    boxes = np.concatenate([centre - side / 2, centre + side / 2], 1)
    return jnp.asarray(boxes, jnp.float32), jnp.asarray(rng.permutation(n) / n, jnp.float32)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_equals_torchvision_with_ties_and_with_classes(threshold):
    boxes, scores, classes = (jnp.asarray(TORCHVISION[f"nms_{k}"]) for k in ("boxes", "scores", "classes"))
    classes = classes.astype(jnp.int32)
    assert survivors(compiled()(boxes, scores, threshold)) == TORCHVISION[f"nms_{threshold}"].tolist()
    by_class = compiled()(boxes, scores, threshold, class_ids=classes)
    assert survivors(by_class) == TORCHVISION[f"nms_classes_{threshold}"].tolist()


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("data", [spread, crowd])
def test_equals_the_greedy_definition_over_several_blocks(data, threshold):
    boxes, scores = data(600)
    assert survivors(compiled()(boxes, scores, threshold)) == greedy(boxes, scores, threshold)


@pytest.mark.parametrize("n", [0, 1, 128, 129])
def test_every_size_around_a_block(n):
    boxes, scores = spread(n)
    assert survivors(compiled()(boxes, scores, 0.2)) == greedy(boxes, scores, 0.2)


@settings(max_examples=80, deadline=None)
@given(
    corners=st.lists(st.integers(-3, 3), min_size=48, max_size=48),
    scores=st.lists(st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0]), min_size=12, max_size=12),
    threshold=st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 1.0]),
    offset=st.sampled_from([0, 1]),
)
def test_degenerate_boxes_and_ties(corners, scores, threshold, offset):
    """Few distinct coordinates: identical, flat and touching boxes, IoUs exactly at the threshold, tied scores."""
    boxes = np.sort(np.array(corners, np.float32).reshape(12, 2, 2), axis=1).reshape(12, 4)
    result = compiled(pixel_offset=offset)(jnp.asarray(boxes), jnp.asarray(scores, jnp.float32), threshold)
    assert survivors(result) == greedy(boxes, scores, threshold, offset)


def test_a_chain_keeps_its_end():
    """A suppresses B, so B cannot suppress C, at a threshold other than one half."""
    boxes = jnp.array([[0.0, 0.0, 4.0, 1.0], [0.0, 0.0, 10.0, 1.0], [6.0, 0.0, 10.0, 1.0]])
    assert survivors(compiled()(boxes, jnp.array([0.9, 0.8, 0.7]), 0.3)) == [0, 2]
    assert survivors(compiled()(boxes, jnp.array([0.7, 0.9, 0.8]), 0.3)) == [1]


def test_a_long_chain_needs_as_many_rounds_as_it_has_links():
    n = 600
    left = jnp.arange(n, dtype=jnp.float32)
    boxes = jnp.stack([left, jnp.zeros(n), left + 2, jnp.ones(n)], axis=1)
    assert survivors(compiled()(boxes, -left, 0.3)) == list(range(0, n, 2))


def test_the_threshold_itself_does_not_suppress_and_identical_boxes_leave_the_first():
    for width, threshold in ((5, 0.5), (3, 0.3), (1, 0.1), (7, 0.7)):
        pair = jnp.array([[0, 0, 10, 1], [0, 0, width, 1]])
        assert survivors(compiled()(pair, jnp.array([0.9, 0.8]), threshold)) == [0, 1]
        assert survivors(compiled()(pair, jnp.array([0.9, 0.8]), threshold - 1e-3)) == [0]
    same = jnp.tile(jnp.array([[1.0, 1.0, 2.0, 3.0]]), (10, 1))
    assert survivors(compiled()(same, jnp.ones(10), 0.5)) == [0]
    assert survivors(compiled()(same[:, :1] * jnp.ones((1, 4)), jnp.ones(10), 0.5)) == list(range(10))


def test_negative_coordinates_with_many_classes():
    """Where the trick of shifting each class by an offset fails."""
    boxes, scores = crowd(600)
    classes = np.random.default_rng(1).integers(0, 10_000, 600)
    expected = greedy(boxes - 1e5, scores, 0.5, classes=classes)
    assert survivors(compiled()(boxes - 1e5, scores, 0.5, class_ids=jnp.asarray(classes, jnp.int32))) == expected
    everyone = jnp.zeros(600, jnp.int32)
    alone = survivors(compiled()(boxes, scores, 0.5))
    assert survivors(compiled()(boxes, scores, 0.5, class_ids=everyone)) == alone


@pytest.mark.parametrize("max_outputs", [0, 200, 700])
def test_max_outputs_are_the_best_of_all(max_outputs):
    boxes, scores = spread(600)
    result = compiled(max_outputs=max_outputs)(boxes, scores, 0.5)
    assert result.indices.shape == (max_outputs,)
    assert survivors(result) == greedy(boxes, scores, 0.5)[:max_outputs]


def test_score_threshold_is_strict_and_nan_scores_are_no_candidates():
    boxes = jnp.array([[0, 0, 1, 1], [2, 0, 3, 1], [4, 0, 5, 1], [4, 0, 5, 1]])
    scores = jnp.array([0.5, 0.6, jnp.nan, 0.1])
    assert survivors(compiled(score_threshold=0.5)(boxes, scores, 0.5)) == [1]
    assert survivors(compiled()(boxes, scores, 0.5)) == [1, 0, 3]
    infinite = jnp.array([jnp.inf, -jnp.inf, -1.0, 1.0])
    assert survivors(compiled()(boxes, infinite, 0.5)) == [0, 3, 1]


def test_padding_and_nan_boxes_change_nothing():
    boxes, scores = crowd(600)
    real = np.arange(600) % 2 == 0
    expected = (2 * np.array(greedy(boxes[real], scores[real], 0.5))).tolist()
    masked = compiled()(boxes, jnp.where(real, scores, 2), 0.5, mask=jnp.asarray(real))
    assert survivors(masked) == expected
    broken = compiled()(jnp.where(real[:, None], boxes, jnp.nan), scores, 0.5)
    assert [i for i in survivors(broken) if real[i]] == expected
    assert broken.keep[~real].all()
    assert survivors(compiled()(boxes, scores, 0.5, mask=jnp.zeros(600, bool))) == []


def test_permuting_boxes_permutes_survivors():
    boxes, scores = crowd(600)
    order = np.random.default_rng(2).permutation(600)
    shuffled = survivors(compiled()(boxes[order], scores[order], 0.4))
    assert order[shuffled].tolist() == survivors(compiled()(boxes, scores, 0.4))


@pytest.mark.usefixtures("x64")
def test_double_precision_and_integers_keep_their_digits():
    boxes = jnp.array([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.5 + 1e-12]])
    scores = jnp.array([1.0, 1.0 + 1e-12])
    assert survivors(compiled()(boxes, scores, 0.5)) == [1]
    assert survivors(compiled()(boxes, scores, 0.5 + 1e-9)) == [1, 0]
    big = jnp.array([[0, 0, 2**31 - 1, 2**31 - 1], [0, 0, 2**31 - 1, 2**30]], jnp.int32)
    assert survivors(compiled()(big, scores, 0.6)) == [1, 0]


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_equals_single_precision_of_the_same_numbers(dtype):
    boxes, scores = crowd(600)
    boxes, scores = boxes.astype(dtype), scores.astype(dtype)
    single = compiled()(boxes.astype(jnp.float32), scores.astype(jnp.float32), 0.5)
    assert survivors(compiled()(boxes, scores, 0.5)) == survivors(single)


def test_more_boxes_than_a_half_word_counts():
    """Past 2^16 boxes the order comes from another sort; a sharp score threshold keeps the case cheap."""
    n = (1 << 16) + 10
    boxes, scores = spread(n)
    result = compiled(score_threshold=0.995)(boxes, scores, 0.3)
    best = np.flatnonzero(np.asarray(scores) > np.float32(0.995))
    assert survivors(result) == best[greedy(np.asarray(boxes)[best], np.asarray(scores)[best], 0.3)].tolist()


def test_laws_of_hard_nms():
    batch = [np.stack(x) for x in zip(crowd(300, 0), spread(300, 1), strict=True)]
    batch.append(np.array([0.3, 0.7], np.float32))

    def one(boxes, scores, threshold):
        return nms(boxes, scores, iou_threshold=threshold, class_ids=jnp.arange(300) % 2)

    contract.vmap_equals_loop(one, *batch)
    contract.lowers_everywhere(one, *[x[0] for x in batch])
    few = [jnp.array(x[0, :10]) for x in batch[:2]]
    contract.jit_equals_eager(lambda b, s: nms(b, s, iou_threshold=0.5), *few)


def test_memory_is_linear_in_the_number_of_boxes():
    def temporary(n):
        arguments = jnp.zeros((n, 4)), jnp.zeros(n), 0.5
        return compiled().lower(*arguments).compile().memory_analysis().temp_size_in_bytes

    small, large = temporary(5_000), temporary(20_000)
    assert large < 5 * small
    assert large < 20_000 * 256


def test_a_gradient_passes_by_the_choice():
    boxes, scores = crowd(64)

    def best(boxes, scores):
        result = nms(boxes, scores, iou_threshold=0.5, max_outputs=8)
        return jnp.where(result.indices >= 0, scores[result.indices], 0).sum()

    gradient = jax.jit(jax.grad(best, 1))(boxes, scores)
    kept = compiled(max_outputs=8)(boxes, scores, 0.5).indices
    assert np.asarray(gradient).sum() == (np.asarray(kept) >= 0).sum()


def soft_reference(boxes, scores, method, threshold, sigma, least, classes=None):
    """The definition: pick the best, decay the rest, drop what falls below `least`, until nothing is left."""
    boxes, current = np.asarray(boxes, np.float64), np.array(scores, np.float64)
    left, picked = set(range(len(boxes))), []
    while left := {i for i in left if current[i] >= least}:
        best = max(left, key=lambda i: (current[i], -i))
        picked.append((best, current[best]))
        left.remove(best)
        for i in left:
            overlap = iou(boxes[best], boxes[i : i + 1])[0]
            if classes is None or classes[i] == classes[best]:
                linear = 1 - overlap if overlap > threshold else 1
                current[i] *= linear if method == "linear" else math.exp(-(overlap**2) / sigma)
    return picked


@functools.cache
def compiled_soft(method, **static):
    return jax.jit(lambda boxes, scores, **traced: soft_nms(boxes, scores, method=method, **static, **traced))


@pytest.mark.parametrize("method", ["linear", "gaussian"])
@pytest.mark.parametrize(("threshold", "sigma", "least"), [(0.3, 0.5, 1e-3), (0.6, 0.1, 0.2)])
def test_soft_equals_the_definition(method, threshold, sigma, least):
    boxes, scores = crowd(90)
    classes = jnp.arange(90) % 3
    traced = {"iou_threshold": threshold, "sigma": sigma, "min_score": least}
    for ids in (jnp.zeros_like(classes), classes):
        result = compiled_soft(method)(boxes, scores, class_ids=ids, **traced)
        expected = soft_reference(boxes, scores, method, threshold, sigma, least, np.asarray(ids))
        assert survivors(result) == [i for i, _ in expected]
        contract.assert_close(result.scores[: len(expected)], np.array([s for _, s in expected]))
        assert not result.scores[len(expected) :].any()


def test_soft_outputs_padding_and_nan_rows():
    boxes, scores = crowd(12)
    soft = jax.jit(soft_nms, static_argnames="max_outputs")
    whole = soft(boxes, scores)
    first = soft(boxes, scores, max_outputs=4)
    assert survivors(first) == survivors(whole)[:4]
    assert soft(boxes, scores, max_outputs=20).scores.shape == (20,)
    assert survivors(soft(np.asarray(boxes)[:0], np.asarray(scores)[:0])) == []
    apart = jnp.array([[0.0, 0.0, 1.0, 1.0], [5.0, 0.0, 6.0, 1.0]])
    assert survivors(soft(apart, jnp.array([0.5, 0.25]), min_score=0.25)) == [0, 1]  # not below it
    assert survivors(soft(boxes, scores, mask=np.arange(12) < 0)) == []

    def total(boxes, scores, mask):
        return soft_nms(boxes, scores, mask=mask).scores.sum()

    padded = [np.concatenate([x, np.full((2, *x.shape[1:]), np.nan, np.float32)]) for x in (boxes, scores)]
    mask = np.arange(14) < 12
    plain = jax.jit(jax.grad(total, (0, 1)))(boxes, scores, mask[:12])
    spoiled = [np.asarray(g) for g in jax.jit(jax.grad(total, (0, 1)))(*padded, mask)]
    contract.assert_close([g[:12] for g in spoiled], list(plain))
    assert not any(np.asarray(g[12:]).any() for g in spoiled)
    # A NaN box that is a candidate is kept, and meets nobody.
    broken = np.where(np.arange(12)[:, None] == 3, np.float32(np.nan), boxes)
    others = soft(boxes, scores, mask=np.arange(12) != 3)
    result = soft(broken, scores)
    assert [i for i in survivors(result) if i != 3] == survivors(others)
    assert np.isfinite(result.scores).all()


@pytest.mark.parametrize("method", ["linear", "gaussian"])
@pytest.mark.usefixtures("x64")
def test_soft_derivatives_are_right(method):
    boxes, scores = (x.astype(jnp.float64) for x in crowd(5, clusters=1))
    decayed = jax.jit(lambda b, s: soft_nms(b, s, method=method, min_score=0).scores)
    if method == "linear":
        contract.derivatives_match(decayed, boxes, scores + 0.3, order=1)
    else:
        contract.hessian_matches(decayed, boxes, scores + 0.3)


@pytest.mark.parametrize("method", ["linear", "gaussian"])
def test_soft_is_finite_for_identical_and_flat_boxes(method):
    boxes = jnp.array([[0, 0, 1, 1], [0, 0, 1, 1], [1, 0, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1]], jnp.float32)
    both = lambda b, s: soft_nms(b, s, method=method, min_score=0).scores  # noqa: E731
    contract.finite_everywhere(jax.jit(both), boxes, jnp.array([0.5, 0.5, 0.0, 1.0, 1.0]), argnums=(0, 1))


def test_laws_of_soft_nms():
    batch = [np.stack(x) for x in zip(crowd(12, 0), spread(12, 1), strict=True)]
    contract.vmap_equals_loop(soft_nms, *batch)
    contract.lowers_everywhere(soft_nms, *[x[0] for x in batch])
    contract.jit_equals_eager(soft_nms, *[jnp.array(x[0]) for x in batch])
    half = jax.eval_shape(soft_nms, *[x[0].astype(jnp.bfloat16) for x in batch])
    assert half.scores.dtype == jnp.bfloat16


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("op", [functools.partial(nms, iou_threshold=0.5), soft_nms])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": jnp.zeros((3, 5))}, r"'boxes' must have shape \(n, 4\) with n=3, got \(3, 5\)"),
        ({"scores": jnp.zeros(2)}, r"'scores' must have shape \(n,\) with n=3, got \(2,\)"),
        ({"scores": jnp.zeros(3, jnp.int32)}, "'scores' must be floating, got int32"),
        ({"class_ids": jnp.zeros(4, jnp.int32)}, r"'class_ids' must have shape \(n,\) with n=3, got \(4,\)"),
        ({"mask": jnp.ones(2, bool)}, r"'mask' must have shape \(n,\) with n=3, got \(2,\)"),
        ({"mask": jnp.ones(3)}, "'mask' must be bool, got float32. Use mask != 0."),
        ({"max_outputs": -1}, "'max_outputs' must be an int >= 0, got -1. It is a shape"),
        ({"max_outputs": 2.0}, "'max_outputs' must be an int >= 0, got 2.0"),
        ({"pixel_offset": 2}, "'pixel_offset' must be one of 0, 1, got 2"),
    ],
)
def test_mistakes_are_named(op, change, message):
    arguments = {"boxes": jnp.zeros((3, 4)), "scores": jnp.zeros(3)} | change
    with pytest.raises(ValueError, match=message):
        op(**arguments)


@pytest.mark.usefixtures("unchecked_types")
def test_an_unknown_method_is_named():
    with pytest.raises(ValueError, match="'method' must be one of 'linear', 'gaussian', got 'cubic'"):
        soft_nms(jnp.zeros((3, 4)), jnp.zeros(3), method="cubic")
