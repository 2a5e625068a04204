"""RoIAlign against a scalar reference, torchvision's answers, and the laws that every op obeys."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxml.ops import grid_sample, roi_align
from tests.ops import contract, roi_reference

GOLDEN = np.load(Path(__file__).parent / "golden" / "roi_torchvision.npz")
OUT = (2, 3)
STATIC = ("output_size", "sampling_ratio", "max_sampling_ratio", "aligned", "mode", "implementation")
fast = jax.jit(roi_align, static_argnames=STATIC)  # shared by the tests, so that equal calls compile once
BOTH = pytest.mark.parametrize("implementation", ["gather", "dense"])


def draw(k: int = 6, h: int = 7, w: int = 9, c: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-2, [w, h], size=(k, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.3, 7, size=(k, 2))], 1)
    return rng.normal(size=(h, w, c)), boxes


@BOTH
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [3, 0])
def test_equals_the_definition(implementation, aligned, ratio, x64):
    features, boxes = draw()
    boxes[0] = [-9, -8, 20, 24]  # three times the map
    boxes[1] = [40, 40, 50, 60]  # outside
    boxes[2, 3] = boxes[2, 1] - 1  # reversed
    cap = 40 if ratio == 0 and implementation == "gather" else None
    args = {"sampling_ratio": ratio, "aligned": aligned, "implementation": implementation, "max_sampling_ratio": cap}
    pooled = fast(jnp.array(features), jnp.array(boxes), output_size=OUT, **args)
    expected = roi_reference.roi_align(features, boxes, OUT, ratio=ratio, aligned=aligned)
    np.testing.assert_allclose(pooled, expected, rtol=0, atol=1e-12)


@BOTH
@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("aligned", [0, 1])
def test_equals_torchvision(implementation, dtype, aligned, x64):
    kind = {"f32": jnp.float32, "f64": jnp.float64}[dtype]
    features, boxes = (jnp.array(GOLDEN[name], kind) for name in ("features", "boxes"))
    for ratio in (0, 2) if dtype == "f32" else (0, 1, 2, 3):
        cap = 40 if ratio == 0 and implementation == "gather" else None
        pooled = fast(
            features, boxes, output_size=(2, 4), spatial_scale=0.5, sampling_ratio=ratio, aligned=bool(aligned),
            implementation=implementation, max_sampling_ratio=cap,
        )  # fmt: skip
        tolerance = 1e-5 if dtype == "f32" else 1e-12
        np.testing.assert_allclose(pooled, GOLDEN[f"align_{dtype}_{aligned}_{ratio}"], rtol=0, atol=tolerance)


@BOTH
@pytest.mark.parametrize("ratio", [0, 2])
def test_feature_gradient_equals_torchvision(implementation, ratio, x64):
    features, boxes, cotangent = (jnp.array(GOLDEN[name]) for name in ("features", "boxes", "cotangent"))
    pool = partial(fast, boxes=boxes, output_size=(2, 4), spatial_scale=0.5, sampling_ratio=ratio,
        max_sampling_ratio=40 if ratio == 0 else None, implementation=implementation,
    )  # fmt: skip
    gradient = jax.vjp(pool, features)[1](cotangent)[0]
    np.testing.assert_allclose(gradient, GOLDEN[f"align_gradient_{ratio}"], rtol=0, atol=1e-12)


def test_half_precision_accumulates_in_float32():
    features, boxes = draw()
    half = fast(jnp.array(features, jnp.bfloat16), jnp.array(boxes, jnp.float32), output_size=OUT)
    assert half.dtype == jnp.bfloat16
    rounded = np.array(jnp.array(features, jnp.bfloat16).astype(jnp.float32), np.float64)
    np.testing.assert_allclose(
        half.astype(jnp.float32), roi_reference.roi_align(rounded, boxes, OUT), rtol=2**-8, atol=1e-6
    )


def test_published_example():
    ramp, box = jnp.arange(25.0).reshape(5, 5, 1), jnp.array([[1.0, 1.0, 3.0, 3.0]])
    rows = np.array([[7.5], [10], [12.5], [15]]) + np.arange(4) / 2
    for aligned, expected in {False: rows, True: rows - 3}.items():
        pooled = fast(ramp, box, output_size=4, sampling_ratio=0, aligned=aligned)
        np.testing.assert_allclose(pooled[0, :, :, 0], expected, atol=1e-6)


@BOTH
def test_reversed_side_is_widened_when_not_aligned(implementation):
    features, box = jnp.arange(1.0, 10).reshape(3, 3, 1), jnp.array([[0.0, 2.0, 2.0, 1.0]])
    pooled = fast(features, box, output_size=2, sampling_ratio=1, aligned=False, implementation=implementation)
    np.testing.assert_allclose(pooled[0, :, :, 0], [[7.5, 8.5], [7.5, 8.5]])


@BOTH
def test_border_band(implementation):
    h = 4
    y = jnp.array([-1.001, -1, -0.5, 0, h - 1, h, h + 0.001])
    boxes = jnp.stack([0 * y + 1, y, 0 * y + 1, y], -1) + 0.5
    pooled = fast(jnp.ones((h, 3, 1)), boxes, output_size=1, sampling_ratio=1, implementation=implementation)
    np.testing.assert_array_equal(pooled[:, 0, 0, 0], [0, 1, 1, 1, 1, 1, 0])


@BOTH
@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
def test_map_of_one_row_or_column(implementation, shape):
    features, boxes = draw(h=shape[0], w=shape[1])
    pooled = fast(
        jnp.array(features, jnp.float32), jnp.array(boxes, jnp.float32), output_size=OUT, implementation=implementation
    )
    np.testing.assert_allclose(pooled, roi_reference.roi_align(features, boxes, OUT), atol=1e-6)


def test_maximum_of_samples(x64):
    features, boxes = draw()
    for ratio, cap in ((2, None), (0, 8)):
        pooled = fast(
            jnp.array(features),
            jnp.array(boxes),
            output_size=OUT,
            mode="max",
            sampling_ratio=ratio,
            max_sampling_ratio=cap,
        )
        expected = roi_reference.roi_align(features, boxes, OUT, ratio=ratio, reduce=np.max)
        np.testing.assert_allclose(pooled, expected, atol=1e-12)


@BOTH
def test_cap_makes_the_sampling_coarser(implementation, x64):
    features, boxes = draw()
    pooled = fast(
        jnp.array(features), jnp.array(boxes), output_size=1, sampling_ratio=0, max_sampling_ratio=2,
        implementation=implementation,
    )  # fmt: skip
    expected = roi_reference.roi_align(features, boxes, (1, 1), ratio=0, cap=2)
    np.testing.assert_allclose(pooled, expected, atol=1e-12)


@pytest.mark.parametrize(("implementation", "ratio"), [("gather", 2), ("dense", 0)])
def test_derivatives(implementation, ratio, x64):
    features, boxes = draw(k=2, h=4, w=5, c=1)
    pool = partial(fast, output_size=2, sampling_ratio=ratio, implementation=implementation,
        max_sampling_ratio=4 if ratio == 0 else None,
    )  # fmt: skip
    # The products have a forward rule of their own, whose derivatives are tested too.
    law = contract.derivatives_match if implementation == "dense" else contract.hessian_matches
    law(lambda f, b: jnp.sin(pool(f, b)), jnp.array(features), jnp.array(boxes))


@BOTH
def test_ramp_gives_bin_centres_and_an_analytic_box_gradient(implementation, x64):
    h, w = 9, 11
    ramp = 10 * jnp.arange(1.0 * h)[:, None, None] + jnp.arange(1.0 * w)[None, :, None]
    box = jnp.array([[2.0, 1.5, 8.0, 6.5]])
    pool = partial(fast, output_size=2, implementation=implementation)
    y, x = 1.5 - 0.5 + np.array([1.25, 3.75]), 2 - 0.5 + np.array([1.5, 4.5])
    np.testing.assert_allclose(pool(ramp, box)[0, :, :, 0], 10 * y[:, None] + x, atol=1e-12)
    gradient = np.asarray(jax.jit(jax.jacrev(pool, 1))(ramp, box))[0, :, :, 0, 0]
    for p in range(2):
        for q in range(2):
            a, b = (p + 0.5) / 2, (q + 0.5) / 2  # a bin's centre mixes the two edges
            np.testing.assert_allclose(gradient[p, q], [1 - b, 10 * (1 - a), b, 10 * a], atol=1e-12)


@BOTH
def test_derivative_at_integers_is_the_slope_to_the_right(implementation, x64):
    features = jnp.array([0.0, 1, 3, 7]).reshape(4, 1, 1)
    y = lambda y: jnp.stack([jnp.full_like(y, 0.5), y, jnp.full_like(y, 0.5), y])[None]  # noqa: E731
    value = lambda t: fast(  # noqa: E731
        features, y(t + 0.5), output_size=1, sampling_ratio=1, implementation=implementation
    ).sum()
    slope = jax.jit(jax.grad(value))
    slopes = [float(slope(jnp.array(t))) for t in (0.0, 1.0, 2.0)]
    assert slopes == [1.0, 2.0, 4.0]


@BOTH
def test_laws(implementation):
    features, boxes = (np.float32(x) for x in draw(k=5))
    small = {"output_size": 1, "sampling_ratio": 1, "implementation": implementation}
    contract.jit_equals_eager(partial(roi_align, **small), jnp.array(features), jnp.array(boxes[:1]))
    pool = partial(fast, output_size=OUT, implementation=implementation)
    lanes = jnp.stack([features, 2 * features, -features]), jnp.stack([boxes, boxes + 1, boxes - 1])
    if implementation == "gather":  # one image for all lanes has a rule of its own
        contract.vmap_equals_loop(lambda b: pool(features, b), lanes[1])

    @jax.jit
    def with_gradient(f, b):
        value, pull = jax.vjp(pool, f, b)
        return value, pull(value)

    contract.vmap_equals_loop(with_gradient, *lanes, rtol=1e-4, atol=1e-5)
    contract.lowers_everywhere(with_gradient, features, boxes)
    order = np.array([3, 1, 4, 0, 2])
    pooled = np.asarray(pool(features, boxes))
    contract.assert_close(pool(features, boxes[order]), pooled[order])
    inside = np.float32([[2, 2, 2, 2]] * 5)
    contract.assert_close(pool(3 * features + 1, inside), 3 * np.asarray(pool(features, inside)) + 1)
    assert jax.eval_shape(pool, features, boxes[:0]).shape == (0, *OUT, 2)


@BOTH
def test_nan_box_pools_to_zero_and_touches_nothing_else(implementation):
    features, boxes = (jnp.array(x, jnp.float32) for x in draw())
    for ratio, cap in ((2, None), (0, 9)):
        pool = partial(
            fast, output_size=OUT, implementation=implementation, sampling_ratio=ratio, max_sampling_ratio=cap
        )
        gradient = jax.jit(jax.grad(lambda f, b, pool=pool: jnp.sum(jnp.sin(pool(f, b))), (0, 1)))
        for broken in (boxes.at[1, 2].set(jnp.nan), boxes.at[1].set(jnp.nan)):
            out = pool(features, broken)
            assert (out[1] == 0).all()
            contract.assert_close(out[2:], pool(features, boxes)[2:])
            one, two = gradient(features, broken)
            assert np.isfinite(one).all()
            assert np.isfinite(two).all()
            assert (two[1] == 0).all()


DEGENERATE = st.one_of(st.floats(-30, 30, width=32), st.sampled_from([0.0, 0.5, -0.5, 4.5, 1e30, -1e30, 3e38]))


@BOTH
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[DEGENERATE] * 4), min_size=4, max_size=4), st.booleans())
def test_finite_for_every_finite_box(implementation, corners, adaptive):
    features = jnp.array(draw()[0], jnp.float32)
    boxes = jnp.array(corners, jnp.float32).at[1].set(jnp.array(corners[0], jnp.float32))  # two identical ones
    value, gradient, second = _derivatives(features, boxes, implementation, adaptive)
    for leaf in jax.tree.leaves((value, gradient, second)):
        assert np.isfinite(leaf).all()
    assert np.abs(value).max() <= np.abs(features).max() * 1.001  # a mean of samples, zeros included


@partial(jax.jit, static_argnums=(2, 3))
def _derivatives(features, boxes, implementation, adaptive):
    ratio, cap = (0, 5 if implementation == "gather" else None) if adaptive else (2, None)
    pool = partial(fast, output_size=2, sampling_ratio=ratio, max_sampling_ratio=cap, implementation=implementation)

    def with_square(f, b):
        value = pool(f, b)
        return jnp.sum(value**2), value

    def with_gradient(f, b):
        first, value = jax.grad(with_square, (0, 1), has_aux=True)(f, b)
        return sum(jnp.sum(g) * 1e-3 for g in first), (value, first)

    second, rest = jax.grad(with_gradient, (0, 1), has_aux=True)(features, boxes)
    return *rest, second


def test_equals_average_pooled_grid_sample(x64):
    features, _ = draw(h=8, w=8)
    box, out, g = np.array([1.0, 2.0, 6.0, 7.0]), 3, 2
    t = (np.arange(out * g) + 0.5) / (out * g)
    x, y = box[0] + t * (box[2] - box[0]), box[1] + t * (box[3] - box[1])
    grid = np.stack(np.meshgrid(2 * x / 8 - 1, 2 * y / 8 - 1), -1)
    sampled = grid_sample(jnp.array(features), jnp.array(grid)).reshape(out, g, out, g, 2).mean((1, 3))
    pooled = fast(jnp.array(features), jnp.array(box[None]), output_size=out, sampling_ratio=g)[0]
    np.testing.assert_allclose(pooled, sampled, atol=1e-12)


def test_choice_of_formulation_follows_the_cost():
    boxes = jax.ShapeDtypeStruct((100, 4), jnp.float32)

    def products(size: int, ratio: int, cap: int | None = None) -> bool:
        features = jax.ShapeDtypeStruct((size, size, 64), jnp.float32)
        pool = partial(roi_align, output_size=7, sampling_ratio=ratio, max_sampling_ratio=cap)
        return "dot_general" in str(jax.make_jaxpr(pool)(features, boxes))

    assert products(6, 2)
    assert not products(25, 2)
    assert not products(200, 2)
    assert products(200, 0)
    assert not products(200, 0, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": jnp.zeros((4, 4))}, r"'features' must have shape \(h, w, c\), got \(4, 4\)"),
        ({"boxes": jnp.zeros((2, 5))}, r"'boxes' must have shape \(k, 4\).* got \(2, 5\)"),
        ({"features": jnp.zeros((4, 4, 1), jnp.int32)}, "'features' must be floating, got int32"),
        ({"output_size": 0}, "'output_size' must be a positive integer or two, got 0"),
        ({"output_size": (2, 2.0)}, "'output_size' must be a positive integer or two"),
        ({"mode": "sum"}, "'mode' must be one of 'avg', 'max', got 'sum'"),
        ({"implementation": "fast"}, "'implementation' must be one of 'gather', 'dense', None, got 'fast'"),
        ({"sampling_ratio": -1}, "'sampling_ratio' must be a Python integer >= 0, got -1. Use 0 for adaptive"),
        ({"max_sampling_ratio": 0}, "'max_sampling_ratio' must be None or a Python integer >= 1, got 0"),
        ({"sampling_ratio": 0, "implementation": "gather"}, "needs a bound. Pass max_sampling_ratio=N"),
        ({"sampling_ratio": 0, "mode": "max"}, "mode='max' needs a bound. Pass max_sampling_ratio=N"),
        ({"mode": "max", "implementation": "dense"}, "not separable. Use implementation='gather'"),
    ],
)
def test_messages(change, message, unchecked_types):
    arguments = {"features": jnp.zeros((4, 4, 1)), "boxes": jnp.zeros((2, 4)), "output_size": 2} | change
    with pytest.raises(ValueError, match=message):
        roi_align(**arguments)
