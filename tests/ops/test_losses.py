"""Losses against scalar definitions, optax, limits and derivatives; stable at |logit| 1e4."""

import functools
import itertools
import math
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxml import ops
from tests.ops import contract

# Compiled once per shape: called eagerly, each of their operations would be compiled alone.
compiled = types.SimpleNamespace(
    **{
        name: jax.jit(getattr(ops, name))
        for name in (
            "huber", "smooth_l1", "pinball", "charbonnier", "barron", "hinge", "squared_hinge", "multiclass_hinge",
            "softmax_cross_entropy", "softmax_focal_loss", "sigmoid_focal_loss",
        )
    }
)  # fmt: skip
# Each definition once more, for one Python float, as plainly as it can be said.
REGRESSION = {
    "squared_error": ({}, lambda r: r * r),
    "absolute_error": ({}, abs),
    "huber": ({"delta": 1.5}, lambda r: r * r / 2 if abs(r) <= 1.5 else 1.5 * (abs(r) - 0.75)),
    "smooth_l1": ({"beta": 0.5}, lambda r: r * r if abs(r) < 0.5 else abs(r) - 0.25),
    "pinball": ({"quantile": 0.3}, lambda r: 0.3 * -r if r < 0 else 0.7 * r),
    "log_cosh": ({}, lambda r: math.log(math.cosh(r))),
    "charbonnier": ({"epsilon": 0.7}, lambda r: math.hypot(r, 0.7)),
    "tukey_biweight": ({"c": 2.0}, lambda r: 4 / 6 * (1 - (1 - r * r / 4) ** 3) if abs(r) <= 2 else 4 / 6),
    "barron": (
        {"alpha": -1.5, "scale": 2.0},
        lambda r: 3.5 / -1.5 * ((r * r / 4 / 3.5 + 1) ** -0.75 - 1),
    ),
}
RESIDUALS = np.array([-7.3, -2.1, -1.2, -0.31, 0.0, 0.04, 0.44, 1.7, 3.9])
LOGITS = np.array([-1e4, -30.0, -2.0, 0.0, 0.5, 40.0, 1e4])


SETTINGS = {name: settings for name, (settings, _) in REGRESSION.items()}


@jax.jit
def regression(predictions, targets, settings):
    """Every regression loss, compiled once for all of them."""
    return {name: getattr(ops, name)(predictions, targets, **settings[name]) for name in REGRESSION}


def test_regression_losses_obey_their_definitions_and_the_laws():
    targets = jnp.linspace(-1.0, 1.0, RESIDUALS.size)
    predictions = targets + jnp.asarray(RESIDUALS, jnp.float32)
    residuals = np.asarray(predictions - targets, np.float64)
    ours = regression(predictions, targets, SETTINGS)
    for name, (_, definition) in REGRESSION.items():
        contract.assert_close(ours[name], np.array([definition(float(r)) for r in residuals]), rtol=2e-6)
    contract.vmap_equals_loop(
        lambda p, t: regression(p, t, SETTINGS), jnp.stack([predictions, -predictions]), jnp.stack([targets, targets])
    )
    contract.lowers_everywhere(regression, predictions, targets, SETTINGS)
    extremes = jnp.array([-1e4, -1e-30, 0.0, 1e-6, 1e4])
    contract.finite_everywhere(
        lambda p, t: regression(p, t, SETTINGS), extremes, jnp.zeros(extremes.size), argnums=(0, 1)
    )
    half = jax.eval_shape(regression, *(x.astype(jnp.bfloat16) for x in (predictions, targets)), SETTINGS)
    assert {loss.dtype for loss in half.values()} == {jnp.dtype(jnp.bfloat16)}


def test_regression_derivatives(x64):
    away = jnp.asarray(RESIDUALS[RESIDUALS != 0] + 0.013)
    contract.gradients_match(
        lambda r, settings: regression(r, jnp.zeros_like(r), settings), away, jax.tree.map(jnp.asarray, SETTINGS)
    )


def test_regression_losses_equal_optax_where_it_has_them():
    predictions, targets = jnp.asarray(RESIDUALS, jnp.float32), jnp.ones(RESIDUALS.size)

    @jax.jit
    def both(p, t):
        ours = ops.squared_error(p, t), ops.huber(p, t, delta=0.5), ops.log_cosh(p, t)
        return ours, (optax.squared_error(p, t), optax.huber_loss(p, t, delta=0.5), optax.log_cosh(p, t))

    contract.assert_close(*both(predictions, targets))


