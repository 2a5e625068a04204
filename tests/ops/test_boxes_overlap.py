"""The IoU family and its losses against scalar definitions, torchvision (golden), and degenerate boxes."""

import functools
import math
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxml.ops import boxes as op
from tests.ops import contract
from tests.ops.test_range import draws

TORCHVISION = np.load(Path(__file__).parent / "golden" / "boxes_torchvision.npz")
# Compiled once per shape: called eagerly, each of their operations would be compiled alone.
PAIRWISE = {
    name: jax.jit(getattr(op, name))
    for name in ("box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou")
}
LOSSES = {name: jax.jit(getattr(op, name)) for name in ("giou_loss", "diou_loss", "ciou_loss")}
rotated_box_iou = jax.jit(op.rotated_box_iou)
LOSS_OF = {
    "giou_loss": "generalized_box_iou",
    "diou_loss": "distance_box_iou",
    "ciou_loss": "complete_box_iou",
}


def golden(name, dtype=jnp.float32):
    return jnp.asarray(TORCHVISION[name], dtype)


def reference(name, a, b, offset=0):
    """One member of the family for one pair, in Python numbers, from its definition."""
    w = max(min(a[2], b[2]) - max(a[0], b[0]) + offset, 0)
    h = max(min(a[3], b[3]) - max(a[1], b[1]) + offset, 0)
    area_a, area_b = ((x[2] - x[0] + offset) * (x[3] - x[1] + offset) for x in (a, b))
    union = area_a + area_b - w * h
    iou = w * h / union if union else 0.0
    if name == "box_iou":
        return iou
    hull_w, hull_h = max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1])
    if name == "generalized_box_iou":
        return iou - ((hull_w * hull_h - union) / (hull_w * hull_h) if hull_w * hull_h else 0.0)
    distance = ((a[0] + a[2] - b[0] - b[2]) ** 2 + (a[1] + a[3] - b[1] - b[3]) ** 2) / 4
    diagonal = hull_w**2 + hull_h**2
    diou = iou - (distance / diagonal if diagonal else 0.0)
    if name == "distance_box_iou":
        return diou
    angles = [math.atan2(x[2] - x[0], x[3] - x[1]) for x in (a, b)]
    v = (2 / math.pi * (angles[0] - angles[1])) ** 2
    return diou - (v * v / (1 - iou + v) if v else 0.0)


def table(name, a, b, offset=0):
    return np.array([[reference(name, x, y, offset) for y in b.tolist()] for x in a.tolist()])


@pytest.mark.parametrize("name", PAIRWISE)
def test_pairs_equal_definition_and_torchvision(name):
    a, b = golden("a"), golden("b")
    value = PAIRWISE[name](a, b)
    contract.assert_close(value, table(name, a, b), atol=1e-5)
    contract.assert_close(value, golden(f"{name}_float32"), atol=1e-5)


