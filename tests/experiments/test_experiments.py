"""Every config runs from end to end on small shapes; what an experiment computes is held to exact answers."""

import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.special import xlogy
from scipy.stats import entropy, norm, spearmanr
from sklearn.metrics import roc_auc_score, roc_curve

import jaxml
from jaxml.experiment import load_experiment, project_root
from jaxml.learn import fit_huber, fit_least_squares, linear_predictor

COMPILED = ("double_descent", "l1_sparsity")
"""The configs that run here as they are; the others run uncompiled in `test_dry_runs`, and their trials below."""
CONFIGS = [Path(__file__).parents[2] / "configs" / f"{name}.yaml" for name in COMPILED]
SMALL = {
    "double_descent": ("n=8", "d=3", "largest=320", "test_rows=5"),
    "l1_sparsity": ("lam=0.0,0.001,0.1", "n=20", "d=10"),
}
"""Overrides that shrink a run; the grid must still hold every value that a claim names."""


@pytest.fixture
def as_users_run_it(monkeypatch, tmp_path_factory):
    """JAX's own promotion rules, a private cache of programs; whatever a run sets is set back."""
    monkeypatch.setenv("JAXML_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    names = ("jax_enable_x64", "jax_numpy_dtype_promotion", "jax_numpy_rank_promotion")
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_numpy_dtype_promotion", "standard")
    jax.config.update("jax_numpy_rank_promotion", "allow")
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def module(name):
    """An experiment's module, imported as a run imports it."""
    load_experiment(name, project_root(CONFIGS[0]))
    return sys.modules[f"experiments.{name}"]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_config_runs_from_end_to_end(config, tmp_path, as_users_run_it):
    run = jaxml.run(config, SMALL.get(config.stem, ()), runs=tmp_path, smoke=True)
    assert run.directory.status == "finished"
    assert run.verdicts.status == "exploratory"
    assert not run.results.nonfinite.any()
    assert (run.path / "report.html").stat().st_size > 10_000
    for finding in run.verdicts.findings:
        if finding.kind == "contrast":
            assert finding.detail["margin_reason"]
            assert {check.role for check in finding.checks} == {"negative control", "positive control"}


# The worked example: nine predictions off by 0.1, one by 999.
SHARES = {
    "squared": (999**2 / (999**2 + 9 * 0.1**2), 999 / (999 + 9 * 0.1)),
    "absolute": (999 / (999 + 9 * 0.1), 1 / 10),
    "smooth": (998.5 / (998.5 + 9 * 0.1**2 / 2), 1 / (1 + 9 * 0.1)),
}


def test_the_shares_of_the_worked_example_are_exact(x64):
    numbers = module("outlier_shares").experiment.numbers
    found = [numbers["loss"](), numbers["gradient"]()]
    for loss, shares in SHARES.items():
        np.testing.assert_allclose([of[loss] for of in found], shares, rtol=1e-12)


def reference_decades(trial_arguments, key, phi, slope):
    """Decades lost by the chain rule, layer by layer in NumPy, with the weights that the trial draws."""
    width, batch, depth = (trial_arguments[name] for name in ("width", "batch", "depth"))
    weight_key, input_key = jax.random.split(key)
    h, top = np.asarray(jax.random.normal(input_key, (2, batch, width)))
    weights, slopes, residual = [], [], trial_arguments["block"] == "residual"
    for layer in range(depth):
        own = jax.random.fold_in(weight_key, layer)
        draw = jax.random.uniform(own, (width, width), jnp.float32, -1.0, 1.0)
        W = trial_arguments["sigma_w"] * np.asarray(draw, float) * np.sqrt(3 / width)
        z = h @ W
        weights.append(W)
        slopes.append(slope(z))
        h = phi(z) + (h if residual else 0)
    gradient = top
    for W, factor in zip(weights[:0:-1], slopes[:0:-1], strict=True):
        gradient = (gradient * factor) @ W.T + (gradient if residual else 0)
    return np.log10((top**2).sum()) - np.log10((gradient**2).sum())


@pytest.mark.parametrize("block", ["plain", "residual"])
def test_decades_lost_follow_the_chain_rule_at_any_padding(block, x64):
    trial = module("signal_propagation").trial
    given = {"sigma_w": 1.3, "depth": 5, "block": block, "width": 7, "batch": 3}
    key = jax.random.key(4)
    exact = reference_decades(given, key, np.tanh, lambda z: 1 - np.tanh(z) ** 2)
    for deepest in (5, 9):
        out = jax.jit(lambda: trial(key, activation="tanh", deepest=deepest, **given))()  # noqa: B023
        assert float(out["decades_lost"]) == pytest.approx(exact, rel=1e-12)
        assert float(out["slope"]) == pytest.approx(-exact / 4, rel=1e-12)


def test_an_orthogonal_linear_network_moves_by_its_weights_alone(x64):
    trial = module("signal_propagation").trial
    slope = jax.jit(
        lambda s: trial(jax.random.key(0), sigma_w=s, depth=9, activation="orthogonal", width=6, deepest=9)["slope"]
    )
    for sigma_w in (1.0, 0.5, 3.0):
        assert float(slope(sigma_w)) == pytest.approx(2 * np.log10(sigma_w), abs=1e-12)


def test_batch_norm_makes_the_size_of_weights_irrelevant(x64):
    trial = module("signal_propagation").trial
    slope = jax.jit(
        lambda s: trial(jax.random.key(0), sigma_w=s, depth=6, block="batch norm", width=6, deepest=6)["slope"]
    )
    assert float(slope(30.0)) == pytest.approx(float(slope(300.0)), rel=1e-4)  # but for the 1e-5 under the root


def test_theory_agrees_with_its_closed_forms(x64):
    factors, sigma_w = module("signal_propagation").factors, np.array([0.3, 1.0, 4.0, 20.0])
    np.testing.assert_allclose(factors("relu", np.array([np.sqrt(2)]), 5), 0, atol=1e-12)
    np.testing.assert_allclose(factors("orthogonal", sigma_w, 3), np.log10(sigma_w**2)[:, None] * np.ones(3))
    # phi = erf(sqrt(pi) z / 2): E[phi'^2] = 1 / sqrt(1 + pi q), E[phi^2] = 2/pi asin(t / (1 + t)), t = pi q / 2
    q, exact = sigma_w**2, []
    for _ in range(4):
        exact.append(np.log10(sigma_w**2 / np.sqrt(1 + np.pi * q)))
        t = np.pi * q / 2
        q = sigma_w**2 * 2 / np.pi * np.arcsin(t / (1 + t))
    np.testing.assert_allclose(factors("erf", sigma_w, 4), np.stack(exact, 1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(factors("tanh", np.array([1e-3]), 3), -6, atol=1e-5)  # chi -> sigma_w^2 phi'(0)^2


def test_masked_features_give_the_solution_of_least_norm(x64):
    trial, key = module("double_descent").trial, jax.random.key(2)
    given = {"noise": 0.5, "n": 8, "d": 3, "test_rows": 5}
    X = jax.random.normal(jax.random.split(key, 3)[0], (13, 4))
    truth = jax.random.normal(jax.random.split(key, 3)[2], (3,)) / np.sqrt(3)
    y, run = np.asarray(X[:8, :3] @ truth + 0.5 * X[:8, 3]), jax.jit(partial(trial, largest=24, **given))
    drawn = jax.random.normal(jax.random.split(key, 3)[1], (3, 24))
    features = np.maximum(np.asarray(X[:, :3] @ drawn), 0) / np.sqrt(3)
    for ratio in (0.5, 1.5, 3.0):
        kept = features[:, : int(8 * ratio)]
        predictions = kept[8:] @ (np.linalg.pinv(kept[:8]) @ y)
        exact = np.mean((predictions - np.asarray(X[8:, :3] @ truth)) ** 2)
        assert float(run(key, ratio=ratio)["test_error"]) == pytest.approx(exact, rel=1e-6)


def test_outlier_fits_are_the_minimisers_of_their_losses():
    outliers, key = module("outliers"), jax.random.key(1)
    X, y, rows, column = outliers.draw(jax.random.split(key)[0], "planted", 60, 3)
    X, y, bad = np.array(X), np.asarray(y), np.arange(rows) < 6
    A, target = X[:rows].copy(), y[:rows] + np.where(bad, np.float32(8), np.float32(0))
    A[:, int(column)] += np.where(bad, np.float32(2), np.float32(0))
    fits = jax.jit(lambda A, y: {"squared": fit_least_squares(A, y), "smooth_l1": fit_huber(A, y, delta=1.0)})(
        A, target
    )
    for loss, fit in fits.items():
        given = {"fraction": 0.1, "size": 8.0, "leverage": 2.0, "loss": loss, "problem": "planted", "n": 60, "d": 3}
        out = jax.jit(partial(outliers.trial, **given))(key)
        predicted = np.asarray(jax.jit(linear_predictor)(fit.params, X))
        error = np.abs(predicted[rows:] - y[rows:]).mean()
        assert float(out["error"]) == pytest.approx(float(error), rel=1e-3)
        residual = np.abs(np.asarray(jax.jit(linear_predictor)(fit.params, A)) - target)
        slopes = residual if loss == "squared" else np.minimum(residual, 1.0)
        assert float(out["gradient_share"]) == pytest.approx(float(slopes[:6].sum() / slopes.sum()), rel=1e-3)


def test_a_redescending_loss_ignores_what_lies_far_off():
    trial = module("outliers").trial
    given = {"loss": "tukey", "problem": "planted", "n": 60, "d": 3, "fraction": 0.1}
    clean, spoilt = (jax.jit(lambda size: trial(jax.random.key(1), size=size, **given))(size) for size in (0.0, 1000.0))
    assert float(spoilt["gradient_share"]) == 0
    assert float(spoilt["error"]) == pytest.approx(float(clean["error"]), rel=0.1)


def test_roc_statistics_agree_with_scikit_learn():
    auc, key, n = module("auc"), jax.random.key(3), 200
    z = jax.jit(lambda key: jax.random.normal(key, (n,)))(key)
    label = np.arange(n) < 40
    fpr, tpr, _ = roc_curve(label, np.asarray(z) + 1.5 * label)
    out = jax.jit(partial(auc.trial, n=n))(key, separation=1.5, prevalence=0.2)
    assert float(out["auc"]) == pytest.approx(roc_auc_score(label, np.asarray(z) + 1.5 * label), abs=1e-6)
    assert float(out["youden"]) == pytest.approx((tpr - fpr).max(), abs=1e-6)
    order = np.argsort(-(np.asarray(z) + 1.5 * label))
    called, even = np.arange(n)[:, None] >= np.argsort(order)[None], np.arange(n) % 2 == 0
    here, there = (called[:, own & label].mean(1) - called[:, own & ~label].mean(1) for own in (even, ~even))
    best = np.abs(here).argmax()
    assert float(out["youden_held_out"]) == pytest.approx(np.sign(here[best]) * there[best], abs=1e-6)
    precision = np.cumsum(label[order]) / np.arange(1, n + 1)
    assert float(out["tpr_with_precision"]) == pytest.approx(spearmanr(np.arange(n), precision)[0], abs=2e-3)  # ties


@pytest.fixture(scope="module")
def many_scores():
    """The trial of the AUC with many scores, compiled once."""
    return jax.jit(partial(module("auc").trial, n=200_000))


@pytest.mark.parametrize("upward", [0.5, 0.2, 1.0])
def test_mixtures_whose_auc_is_one_half_tell_what_quadrature_says(upward, many_scores):
    auc, a, share = module("auc"), 2.0, 0.2
    b = float(jax.jit(auc.lowered)(a, upward))
    out = many_scores(jax.random.key(0), separation=a, upward=upward, prevalence=share)
    assert float(out["auc"]) == pytest.approx(0.5 if upward < 1 else norm.cdf(a / np.sqrt(2)), abs=5e-3)
    s = np.linspace(-9, 9, 4001)
    negatives, positives = norm.pdf(s), upward * norm.pdf(s - a) + (1 - upward) * norm.pdf(s + b)
    both = share * positives + (1 - share) * negatives
    information = trapezoid(share * xlogy(positives, positives / both), s)
    information += trapezoid((1 - share) * xlogy(negatives, negatives / both), s)
    assert float(out["explained"]) == pytest.approx(information / entropy([share, 1 - share]), abs=5e-3)
    assert float(out["youden"]) == pytest.approx(auc.expected_youden({"separation": a, "upward": upward}), abs=1e-2)
    assert float(out["youden_held_out"]) == pytest.approx(float(out["youden"]), abs=1e-2)