def test_families_meet_where_they_should(x64):
    r, zero = RESIDUALS, np.zeros(RESIDUALS.size)
    close = {"rtol": 1e-12, "atol": 1e-12}
    contract.assert_close(
        compiled.smooth_l1(r, zero, beta=0.3), np.asarray(compiled.huber(r, zero, delta=0.3)) / 0.3, **close
    )
    contract.assert_close(np.asarray(compiled.pinball(r, zero, quantile=0.5)) * 2, np.abs(r), **close)
    contract.assert_close(compiled.charbonnier(r, zero, epsilon=0), np.abs(r), **close)
    square = r * r
    limits = {2: square / 2, 1: np.sqrt(square + 1) - 1, 0: np.log1p(square / 2), -2: 2 * square / (square + 4)}
    limits |= {-np.inf: -np.expm1(-square / 2)}
    for alpha, expected in limits.items():
        contract.assert_close(compiled.barron(r, zero, alpha=alpha), expected, **close)
        contract.assert_close(
            compiled.barron(r, zero, alpha=alpha + 1e-9 if alpha < 2 else alpha), expected, rtol=1e-6, atol=1e-6
        )
    contract.assert_close(jax.jit(ops.log_cosh)(np.array([1e-9]), np.zeros(1)), np.array([5e-19]), rtol=1e-9, atol=0)


def test_smooth_l1_with_beta_zero_is_l1_with_its_gradient():
    r, zero = jnp.array([-2.0, 0.0, 3.0]), jnp.zeros(3)
    contract.assert_close(compiled.smooth_l1(r, zero, beta=0.0), np.abs(r), rtol=0, atol=0)
    gradient = jax.jit(jax.grad(lambda r, beta: jnp.sum(ops.smooth_l1(r, zero, beta=beta)), argnums=(0, 1)))
    contract.assert_close(gradient(r, 0.0), (jnp.sign(r), -1.0))
    contract.finite_everywhere(lambda r, beta: ops.smooth_l1(r, zero, beta=beta), r, jnp.array(0.0), argnums=(0, 1))


def test_charbonnier_without_epsilon_is_finite_at_its_kink():
    contract.finite_everywhere(
        jax.jit(lambda r, epsilon: ops.charbonnier(r, jnp.zeros(3), epsilon=epsilon)),
        jnp.array([-2.0, 0.0, 3.0]),
        jnp.array(0.0),
        argnums=(0, 1),
    )


def test_hyperparameters_are_traced():
    r, values = jnp.asarray(RESIDUALS, jnp.float32), jnp.array([0.0, 0.5, 1.0, 2.0])
    zero = jnp.zeros_like(r)

    @jax.jit
    def fn(value):
        losses = {"huber": "delta", "smooth_l1": "beta", "barron": "alpha"}
        return {name: getattr(ops, name)(r, zero, **{key: value}) for name, key in losses.items()}

    together = jax.tree.map(np.asarray, jax.jit(jax.vmap(fn))(values))
    for lane, value in enumerate(values):
        contract.assert_close(jax.tree.map(lambda x, lane=lane: x[lane], together), fn(float(value)))
    contract.finite_everywhere(fn, jnp.array(0.0))


def scalar_cross_entropy(logit, label):
    log_yes = -math.log1p(math.exp(-logit)) if logit > -700 else logit
    log_no = -math.log1p(math.exp(logit)) if logit < 700 else -logit
    return -(label * log_yes if label else 0) - ((1 - label) * log_no if label < 1 else 0), log_yes, log_no


@jax.jit
def sigmoid_losses(logits, labels, alpha, gamma):
    return (
        ops.sigmoid_cross_entropy(logits, labels),
        ops.sigmoid_focal_loss(logits, labels, alpha=alpha, gamma=gamma),
    )


