"""What is wrong with an experiment is found before anything is computed: from its text, or on made-up numbers."""

from pathlib import Path

import pytest

from jaxml.config import load_study
from jaxml.config.source import check_source
from jaxml.errors import ConfigError, JaxmlError, RunError, TrialError
from jaxml.runner.rehearsal import rehearse
from jaxml.scaffold import scaffold

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXML_CACHE", str(tmp_path / "cache"))
    scaffold("demo", tmp_path)
    return tmp_path


def edited(project, old, new, path="experiments/demo.py"):
    text = (project / path).read_text()
    assert old in text
    (project / path).write_text(text.replace(old, new, 1))
    return load_study(project / "configs/demo.yaml")


ESTIMATE = "    estimate = jnp.mean"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(noise_key, (n,))", "(noise_kex, (n,))", r"demo.py, line 20: the name 'noise_kex' is not defined"),
        ("jnp.mean(x)", "jnq.mean(x)", "the name 'jnq' is not defined. Did you mean 'jnp'"),
        (ESTIMATE, "    if outliers > 0.2:\n        x = x + 1\n" + ESTIMATE, r"line 22: 'outliers' is traced"),
        (ESTIMATE, "    x = x if outliers else -x\n" + ESTIMATE, r"declare 'outliers: Static\[float\]'"),
        (
            ESTIMATE,
            "    big = 2 * outliers\n    if big > 0.2:\n        x = x + 1\n" + ESTIMATE,
            "line 23: 'big' is traced",
        ),
        (ESTIMATE, "    while outliers * n > 0.2:\n        x = x + 1\n" + ESTIMATE, r"'outliers \* n' is traced"),
        (ESTIMATE, "    assert not outliers >= 1 or n\n" + ESTIMATE, "'outliers' is traced"),
        ('{"error"', '{"err"', r"demo.yaml, line \d+: .*metric: the trial returns no 'error'. Did you mean 'err'"),
        ('{"error": jnp.abs(estimate)}', '{"error": {"abs": estimate}}', "no 'error'. Did you mean 'error.abs'"),
    ],
)
def test_the_text_alone_tells(project, old, new, message):
    loaded = edited(project, old, new)
    with pytest.raises(JaxmlError, match=message):
        check_source(loaded)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    return {", "    found = {}\n    found |= {'error': 0.0}\n    return found or {"),
        (ESTIMATE, "    if outliers is None:\n        x = x + 1\n" + ESTIMATE),
        (ESTIMATE, "    outliers = 0.1\n    if outliers > 0.2:\n        x = x + 1\n" + ESTIMATE),
        (ESTIMATE, "    def g(outliers):\n        return 1 if outliers > 0 else 2\n\n    x = x * g(1)\n" + ESTIMATE),
        (ESTIMATE, "    big = x.shape[0] * 2\n    if big > 0.2:\n        x = x + outliers\n" + ESTIMATE),
        (ESTIMATE, "    y = outliers\n    y = n\n    if y > 2:\n        x = x + 1\n" + ESTIMATE),
        (ESTIMATE, "    x = x + sum(i * j for i in range(2) for j in [i])\n" + ESTIMATE),
        ("import jax\n", "import jax\nfrom math import *\n"),
        ("def trial(", "def helper():\n    global late\n    late = __file__\n\n\ndef trial("),
        ("    trial=trial,", "    trial=trial,\n    **{},"),
    ],
)
def test_what_is_not_certain_is_no_alarm(project, old, new):
    check_source(edited(project, old, new))


@pytest.mark.parametrize("config", sorted(path.stem for path in (ROOT / "configs").glob("*.yaml")))
def test_no_experiment_of_this_project_raises_an_alarm(config):
    check_source(load_study(ROOT / f"configs/{config}.yaml"))


def test_a_good_config_is_rehearsed(project):
    rehearse(load_study(project / "configs/demo.yaml"))


@pytest.mark.parametrize(
    ("metric", "error", "message"),
    [
        ("lambda r: r.error.max('outlier')", ValueError, "'outlier' not found"),
        ("lambda r: r.error.max('seed')", RunError, "metric 'worst' must return .* keeps the axis 'seed'"),
        ("lambda r: 1 / 0", ZeroDivisionError, "division"),
        ("lambda r: r.error.astype(str)", RunError, "metric 'worst' must return numbers, got an array of <U"),
        ("lambda r: r.error.expand_dims({'a/b': 2})", RunError, "metric 'worst' has an axis whose name 'a/b' holds"),
        ("3", ConfigError, "the metric 'worst' is 3, and not a function of the results"),
        ("len, 'a/b': len", ConfigError, "the metric 'a/b' holds a '/'"),
        ("len, 'outliers': len", ConfigError, "the metric 'outliers' is called like an axis of the results"),
        ("len, 'nonfinite': len", ConfigError, "the metric 'nonfinite' is called like an axis of the results"),
        ("lambda r: r.error.expand_dims(more=2)", ConfigError, r"'worst' still has the axes \('more', 'seed'\)"),
    ],
)
def test_an_metric_is_tried_on_made_up_numbers(project, metric, error, message):
    edited(project, "metric: error", "metric: worst", "configs/demo.yaml")
    loaded = edited(project, "    trial=trial,", f"    trial=trial,\n    metrics={{'worst': {metric}}},")
    with pytest.raises(error, match=message):
        rehearse(loaded)


def test_a_static_point_that_cannot_be_traced_is_named(project):
    loaded = edited(project, "if estimator ==", "if estimator == 'median' and x[0] > 0 or estimator ==")
    with pytest.raises(TrialError, match=r"cannot be traced at .*estimator=median: TracerBool"):
        rehearse(loaded)


def test_the_project_that_make_resilience_runs_is_good(tmp_path):
    from jaxml.explore.mapping import check_maps
    from tests.resilience.project import Project

    check_maps(load_study(Project.create(tmp_path).root / "configs/toy.yaml"))
