"""The rule of `jaxml.ops`: finite values, first and second derivatives for every finite input, right where they fit."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import ops

DRAWS = 24
POSITIVES = jnp.array([1, 0, 1, 0])
CLASSES = jnp.array([0, 2])


def draws(shape, dtype, *, seed=0, headroom=0):
    """Numbers of every size the dtype has: mixed, alike, near the largest, small, with zeros, with ties."""
    limits, rng = jnp.finfo(dtype), np.random.default_rng(seed)
    low, high = float(limits.minexp) - 4, float(limits.maxexp) - headroom
    rows = []
    for i in range(DRAWS):
        power = rng.uniform(low, high, shape)
        power = [power, rng.uniform(low, high) + rng.uniform(-1, 1, shape), rng.uniform(high - 2, high, shape)][i % 3]
        row = rng.choice([-1.0, 1.0], shape) * np.exp2(rng.uniform(-2, 2, shape) if i % 4 == 3 else power)
        row = np.where(rng.random(shape) < 0.3 * (i % 5 == 4), 0, row)
        rows.append(np.full(shape, row.flat[0]) if i % 6 == 5 else row)
    largest = float(limits.max) * 2.0**-headroom
    return jnp.asarray(np.clip(np.stack(rows), -largest, largest)).astype(dtype)


def weighted(metric):
    """A metric of the weights, with one example of each class that counts."""
    return lambda w: metric(weights=jnp.abs(w).at[:2].add(jnp.asarray(1, w.dtype)))


def normalised(x, *, axis=-1, mask=None):
    params, state = jax.tree.map(lambda leaf: leaf.astype(x.dtype), ops.init_batch_norm(x.shape, axis=axis))
    return ops.batch_norm(x, params, state, training=True, axis=axis, mask=mask, convention="torch")


def by_constants(norm):
    def call(x, mean, var):
        return norm(x, None, ops.BatchNormState(mean, jax.lax.stop_gradient(jnp.abs(var))))

    return call


RANKED, PREDICTED = jnp.array([0.9, 0.2, 0.2, 0.4]), jnp.array([1, 1, 0, 0])
REGRESSION = {
    "squared_error": ops.squared_error,
    "absolute_error": ops.absolute_error,
    "huber": ops.huber,
    "smooth_l1": ops.smooth_l1,
    "pinball": functools.partial(ops.pinball, quantile=0.3),
    "log_cosh": ops.log_cosh,
    "charbonnier": ops.charbonnier,
    "tukey_biweight": ops.tukey_biweight,
    **{f"barron {alpha}": functools.partial(ops.barron, alpha=alpha) for alpha in (2.0, 1.5, 1.0, 0.0, -2.0, -np.inf)},
}
CLASSIFICATION = {
    "hinge": lambda z: ops.hinge(z, jnp.array([[1], [-1]]) * jnp.ones_like(z, int)),
    "squared_hinge": lambda z: ops.squared_hinge(z, jnp.array([[1], [-1]]) * jnp.ones_like(z, int)),
    "multiclass_hinge": lambda z: ops.multiclass_hinge(z, CLASSES),
    "sigmoid_cross_entropy": lambda z: ops.sigmoid_cross_entropy(z, jnp.full_like(z, 0.3).at[0].set(1)),
    "sigmoid_focal_loss": lambda z: ops.sigmoid_focal_loss(z, jnp.full_like(z, 0.3).at[0].set(1)),
    "softmax_cross_entropy": lambda z: ops.softmax_cross_entropy(z, CLASSES, label_smoothing=0.1),
    "softmax_focal_loss": lambda z: ops.softmax_focal_loss(z, CLASSES),
}
PENALTIES = {
    "l0_count": ops.l0_count,
    "l1": ops.l1,
    "l2_squared": ops.l2_squared,
    "l2_norm": ops.l2_norm,
    "elastic_net": ops.elastic_net,
    "group_lasso": ops.group_lasso,
    "total_variation": ops.total_variation,
    "total_variation isotropic": functools.partial(ops.total_variation, isotropic=True),
}
PROXIMAL = {
    "prox_l0": functools.partial(ops.prox_l0, strength=0.3),
    "prox_l1": functools.partial(ops.prox_l1, strength=0.3),
    "prox_l2_squared": functools.partial(ops.prox_l2_squared, strength=0.3),
    "prox_l2_norm": functools.partial(ops.prox_l2_norm, strength=0.3),
    "prox_elastic_net": functools.partial(ops.prox_elastic_net, strength=0.3),
    "prox_group_lasso": functools.partial(ops.prox_group_lasso, strength=0.3),
    "project_simplex": ops.project_simplex,
    "project_l1_ball": ops.project_l1_ball,
    "stochastic_depth": lambda x: ops.stochastic_depth(jax.random.key(0), x, rate=0.5),
    "drop_block": lambda x: ops.drop_block(jax.random.key(0), x[..., None], rate=0.3, block_size=2),
}
METRICS = {
    "log_loss": lambda p: ops.log_loss(p, POSITIVES),
    "brier_loss": lambda p: ops.brier_loss(p, POSITIVES),
    "calibration_error": lambda p: [ops.calibration_error(p, POSITIVES, norm=n) for n in ("l1", "l2", "max")],
    "pairwise_auc_loss": lambda p: [
        ops.pairwise_auc_loss(p, POSITIVES, surrogate=s) for s in ("logistic", "hinge", "squared_hinge")
    ],
    "roc_auc": lambda p: (ops.roc_auc(p, POSITIVES), ops.average_precision(p, POSITIVES)),
    "accuracy by weight": weighted(functools.partial(ops.accuracy, PREDICTED, POSITIVES)),
    "confusion_counts by weight": weighted(
        functools.partial(ops.confusion_counts, PREDICTED, POSITIVES, num_classes=2)
    ),
    "f1_score by weight": weighted(functools.partial(ops.f1_score, PREDICTED, POSITIVES, average="weighted")),
    "log_loss by weight": weighted(functools.partial(ops.log_loss, RANKED, POSITIVES)),
    "roc_auc by weight": weighted(functools.partial(ops.roc_auc, RANKED, POSITIVES)),
    "average_precision by weight": weighted(functools.partial(ops.average_precision, RANKED, POSITIVES)),
    "pairwise_auc_loss by weight": weighted(functools.partial(ops.pairwise_auc_loss, RANKED, POSITIVES)),
}
NORMS = {
    "batch_norm": normalised,
    "batch_norm masked": lambda x: normalised(x, mask=jnp.array([True, True, False, True])),
    "batch_norm by state": by_constants(functools.partial(ops.batch_norm, training=False)),
    "frozen_batch_norm": by_constants(ops.frozen_batch_norm),
    "layer_norm": lambda x: ops.layer_norm(x, None),
    "group_norm": lambda x: ops.group_norm(x, None, num_groups=1),
}
SHAPES = (
    dict.fromkeys(REGRESSION, ((3,), (3,)))
    | dict.fromkeys(CLASSIFICATION, ((2, 3),))
    | dict.fromkeys([*PENALTIES, *PROXIMAL], ((2, 3),))
    | dict.fromkeys(METRICS, ((4,),))
    | dict.fromkeys(NORMS, ((4, 2),))
    | dict.fromkeys(["batch_norm by state", "frozen_batch_norm"], ((4, 2), (1, 2), (1, 2)))
)
GROUPS = {
    "regression": REGRESSION,
    "classification": CLASSIFICATION,
    "penalties": PENALTIES,
    "proximal": PROXIMAL,
    "metrics": METRICS,
    "norms": NORMS,
}


def mean(tree):
    """Of all numbers together, each divided before they are added up."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    size = sum(leaf.size for leaf in leaves)
    return sum(jnp.sum(leaf / size) for leaf in leaves)