@pytest.mark.parametrize("label", [0.0, 0.3, 1.0])
def test_sigmoid_losses_at_every_size_of_logit(label):
    logits = jnp.asarray(LOGITS, jnp.float32)
    labels = jnp.full(LOGITS.size, label)
    scalar = [scalar_cross_entropy(float(x), label) for x in logits]
    cross, _ = sigmoid_losses(logits, labels, -1.0, 0.0)
    contract.assert_close(cross, np.array([loss for loss, _, _ in scalar]), rtol=1e-6, atol=1e-20)
    finite = np.abs(np.asarray(logits)) < 100
    theirs = jax.jit(optax.sigmoid_binary_cross_entropy)(logits, labels)
    contract.assert_close(np.asarray(cross)[finite], np.asarray(theirs)[finite])
    for alpha in (-1.0, 0.0, 0.58, 1.0):
        for gamma in (0.0, 0.5, 2.0):
            weight = alpha * label + (1 - alpha) * (1 - label) if alpha >= 0 else 1
            misses = [label * math.exp(log_no) + (1 - label) * math.exp(log_yes) for _, log_yes, log_no in scalar]
            expected = [weight * miss**gamma * loss for miss, (loss, _, _) in zip(misses, scalar, strict=True)]
            contract.assert_close(
                sigmoid_losses(logits, labels, alpha, gamma)[1], np.array(expected), rtol=2e-5, atol=1e-20
            )
    for gamma in (0.0, 0.5, 2.0):
        contract.finite_everywhere(sigmoid_losses, logits, labels, jnp.array(0.25), jnp.array(gamma), argnums=(0, 1))


def test_the_focal_loss_has_its_slope_in_hard_labels_too(x64):
    logits = jnp.array([-3.0, 0.0, 1.0, 5.0])

    def formula(labels, gamma):
        p = jax.nn.sigmoid(logits)
        miss = (1 - labels) * p + labels * (1 - p)
        cross = labels * jax.nn.softplus(-logits) + (1 - labels) * jax.nn.softplus(logits)
        return jnp.sum((0.25 * labels + 0.75 * (1 - labels)) * miss**gamma * cross)

    expected = jax.jit(jax.grad(formula))
    ours = jax.jit(jax.grad(lambda labels, g: jnp.sum(ops.sigmoid_focal_loss(logits, labels, gamma=g))))
    for label, gamma in itertools.product((0.0, 0.3, 1.0), (0.5, 2.0)):
        labels = jnp.full(4, label)
        contract.assert_close(ours(labels, gamma), expected(labels, gamma), rtol=1e-10)


def test_sigmoid_losses_take_bool_integer_and_half():
    logits, labels = jnp.array([1.0, -2.0]), jnp.array([1, 0])
    for loss in (jax.jit(ops.sigmoid_cross_entropy), compiled.sigmoid_focal_loss):
        expected = loss(logits, labels.astype(jnp.float32))
        contract.assert_close(loss(logits, labels), expected)
        contract.assert_close(loss(logits, labels.astype(bool)), expected)
        half = loss(logits.astype(jnp.bfloat16), labels)
        assert half.dtype == jnp.bfloat16
        contract.assert_close(half, expected, rtol=0.03)
    equal = compiled.sigmoid_focal_loss(logits, labels, alpha=0.3, gamma=1.7)
    theirs = jax.jit(optax.sigmoid_focal_loss)(logits, labels.astype(jnp.float32), alpha=0.3, gamma=1.7)
    contract.assert_close(equal, theirs)


def test_softmax_cross_entropy_equals_its_definition_and_optax():
    logits = (
        jnp.asarray(np.random.default_rng(0).normal(size=(5, 4)), jnp.float32).at[0].set(jnp.array([1e4, 0, -1e4, 3.0]))
    )
    labels = jnp.array([1, 0, 3, 2, -1])
    probabilities = jax.jit(jax.nn.softmax)(logits[::-1])
    for smoothing in (0.0, 0.2):
        ours = compiled.softmax_cross_entropy(logits, labels, label_smoothing=smoothing)
        target = (1 - smoothing) * np.eye(4)[np.asarray(labels)] + smoothing / 4
        z = np.asarray(logits, np.float64)
        log_p = z - z.max(1, keepdims=True) - np.log(np.exp(z - z.max(1, keepdims=True)).sum(1, keepdims=True))
        expected = -(target * log_p).sum(1)
        expected[4] = 0  # an index out of range is padding
        contract.assert_close(ours, expected)
    contract.assert_close(
        compiled.softmax_cross_entropy(logits, probabilities), optax.safe_softmax_cross_entropy(logits, probabilities)
    )
    contract.assert_close(
        compiled.softmax_cross_entropy(logits[:4], labels[:4]),
        optax.softmax_cross_entropy_with_integer_labels(logits[:4], labels[:4]),
    )
    contract.finite_everywhere(
        jax.jit(
            lambda z, p: (ops.softmax_cross_entropy(z, labels, label_smoothing=0.1), ops.softmax_cross_entropy(z, p))
        ),
        logits,
        probabilities,
        argnums=(0, 1),
    )
    assert (np.asarray(jax.jit(jax.jacrev(lambda z: ops.softmax_cross_entropy(z, labels)))(logits))[4] == 0).all()