@pytest.mark.parametrize("name", PAIRWISE)
@pytest.mark.usefixtures("x64")
def test_pairs_equal_torchvision_in_double_precision(name):
    a, b = golden("a", jnp.float64), golden("b", jnp.float64)
    # torchvision adds 1e-7 to two denominators of the distance and the complete form.
    tolerance = 1e-12 if name in ("box_iou", "generalized_box_iou") else 1e-7
    value = PAIRWISE[name](a, b)
    contract.assert_close(value, golden(f"{name}_float64", jnp.float64), rtol=1e-12, atol=tolerance)
    contract.assert_close(value, table(name, a, b), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.usefixtures("x64")
def test_losses_equal_torchvision_in_value_and_gradient(name):
    predictions, targets = golden("a", jnp.float64)[4:9], golden("b", jnp.float64)[4:9]
    # torchvision's complete form adds 1e-7 to the denominator of alpha, whatever eps it is given.
    rtol = 1e-7 if name == "ciou_loss" else 1e-12
    value = LOSSES[name](predictions, targets)
    contract.assert_close(value, golden(name, jnp.float64), rtol=rtol, atol=1e-12)
    gradient = jax.jit(jax.grad(lambda p: LOSSES[name](p, targets).sum()))(predictions)
    contract.assert_close(gradient, golden(f"{name}_gradient", jnp.float64), rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_one_minus_the_diagonal_of_the_pairs(name):
    a, b = np.asarray(golden("a"))[:9], np.asarray(golden("b"))
    contract.assert_close(LOSSES[name](a, b), 1 - np.diagonal(PAIRWISE[LOSS_OF[name]](a, b)))
    contract.assert_close(LOSSES[name](a.reshape(3, 3, 4), b.reshape(3, 3, 4)).ravel(), LOSSES[name](a, b))


@pytest.mark.parametrize("dtype", [jnp.int16, jnp.int32, jnp.int64])
@pytest.mark.usefixtures("x64")
def test_integer_conformance_matrix(dtype):
    a = np.array([[0, 0, 100, 100], [0, 0, 50, 50], [200, 200, 300, 300], [0, 0, 25, 25]], dtype)
    expected = [[1, 0.25, 0], [0.25, 1, 0], [0, 0, 1], [0.0625, 0.25, 0]]
    contract.assert_close(PAIRWISE["box_iou"](a, a[:3]), np.array(expected), rtol=0, atol=0)


def test_large_integers_do_not_overflow():
    big = jnp.array([[0, 0, 32767, 32767], [0, 0, 32767, 16383]], jnp.int16)
    contract.assert_close(np.asarray(PAIRWISE["box_iou"](big, big))[0], np.array([1, 16383 / 32767]))


@pytest.mark.parametrize("loss", [op.diou_loss, op.ciou_loss])
def test_loss_conformance_values(loss):
    box = jnp.array([-1.0, -1.0, 1.0, 1.0])
    contract.assert_close(op.giou_loss(box, jnp.array([0.0, 0.0, 1.0, 1.0])), 0.75)
    contract.assert_close(loss(box, jnp.array([1.0, 1.0, 2.0, 2.0])), 1.25)
    contract.assert_close(loss(box, box), 0.0, atol=0)


def test_pixel_offset_counts_pixels():
    a, b = jnp.array([[0, 0, 3, 3], [5, 5, 5, 5]]), jnp.array([[2, 0, 5, 3], [5, 5, 5, 5]])
    contract.assert_close(op.box_iou(a, b, pixel_offset=1), table("box_iou", a, b, 1))
    assert op.box_iou(a, b, pixel_offset=1)[1, 1] == 1


def test_boxes_without_area():
    flat = np.array([[1, 1, 1, 1], [1, 1, 1, 3], [0, 2, 2, 2]], np.float32)
    iou, generalized, distance = (PAIRWISE[name](flat, flat) for name in list(PAIRWISE)[:3])
    assert not np.any(iou)
    assert np.asarray(generalized)[0, 0] == 0
    contract.assert_close(distance, table("distance_box_iou", flat, flat))


@pytest.mark.parametrize("scale", [1e-15, 1e-6, 1.0, 1e6, 1e30])
def test_iou_has_no_scale_and_the_own_iou_is_exactly_one(scale):
    boxes = np.asarray(golden("a"))
    scaled = boxes * np.float32(scale)
    for name, function in PAIRWISE.items():
        assert (np.diagonal(function(scaled, scaled)) == 1).all()
        contract.assert_close(function(scaled, scaled), PAIRWISE[name](boxes, boxes), rtol=1e-4, atol=1e-5)


@functools.cache
def all_derivatives(name):
    """Value, gradient and the gradient's own derivative, of one op on four boxes each, compiled once."""
    function = (PAIRWISE | LOSSES | {"rotated_box_iou": rotated_box_iou})[name]

    def total(a, b):
        return function(a, b).sum()

    def derivatives(a, b):
        first, second = jax.jvp(jax.grad(total, (0, 1)), (a, b), (jnp.ones_like(a), jnp.ones_like(b)))
        return function(a, b), first, second

    return jax.jit(derivatives)


COORDINATES = st.sampled_from([-3e30, -1e18, -2.0, -1e-6, -1e-30, 0.0, 1e-40, 1e-12, 1.0, 1.0000001, 3.0, 1e9, 1e30])


# The others are terms of these.
@pytest.mark.parametrize("name", ["generalized_box_iou", "complete_box_iou", "giou_loss", "ciou_loss"])
@settings(max_examples=60, deadline=None)
@given(values=st.lists(COORDINATES, min_size=32, max_size=32))
def test_all_derivatives_are_finite_for_any_boxes(name, values):
    corners = np.sort(np.array(values, np.float32).reshape(2, 4, 2, 2), axis=2).reshape(2, 4, 4)
    chex.assert_tree_all_finite(all_derivatives(name)(jnp.asarray(corners[0]), jnp.asarray(corners[1])))


@pytest.mark.parametrize("name", ["box_iou", *LOSSES])  # the losses share the pairs' arithmetic
@pytest.mark.usefixtures("x64")
def test_derivatives_are_right_away_from_kinks(name):
    a, b = golden("a", jnp.float64)[4:7], golden("b", jnp.float64)[4:7]
    # The complete form stops a gradient by definition, so differences would not meet it: compare the modes.
    if name == "ciou_loss":
        total = lambda x: (PAIRWISE | LOSSES)[name](x, b).sum()  # noqa: E731
        forward, reverse = (jax.jit(jac(jax.grad(total)))(a) for jac in (jax.jacfwd, jax.jacrev))
        contract.assert_close(forward, reverse, rtol=1e-9, atol=1e-9)
    else:
        contract.hessian_matches((PAIRWISE | LOSSES)[name], a, b)


@pytest.mark.parametrize("name", [*PAIRWISE, *LOSSES, "rotated_box_iou"])
def test_laws(name):
    function = (PAIRWISE | LOSSES | {"rotated_box_iou": rotated_box_iou})[name]
    a, b = golden("a")[4:8], golden("b")[4:8]
    if name == "rotated_box_iou":
        a, b = (op.box_convert(x, from_format="xyxy", to_format="cxcywhr") for x in (a, b))
        b = b.at[:, 4].add(30)
    contract.jit_equals_eager(getattr(op, name), a, b)
    contract.vmap_equals_loop(function, jnp.stack([a, b]), jnp.stack([b, a]))
    contract.lowers_everywhere(function, a, b)
    a, b = (np.array(x) for x in (a, b))
    clean, spoiled = (
        np.asarray(function(x, b)) for x in (a, np.where(np.arange(4)[:, None] == 1, np.float32(np.nan), a))
    )
    untouched = np.array([0, 2, 3])
    contract.assert_close(spoiled[untouched], clean[untouched])
    half = function(a.astype(jnp.bfloat16), b.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    exact = function(a.astype(jnp.bfloat16).astype(np.float32), b.astype(jnp.bfloat16).astype(np.float32))
    contract.assert_close(half, exact, rtol=2**-8, atol=2**-8)


@pytest.mark.parametrize("name", [*PAIRWISE, "rotated_box_iou"])
def test_no_boxes_give_no_pairs(name):
    function = jax.jit(getattr(op, name))
    size = 5 if name == "rotated_box_iou" else 4
    assert function(np.zeros((0, size), np.float32), np.zeros((3, size), np.float32)).shape == (0, 3)


corners_of = jax.jit(functools.partial(op.box_convert, from_format="cxcywhr", to_format="xyxyxyxy"))


def clipped_area(a, b):
    """Area of the intersection of two rotated boxes: cut the polygon a by each side of b in turn."""
    corners = [np.asarray(corners_of(x), np.float64) for x in (a, b)]
    polygon, cutter = [list(points.reshape(4, 2)) for points in corners]
    for start, end in zip(cutter, cutter[1:] + cutter[:1], strict=True):
        side = [(end - start)[0] * (p - start)[1] - (end - start)[1] * (p - start)[0] for p in polygon]
        cut = []
        for k, point in enumerate(polygon):
            if (side[k - 1] > 0) != (side[k] > 0):
                cut.append(polygon[k - 1] + (point - polygon[k - 1]) * side[k - 1] / (side[k - 1] - side[k]))
            if side[k] > 0:
                cut.append(point)
        polygon = cut
    return sum(p[0] * q[1] - p[1] * q[0] for p, q in zip(polygon, polygon[1:] + polygon[:1], strict=True)) / 2


@pytest.mark.usefixtures("x64")
def test_rotated_iou_equals_polygon_clipping_and_torchvision():
    boxes = golden("rotated", jnp.float64)
    inner = np.array([[clipped_area(a, b) for b in boxes] for a in boxes])
    area = np.asarray(boxes[:, 2] * boxes[:, 3])
    value = rotated_box_iou(boxes, boxes)
    contract.assert_close(value, inner / (area[:, None] + area[None, :] - inner), rtol=1e-10, atol=1e-10)
    # torchvision knows ten digits of pi / 180.
    contract.assert_close(value, golden("rotated_iou", jnp.float64), rtol=1e-6, atol=1e-7)
    single = rotated_box_iou(boxes.astype(jnp.float32), boxes.astype(jnp.float32))
    contract.assert_close(single, value, atol=1e-5)


def test_rotated_iou_at_angle_zero_is_the_iou_and_ignores_whole_and_half_turns():
    a, b = (op.box_convert(golden(name), from_format="xyxy", to_format="cxcywhr") for name in ("a", "b"))
    contract.assert_close(rotated_box_iou(a, b), PAIRWISE["box_iou"](golden("a"), golden("b")), atol=2e-6)
    a = np.asarray(a)
    turned = a + np.float32([0, 0, 0, 0, 180])
    contract.assert_close(rotated_box_iou(turned, b), PAIRWISE["box_iou"](golden("a"), golden("b")), atol=2e-6)
    quarter = a[:, [0, 1, 3, 2, 4]] + np.float32([0, 0, 0, 0, 90])
    contract.assert_close(rotated_box_iou(quarter, b), PAIRWISE["box_iou"](golden("a"), golden("b")), atol=2e-6)


@pytest.mark.parametrize("degrees", [0.0, 30.0, 45.0, 90.0, -123.4])
def test_rotated_boxes_with_common_edges(degrees):
    """Boxes that touch, share an edge's line or coincide, where polygon clipping must break ties."""
    angle = math.radians(degrees)
    step = np.array([math.cos(angle), -math.sin(angle)]) * 2
    box = [1.0, 2.0, 4.0, 3.0, degrees]
    beside = [1 + 2 * step[0], 2 + 2 * step[1], 4.0, 3.0, degrees]
    half = [1 + step[0], 2 + step[1], 4.0, 3.0, degrees]
    others = jnp.array([box, beside, half, [1.0, 2.0, 0.0, 3.0, degrees]])
    contract.assert_close(rotated_box_iou(jnp.array([box]), others)[0], np.array([1, 0, 1 / 3, 0]), atol=2e-6)


@pytest.mark.usefixtures("x64")
def test_rotated_derivatives_are_right():
    boxes = golden("rotated", jnp.float64)
    contract.hessian_matches(op.rotated_box_iou, boxes[:2], boxes[2:4] * 0.9)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(COORDINATES, min_size=32, max_size=32), degrees=st.sampled_from([0.0, 45.0, 90.0, 33.3]))
def test_rotated_derivatives_are_finite_for_any_boxes(values, degrees):
    numbers = np.array(values, np.float32).reshape(2, 4, 4)
    numbers[..., 2:] = abs(numbers[..., 2:])
    boxes = np.concatenate([numbers, np.full((2, 4, 1), degrees, np.float32)], -1)
    boxes[0, :2, 4] = 0
    chex.assert_tree_all_finite(all_derivatives("rotated_box_iou")(jnp.asarray(boxes[0]), jnp.asarray(boxes[1])))


def test_rotated_iou_and_its_derivatives_are_finite_at_every_size():
    """Slivers of every width among them, whose second derivatives are beyond single precision."""
    for first in range(0, 8, 2):
        for boxes in zip(*(np.asarray(draws((4, 5), jnp.float32, seed=first + k)) for k in (0, 1)), strict=True):
            chex.assert_tree_all_finite(all_derivatives("rotated_box_iou")(*boxes))


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("name", [*PAIRWISE, *LOSSES, "rotated_box_iou"])
def test_mistakes_are_named(name):
    first = "predictions" if name in LOSSES else "a"
    second = "targets" if name in LOSSES else "b"
    good, bad = jnp.zeros((3, 5 if name == "rotated_box_iou" else 4)), jnp.zeros((3, 2))
    with pytest.raises(ValueError, match=f"{name}: '{first}' must have shape .* got \\(3, 2\\)"):
        getattr(op, name)(bad, good)
    with pytest.raises(ValueError, match=f"{name}: '{second}' must have shape .* got \\(3, 2\\)"):
        getattr(op, name)(good, bad)


@pytest.mark.usefixtures("unchecked_types")
def test_losses_do_not_broadcast_and_offsets_are_checked():
    with pytest.raises(ValueError, match=r"'targets' must have shape \(3, 4\), got \(4,\).*broadcast_to"):
        op.giou_loss(jnp.zeros((3, 4)), jnp.zeros(4))
    with pytest.raises(ValueError, match="box_iou: 'pixel_offset' must be one of 0, 1, got 2"):
        op.box_iou(jnp.zeros((3, 4)), jnp.zeros((3, 4)), pixel_offset=2)