def derivatives(fn, order, *args):
    """Value, gradient and the second derivative along a direction."""
    gradient = jax.grad(lambda *x: mean(fn(*x)), tuple(range(len(args))))
    if order == 1:
        return {"value": fn(*args), "gradient": gradient(*args)}
    along = jax.tree.map(lambda x: jnp.asarray(np.linspace(-1, 1, x.size).reshape(x.shape) / x.size, x.dtype), args)
    first, second = jax.jvp(gradient, args, along)
    return {"value": fn(*args), "gradient": first, "second derivative": second}


def inputs(name, dtype, headroom=0):
    return [draws(shape, dtype, seed=k, headroom=headroom) for k, shape in enumerate(SHAPES[name])]


@functools.cache
def compiled(group, order):
    def everything(arguments):
        return {
            name: jax.vmap(functools.partial(derivatives, fn, order))(*arguments[name]) for name, fn in group_.items()
        }

    group_ = GROUPS[group]
    return jax.jit(everything)


@pytest.mark.parametrize(
    ("group", "dtype", "order"),
    [(group, jnp.float32, 2) for group in GROUPS]
    + [("regression", jnp.float64, 1), ("regression", jnp.float16, 1), ("classification", jnp.bfloat16, 1)],
)
def test_finite_for_every_finite_input(group, dtype, order, x64):
    results = compiled(group, order)({name: inputs(name, dtype) for name in GROUPS[group]})
    failed = [
        (name, what)
        for name, result in results.items()
        for what, tree in result.items()
        for leaf in jax.tree.leaves(tree)
        if not np.isfinite(np.asarray(leaf, np.float64)).all()
    ]
    assert not failed, failed