def test_a_barred_class_costs_nothing():
    logits = jnp.array([1.0, -jnp.inf, 0.0])
    slope = jax.jit(jax.value_and_grad(lambda z, labels, s: ops.softmax_cross_entropy(z, labels, label_smoothing=s)))
    for labels in (jnp.array(0), jnp.array([1.0, 0, 0])):
        loss, gradient = slope(logits, labels, 0.0)
        contract.assert_close(loss, math.log1p(math.exp(-1)))
        contract.assert_close(gradient, np.array([-1, 0, 1]) / (1 + math.e))
        assert np.isposinf(slope(logits, labels, 0.1)[0])  # where each class has its share


def test_class_losses_keep_no_copy_of_the_logits():
    logits, labels = jnp.zeros((64, 512)), jnp.zeros(64, int)
    smooth = functools.partial(ops.softmax_cross_entropy, label_smoothing=0.1)
    for loss in (ops.softmax_cross_entropy, smooth, ops.softmax_focal_loss):
        slope = jax.jit(jax.value_and_grad(lambda z, y, loss=loss: jnp.mean(loss(z, y))))
        memory = slope.lower(logits, labels).compile().memory_analysis()
        assert memory is not None
        assert memory.temp_size_in_bytes < logits.nbytes / 4


def test_labels_of_any_width_name_any_class():
    logits = jnp.zeros((3, 300)).at[1, 100].set(5.0)
    for dtype in (jnp.int8, jnp.int16):
        labels = jnp.array([0, 100, 127], dtype)
        for loss in (compiled.softmax_cross_entropy, compiled.softmax_focal_loss, compiled.multiclass_hinge):
            contract.assert_close(loss(logits, labels), loss(logits, labels.astype(jnp.int32)))


def test_softmax_focal_loss():
    logits = (
        jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), jnp.float32).at[0].set(jnp.array([1e4, 0.0, -1e4]))
    )
    labels, alpha = jnp.array([0, 1, 2, 5]), jnp.array([0.5, 1.0, 2.0])
    ours = compiled.softmax_focal_loss(logits, labels, alpha=alpha, gamma=1.5)
    probabilities = np.asarray(jax.jit(jax.nn.softmax)(logits))
    for i in range(1, 3):
        p = float(probabilities[i, labels[i]])
        contract.assert_close(ours[i], float(alpha[labels[i]]) * (1 - p) ** 1.5 * -math.log(p))
    assert ours[0] == 0
    assert ours[3] == 0
    contract.assert_close(
        compiled.softmax_focal_loss(logits, labels, gamma=0.0), compiled.softmax_cross_entropy(logits, labels)
    )
    # Two classes are one outcome whose logit is the difference.
    contract.assert_close(
        compiled.softmax_focal_loss(logits[:, :2], jnp.zeros(4, int)),
        compiled.sigmoid_focal_loss(logits[:, 0] - logits[:, 1], jnp.ones(4), alpha=-1.0),
    )
    focal = jax.jit(lambda z, g: ops.softmax_focal_loss(z, labels, gamma=g))
    for gamma in (0.0, 0.5, 2.0):
        contract.finite_everywhere(focal, logits, jnp.array(gamma))


def test_hinges():
    scores = jnp.array([2.0, 0.5, -1.0, -1e4])
    labels = jnp.array([1, 1, 1, -1])
    contract.assert_close(compiled.hinge(scores, labels), optax.hinge_loss(scores, labels.astype(jnp.float32)))
    contract.assert_close(compiled.hinge(scores, labels, margin=2.0), np.array([0, 1.5, 3, 0]))
    contract.assert_close(compiled.squared_hinge(scores, labels, margin=2.0), np.array([0, 2.25, 9, 0]))
    contract.assert_close(compiled.squared_hinge(scores, labels), compiled.hinge(scores, labels) ** 2)
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), jnp.float32) * 2
    classes = jnp.array([0, 1, 2, 2])
    expected = [
        max(0.0, *(1 + float(row[j] - row[c]) for j in range(3) if j != c))
        for row, c in zip(rows, classes, strict=True)
    ]
    contract.assert_close(compiled.multiclass_hinge(rows, classes), np.array(expected))
    contract.assert_close(compiled.multiclass_hinge(3 * rows, classes, margin=3.0), 3 * np.array(expected))
    assert compiled.multiclass_hinge(rows, jnp.full(4, -1)).sum() == 0
    losses = jax.jit(
        lambda s, r: (ops.hinge(s, labels), ops.squared_hinge(s, labels), ops.multiclass_hinge(r, classes))
    )
    contract.finite_everywhere(losses, scores, rows.at[0].set(0.0), argnums=(0, 1))


