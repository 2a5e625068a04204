"""RoIPool, position-sensitive pooling, PrRoIPool and feature pyramids: definitions, torchvision's answers, laws."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import ops
from tests.ops import contract, roi_reference

GOLDEN = np.load(Path(__file__).parent / "golden" / "roi_torchvision.npz")
OUT = (2, 3)
# Compiled once per shape: called eagerly, each of their operations would be compiled alone.
OPTIONS = ("output_size", "sampling_ratio", "max_sampling_ratio", "aligned", "mode", "implementation")
roi_align = jax.jit(ops.roi_align, static_argnames=OPTIONS)
ps_roi_align = jax.jit(ops.ps_roi_align, static_argnames=("output_size", *OPTIONS[1:3], "implementation"))
roi_pool, ps_roi_pool, prroi_pool = (
    jax.jit(pool, static_argnames="output_size") for pool in (ops.roi_pool, ops.ps_roi_pool, ops.prroi_pool)
)
box_levels = jax.jit(ops.box_levels, static_argnames=("min_level", "max_level"))
multiscale_roi_align = jax.jit(ops.multiscale_roi_align, static_argnames=(*OPTIONS, "min_level", "canonical_size"))
POOLS = {
    "roi_pool": roi_pool,
    "ps_roi_pool": ps_roi_pool,
    "ps_roi_align": ps_roi_align,
    "ps_roi_align_dense": partial(ps_roi_align, implementation="dense"),
    "prroi_pool": prroi_pool,
}
EVERY = pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS.keys())


def draw(k: int = 5, h: int = 6, w: int = 8, c: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-2, [w, h], size=(k, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.3, 7, size=(k, 2))], 1)
    return rng.normal(size=(h, w, c)), boxes


@pytest.mark.parametrize("name", ["roi_pool", "ps_roi_pool", "ps_roi_align", "ps_roi_align_dense", "prroi_pool"])
def test_equals_the_definition(name, x64):
    features, boxes = draw()
    boxes[0] = [-9, -8, 20, 24]  # three times the map
    boxes[1] = [40, 40, 50, 60]  # outside
    boxes[2] = [1.5, 2.5, 1.5, 2.5]  # a point, at halves that round away from zero
    boxes[3] = [-2.5, -0.5, 3.5, 2.5]
    reference = getattr(roi_reference, name.removesuffix("_dense"))
    expected = reference(features, boxes - 0.5 if name == "prroi_pool" else boxes, OUT)
    pooled = POOLS[name](jnp.array(features), jnp.array(boxes), output_size=OUT)
    tolerance = 1e-6 if name == "prroi_pool" else 1e-12  # its reference integrates by the midpoint rule
    np.testing.assert_allclose(pooled, expected, rtol=0, atol=tolerance)


def test_roi_pool_equals_torchvision(x64):
    features, boxes, cotangent = (jnp.array(GOLDEN[name]) for name in ("features", "boxes", "cotangent"))
    pool = partial(roi_pool, boxes=boxes, output_size=(2, 4), spatial_scale=0.5)
    value, pull = jax.vjp(pool, features)
    np.testing.assert_array_equal(value, GOLDEN["pool"])
    np.testing.assert_allclose(pull(cotangent)[0], GOLDEN["pool_gradient"], atol=1e-12)


def test_first_maximum_takes_the_gradient():
    total = jax.jit(jax.grad(lambda f: roi_pool(f, jnp.array([[0.0, 0, 2, 2]]), output_size=1).sum()))
    gradient = total(jnp.ones((3, 3, 1)))
    np.testing.assert_array_equal(gradient[:, :, 0], np.eye(3)[:, :1] * np.eye(3)[:1])


@pytest.mark.parametrize("implementation", ["gather", "dense"])
def test_ps_roi_align_equals_torchvision(implementation, x64):
    features, boxes = jnp.array(GOLDEN["features"]), jnp.array(GOLDEN["boxes"])
    for ratio in (0, 2):
        pooled = ps_roi_align(
            features, boxes, output_size=(2, 4), spatial_scale=0.5, sampling_ratio=ratio,
            max_sampling_ratio=40 if ratio == 0 and implementation == "gather" else None, implementation=implementation,
        )  # fmt: skip
        theirs = GOLDEN[f"ps_align_{ratio}"]  # NaN where torchvision divides by no samples; ours is 0 there
        assert np.isnan(theirs).any() == (ratio == 0)
        np.testing.assert_allclose(pooled, np.nan_to_num(theirs), atol=1e-12)


def test_ps_roi_pool_equals_torchvision_away_from_the_last_row_and_column(x64):
    features, boxes = GOLDEN["features"], GOLDEN["boxes"]
    pooled = ps_roi_pool(jnp.array(features), jnp.array(boxes), output_size=(2, 4), spatial_scale=0.5)
    clear = (np.ceil(boxes[:, 2] / 2 + 1) < features.shape[1]) & (np.ceil(boxes[:, 3] / 2 + 1) < features.shape[0])
    assert clear.sum() >= 4
    np.testing.assert_allclose(pooled[clear], GOLDEN["ps_pool"][clear], atol=1e-12)


@pytest.mark.parametrize("name", POOLS)
def test_laws(name):
    features, boxes = (np.float32(x) for x in draw(k=3))
    eager = partial(getattr(ops, name.removesuffix("_dense")), **{"implementation": "dense"} if "dense" in name else {})
    contract.jit_equals_eager(partial(eager, output_size=1), jnp.array(features[:2, :2]), jnp.array(boxes[:1] / 4))
    lanes = jnp.stack([features, 2 * features]), jnp.stack([boxes, boxes + 1])
    pool = partial(POOLS[name], output_size=OUT)

    @jax.jit
    def with_gradient(f, b):
        value, pull = jax.vjp(pool, f, b)
        return value, pull(value)

    contract.vmap_equals_loop(with_gradient, *lanes, rtol=1e-4, atol=1e-5)
    contract.lowers_everywhere(with_gradient, features, boxes)
    alone = lambda boxes: np.asarray(with_gradient(features, boxes)[0])  # noqa: E731
    contract.assert_close(alone(boxes[::-1]), alone(boxes)[::-1])
    assert jax.eval_shape(pool, features, boxes[:0]).shape[:3] == (0, *OUT)
    broken = boxes.copy()
    broken[1, 2] = np.nan
    out, gradients = with_gradient(features, broken)
    assert (out[1] == 0).all()
    contract.assert_close(out[::2], alone(boxes)[::2])
    assert all(np.isfinite(g).all() for g in gradients)


@EVERY
def test_finite_on_degenerate_boxes(pool):
    features = jnp.array(draw(h=3, w=3)[0], jnp.float32)
    boxes = jnp.array(
        [[1, 1, 1, 1], [1, 1, 1, 1], [2, 2, 1, 1], [0.5, 0.5, 0.5, 2], [-1e30, -1e30, 1e30, 1e30], [9, 9, 9, 9]],
        jnp.float32,
    )
    contract.finite_everywhere(partial(pool, output_size=OUT), features, boxes, argnums=(0, 1))


@pytest.mark.parametrize("name", ["ps_roi_align", "prroi_pool"])
def test_derivatives(name, x64):
    features, boxes = draw(k=2, h=4, w=4)
    pool = partial(POOLS[name], output_size=OUT)
    contract.hessian_matches(lambda f, b: jnp.sin(pool(f, b)), jnp.array(features), jnp.array(boxes))


def test_prroi_pool_has_a_continuous_box_gradient(x64):
    features = jnp.array(draw()[0][:, :, :1])
    slope = jax.jit(
        jax.grad(
            lambda t: prroi_pool(features, jnp.stack([0 * t + 1, t, 0 * t + 4, t + 1.5])[None], output_size=1).sum()
        )
    )
    for kink in (0.5, 1.0, 1.5, 2.0, 2.5):  # edges cross pixel centres at these
        np.testing.assert_allclose(slope(jnp.array(kink - 1e-9)), slope(jnp.array(kink + 1e-9)), atol=1e-7)


def test_prroi_pool_is_the_limit_of_roi_align(x64):
    features, box = jnp.array(draw()[0]), jnp.array([[1.3, 1.2, 6.1, 4.9]])
    exact = prroi_pool(features, box, output_size=2)
    error = [
        float(jnp.abs(roi_align(features, box, output_size=2, sampling_ratio=g, implementation="dense") - exact).max())
        for g in (8, 32)
    ]
    # Midpoint rule: the error falls as 1 / g^2. Kinks shift the constant, so allow half of a factor of 16.
    assert error[0] / error[1] > 8


def test_prroi_pool_on_a_ramp_and_mean_of_bins(x64):
    ramp = jnp.arange(8.0)[:, None, None] * 3 + jnp.arange(9.0)[None, :, None]
    box = jnp.array([[1.5, 1.0, 7.5, 6.0]])
    y, x = 0.5 + np.array([1.25, 3.75]), 1.0 + np.array([1.5, 4.5])
    pooled = prroi_pool(ramp, box, output_size=2)
    np.testing.assert_allclose(pooled[0, :, :, 0], 3 * y[:, None] + x, atol=1e-12)
    np.testing.assert_allclose(prroi_pool(ramp, box, output_size=1).ravel(), pooled.mean(), atol=1e-12)
    point = prroi_pool(ramp, jnp.array([[3.0, 4.0, 3.0, 4.0]]), output_size=2)
    np.testing.assert_allclose(point, 3 * 3.5 + 2.5, atol=1e-12)  # no area: the sample


def pyramid() -> list[jax.Array]:
    return [jnp.array(GOLDEN[f"pyramid_{level}"]) for level in (2, 3, 4, 5)]


@pytest.mark.parametrize("implementation", ["gather", "dense"])
def test_pyramid_equals_torchvision(implementation, x64):
    pooled = multiscale_roi_align(
        pyramid(), jnp.array(GOLDEN["pyramid_boxes"]), output_size=3, canonical_size=64, aligned=False,
        implementation=implementation,
    )  # fmt: skip
    np.testing.assert_allclose(pooled, GOLDEN["pyramid_pooled"], atol=1e-12)


@pytest.mark.parametrize(("ratio", "mode"), [(0, "avg"), (2, "max")])
def test_pyramid_equals_its_own_level(ratio, mode, x64):
    boxes = jnp.array(GOLDEN["pyramid_boxes"])
    options = {"output_size": 2, "sampling_ratio": ratio, "mode": mode}
    pooled = multiscale_roi_align(pyramid(), boxes, canonical_size=64, **options)
    level = np.asarray(box_levels(boxes, min_level=2, max_level=5, canonical_size=64))
    assert len(set(level)) == 4
    for i, features in enumerate(pyramid()):
        alone = roi_align(features, boxes, spatial_scale=0.5 ** (i + 2), **options)
        own = level == i + 2
        np.testing.assert_allclose(np.asarray(pooled)[own], np.asarray(alone)[own], atol=1e-12)


def test_pyramid_laws():
    maps = [jnp.float32(level) for level in pyramid()[1:3]]
    boxes = jnp.float32(GOLDEN["pyramid_boxes"])[:4]
    loss = lambda maps, boxes: jnp.sum(  # noqa: E731
        multiscale_roi_align(maps, boxes, output_size=2, min_level=3) ** 2
    )
    gradient = jax.jit(jax.grad(loss, (0, 1)))
    lanes = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf / 2]), (maps, boxes))
    contract.vmap_equals_loop(gradient, *lanes, rtol=1e-4, atol=1e-4)
    contract.lowers_everywhere(gradient, maps, boxes)
    broken = np.asarray(multiscale_roi_align(maps, boxes.at[0].set(jnp.nan), output_size=2, min_level=3))
    assert (broken[0] == 0).all()
    assert np.isfinite(broken).all()


def test_levels():
    sides = jnp.array([0.0, 1.0, 111.9, 112.0, 223.99, 224.0, 448.0, 1e9, jnp.nan])
    boxes = jnp.stack([0 * sides, 0 * sides, sides, sides], -1)
    np.testing.assert_array_equal(box_levels(boxes, min_level=2, max_level=5), [2, 2, 2, 3, 3, 4, 5, 5, 2])
    assert box_levels(-boxes[3:4, jnp.array([2, 3, 0, 1])], min_level=2, max_level=5)[0] == 3
    reversed_side = jnp.array([[500.0, 0, 0, 500]])
    assert box_levels(reversed_side, min_level=2, max_level=5)[0] == 2


F, B = jnp.zeros((3, 3, 5)), jnp.zeros((2, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: roi_pool(F[0], B, output_size=2), r"roi_pool: 'features' must have shape \(h, w, c\)"),
        (lambda: roi_pool(F, B, output_size=(1, 2, 3)), "'output_size' must be a positive integer or two"),
        (lambda: ps_roi_pool(F, B, output_size=2), "multiple of 2 . 2 channels, one set per bin, got 5"),
        (lambda: ps_roi_align(F, B, output_size=2), "multiple of 2 . 2 channels, one set per bin, got 5"),
        (lambda: ps_roi_align(F, B, output_size=1, sampling_ratio=-1), "'sampling_ratio' must be"),
        (lambda: prroi_pool(F, B[:, :3], output_size=2), "prroi_pool: 'boxes' must have shape"),
        (lambda: multiscale_roi_align([], B, output_size=2), "'pyramid' must hold at least one map"),
        (
            lambda: ops.multiscale_roi_align({"p2": F}, B, output_size=2),
            "must be a list of maps from fine to coarse, got dict",
        ),
        (
            lambda: multiscale_roi_align([F, F[..., :2]], B, output_size=2),
            r"'pyramid\[1\]' must have shape \(h, w, 5\)",
        ),
        (lambda: multiscale_roi_align([F, F.astype(jnp.bfloat16)], B, output_size=2), "must be float32 like the first"),
        (lambda: box_levels(B[0], min_level=2, max_level=5), "box_levels: 'boxes' must have shape"),
    ],
)
def test_messages(call, message, unchecked_types):
    with pytest.raises(ValueError, match=message):
        call()