@pytest.mark.parametrize("group", ["regression", "classification", "penalties"])
def test_right_wherever_it_can_be_held(group, x64):
    """The same in float64, where nothing overflows; what is beyond float32 is its largest number."""
    arguments = {name: inputs(name, jnp.float32, headroom=4) for name in GROUPS[group]}
    ours = compiled(group, 2)(arguments)
    exact = compiled(group, 1)(jax.tree.map(lambda x: x.astype(jnp.float64), arguments))
    limits = jnp.finfo(jnp.float32)
    for name, result in ours.items():
        for what in ("value",) if name == "multiclass_hinge" else ("value", "gradient"):  # ties after rounding
            for a, b in zip(jax.tree.leaves(result[what]), jax.tree.leaves(exact[name][what]), strict=True):
                a, b = (np.asarray(v, np.float64).reshape(DRAWS, -1) for v in (a, b))
                held = np.abs(b) < float(limits.max) / 64  # so that nothing on the way there had to be cut
                assert (np.abs(a[~held]) > float(limits.max) / 1024).all(), (name, what)
                size = np.abs(b).max(axis=1, keepdims=True) if what == "gradient" else np.abs(b)
                floor = 1e-6 if name in CLASSIFICATION else 1e-36
                wrong = held & (np.abs(a - b) > 1e-4 * size + floor)
                assert not wrong.any(), (name, what, a[wrong], b[wrong])


def test_an_infinite_input_is_no_large_one():
    """A run that diverged stays visible."""
    bounded = ("tukey_biweight", "barron -2.0", "barron -inf")
    losses = {name: loss for name, loss in REGRESSION.items() if name not in bounded}
    far = jax.jit(lambda p, t: {name: loss(p, t) for name, loss in losses.items()})(jnp.array([jnp.inf]), jnp.zeros(1))
    for name, loss in far.items():
        assert not np.isfinite(loss).any(), name
    assert np.isinf(ops.l2_norm(jnp.array([1.0, jnp.inf])))
    assert np.isinf(ops.l1(jnp.array([1.0, -jnp.inf])))