CLASSIFICATION = {
    "sigmoid_cross_entropy": lambda z: ops.sigmoid_cross_entropy(z, jnp.full(z.shape, 0.3, z.dtype)),
    "softmax_cross_entropy": lambda z: ops.softmax_cross_entropy(z, jnp.array([0, 2]), label_smoothing=0.1),
    "sigmoid_focal_loss": lambda z: ops.sigmoid_focal_loss(z, jnp.full(z.shape, 0.3, z.dtype), gamma=1.5),
    "softmax_focal_loss": lambda z: ops.softmax_focal_loss(z, jnp.array([0, 2]), gamma=1.5),
    "hinge": lambda z: ops.hinge(z, jnp.ones(z.shape, int)),
    "squared_hinge": lambda z: ops.squared_hinge(z, jnp.ones(z.shape, int)),
    "multiclass_hinge": lambda z: ops.multiclass_hinge(z, jnp.array([0, 2])),
}


@jax.jit
def classification(logits):
    return {name: loss(logits) for name, loss in CLASSIFICATION.items()}


def test_classification_laws(x64):
    logits = jnp.array([[0.3, -1.2, 2.2], [0.1, 0.7, 1.9]])
    contract.gradients_match(classification, logits)
    contract.vmap_equals_loop(classification, jnp.stack([logits, 1 - logits]))
    contract.lowers_everywhere(classification, logits)
    # NaN in one row stays in that row.
    for name, spoilt in classification(logits.at[0, 0].set(jnp.nan)).items():
        assert np.isfinite(np.asarray(spoilt[1])).all(), name
        assert np.isnan(np.ravel(spoilt[0])[0]), name


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ops.huber(jnp.ones(3), jnp.ones((3, 1))),
            r"huber: 'targets' must have the shape of 'predictions', \(3,\)",
        ),
        (lambda: ops.squared_error(jnp.ones(3, int), jnp.ones(3)), "'predictions' must be floating, got int32"),
        (lambda: ops.sigmoid_cross_entropy(jnp.ones(3), jnp.ones(1)), "'labels' must have the shape of 'logits'"),
        (
            lambda: ops.softmax_cross_entropy(jnp.ones((2, 3)), jnp.ones(3, int)),
            r"integer 'labels' must have shape \(2,\)",
        ),
        (lambda: ops.softmax_cross_entropy(jnp.ones((2, 3)), jnp.ones(2)), "For class indices pass integers"),
        (lambda: ops.softmax_cross_entropy(jnp.ones(()), jnp.ones((), int)), "last axis of classes"),
        (lambda: ops.softmax_focal_loss(jnp.ones((2, 1)), jnp.ones(2, int)), "at least 2 classes"),
        (lambda: ops.softmax_focal_loss(jnp.ones((2, 3)), jnp.ones(3, int)), r"'labels' must have shape \(2,\)"),
        (
            lambda: ops.softmax_focal_loss(jnp.ones((2, 3)), jnp.ones(2, int), alpha=jnp.ones(2)),
            r"'alpha' must have shape \(k,\) with k=3",
        ),
        (lambda: ops.hinge(jnp.ones(3), jnp.ones(2)), "hinge: 'labels' must have the shape"),
    ],
)
def test_errors_say_what_to_change(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_cross_entropy_with_a_logit_falls_with_its_label_by_the_logit():
    """-y log p - (1 - y) log (1 - p) is linear in y, with slope -logit: what trains on soft labels relies on."""
    logits = jnp.array([-50.0, -1.0, 0.0, 3.0, 200.0])
    labels = jnp.array([0.0, 0.3, 0.5, 1.0, 0.9])
    slope = jax.jit(jax.grad(lambda y: jnp.sum(ops.sigmoid_cross_entropy(logits, y))))(labels)
    np.testing.assert_allclose(slope, -logits, rtol=1e-6)