def test_normalisation_of_huge_numbers_is_that_of_small_ones():
    x = np.random.default_rng(0).normal(1, 2, size=(6, 2)).astype(np.float32)
    params, state = ops.init_batch_norm(x.shape)
    run = jax.jit(lambda x, eps: ops.batch_norm(x, params, state, training=True, eps=eps, momentum=0.0))
    layer = jax.jit(lambda x, eps: ops.layer_norm(x, None, axis=0, eps=eps))
    expected, (mean, var) = run(x, 1e-30)
    for power in (30, 60, 90, 120, 124):
        scale = np.float32(2.0**power)
        y, (large_mean, large_var) = run(x * scale, 1e-30)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(layer(x * scale, 1e-30), expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(large_mean, mean * scale, rtol=1e-5)
        exact = np.minimum(np.float64(var) * 4.0**power, float(jnp.finfo(jnp.float32).max))
        np.testing.assert_allclose(np.float64(large_var), exact, rtol=1e-5)
    np.testing.assert_allclose(run(jnp.array([[1e20] * 2, [-1e20] * 2]), 1e-5)[0], [[1, 1], [-1, -1]])
    constant = jnp.full((6, 2), 3e38)
    np.testing.assert_array_equal(run(constant, 1e-5)[0], 0)
    slope = jax.jit(jax.grad(lambda x: run(x, 1e-5)[0][0, 0]))(constant)
    np.testing.assert_allclose(np.asarray(slope)[:, 0], (np.eye(6)[0] - 1 / 6) / 1e-5**0.5, rtol=1e-4)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("name", [*REGRESSION, "sigmoid_cross_entropy", "sigmoid_focal_loss", "hinge", "squared_hinge"])
def test_a_number_for_an_array_is_taken_or_refused(name):
    loss = {**REGRESSION, **{n: getattr(ops, n, None) for n in CLASSIFICATION}}[name]
    for targets in (0.0, 1, np.float32(1)):
        with pytest.raises(ValueError, match="must have the shape"):
            loss(jnp.ones(3), targets)
    np.testing.assert_array_equal(loss(0.5, 1.0), loss(jnp.array(0.5), jnp.array(1.0)))
    np.testing.assert_array_equal(
        loss(np.full(2, 0.5, np.float32), np.array([0, 1])), loss(jnp.full(2, 0.5), jnp.array([0.0, 1.0]))
    )


def test_focal_losses_are_finite_for_hard_powers():
    """Where the power is 0 or 1, its exponent times the loss would overflow before a slope of 0 makes it vanish."""
    far, powers, labels = jnp.asarray([3e38, -3e38, 200.0, -200.0]), jnp.asarray([0.5, 50.0]), jnp.asarray([0, 0.3, 1])

    def softmax(z, _, gamma):
        return ops.softmax_focal_loss(jnp.stack([z, -z]), jnp.zeros((), int), gamma=gamma)

    def sigmoid(z, label, gamma):
        return ops.sigmoid_focal_loss(z, label, alpha=-1.0, gamma=gamma)

    @jax.jit
    def everything(z, label, gamma):
        slope, change = (jax.vmap(jax.value_and_grad(fn, (0, 2)), (0, None, None)) for fn in (sigmoid, softmax))
        second = jax.vmap(jax.grad(jax.grad(sigmoid)), (0, None, None))
        return slope(z, label, gamma), change(z, label, gamma), second(z, label, gamma)

    for label, gamma in itertools.product(labels, powers):
        assert all(np.isfinite(each).all() for each in jax.tree.leaves(everything(far, label, gamma)))
    half, one = jnp.asarray([200.0, -200.0, 6e4, -6e4], jnp.float16), jnp.ones((), jnp.float16)
    over = jax.jit(jax.vmap(jax.value_and_grad(sigmoid, (0, 1, 2)), (0, None, None)))
    assert all(np.isfinite(each).all() for each in jax.tree.leaves(over(half, one, jnp.asarray(1e4, jnp.float16))))
