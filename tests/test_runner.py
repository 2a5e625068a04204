"""One YAML file to a verdict: the whole way, on the scaffold that `jaxml new` writes."""

import json
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas
import pytest

import jaxml
from jaxml.claims.finding import Finding
from jaxml.claims.verdict import ClaimVerdict
from jaxml.errors import ConfigError, RunError, StoreError
from jaxml.runs.comparison import export, read_verdicts
from jaxml.runs.directory import RunDirectory, find_runs
from jaxml.scaffold import scaffold
from tests.commands import command

FILES = {
    "config.yaml",
    "resolved.yaml",
    "spec.json",
    "environment.json",
    "results.zarr",
    "verdicts.json",
    "report.html",
}


pytestmark = pytest.mark.usefixtures("private_cache")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    scaffold("demo", root)
    return root


@pytest.fixture(scope="module")
def finished(project):
    return jaxml.run(project / "configs/demo.yaml", runs=project / "runs")


COMMAND = [sys.executable, "-c", "from jaxml.cli import main; main()"]


def test_a_run_leaves_everything_needed_to_repeat_it(project, finished):
    assert {path.name for path in finished.path.iterdir()} >= FILES | {"status.json", "log.txt"}
    assert (finished.path / "config.yaml").read_bytes() == (project / "configs/demo.yaml").read_bytes()
    environment = finished.directory.read_json("environment.json")
    assert environment["command"].startswith("jaxml run ")
    assert environment["packages"]["jax"]
    assert finished.directory.status == "finished"
    assert not list(finished.path.rglob("*.pkl"))


def test_the_verdict_follows_from_the_results(finished):
    (card,) = finished.verdicts.findings
    error = finished.results.error.sel(outliers=0.1, method="nearest")
    theta = (error.sel(estimator="mean") - error.sel(estimator="median")).values
    np.testing.assert_allclose(card.cells[0].theta, theta, rtol=1e-6)
    assert card.verdict.verdict == "supported"
    assert [control.passed for control in card.checks] == [True, True]
    assert card.cells[0].decision.estimate == pytest.approx(theta[: card.cells[0].decision.seeds].mean(), rel=1e-6)


def test_results_are_labelled(finished):
    assert dict(finished.results.sizes) == {"estimator": 2, "outliers": 9, "seed": 64}
    assert "iframe" in finished.report()._repr_html_()
    assert "SUPPORTED" in finished._repr_html_()


def test_the_same_config_twice_gives_equal_results_and_other_chunks_equal_verdicts(project, finished):
    again = jaxml.run(project / "configs/demo.yaml", runs=project / "runs")
    assert again.path != finished.path
    np.testing.assert_array_equal(again.results.error, finished.results.error)
    assert again.verdicts.to_json() == finished.verdicts.to_json()
    small = jaxml.run(project / "configs/demo.yaml", ["lanes=64"], runs=project / "runs")
    np.testing.assert_allclose(small.results.error, finished.results.error, rtol=1e-5, atol=1e-6)
    assert small.verdicts.status == "confirmatory"
    assert [c.verdict for c in small.verdicts.findings] == [c.verdict for c in finished.verdicts.findings]


@pytest.mark.parametrize(
    ("rehash", "why"), [(False, "edited after it was frozen"), (True, "the results were computed under spec")]
)
def test_an_edited_spec_decides_nothing(finished, tmp_path, rehash, why):
    from jaxml.claims.spec import spec_hash
    from jaxml.runner import judge_again

    copy = RunDirectory(tmp_path / "copy")
    shutil.copytree(finished.path, copy.path)
    assert judge_again(copy).status == "confirmatory"
    held = copy.read_json("spec.json")
    held["spec"]["claims"]["median-resists"]["margin"]["value"] = 0.01
    held["sha256"] = spec_hash(held["spec"]) if rehash else held["sha256"]
    copy.write_json("spec.json", held)
    with pytest.raises(RunError, match=r"spec.json was changed. No verdict is given"):
        judge_again(copy)
    copy.seal()  # even so
    verdicts = judge_again(copy)
    assert verdicts.status == "exploratory"
    assert why in verdicts.why
    assert verdicts.word(verdicts.findings[0]) == "exploratory"


def test_a_sabotaged_control_makes_the_verdict_invalid(project):
    text = (project / "configs/demo.yaml").read_text()
    (project / "configs/sabotaged.yaml").write_text(text.replace("where: {outliers: 0.0}", "where: {outliers: 0.2}"))
    (card,) = jaxml.run(project / "configs/sabotaged.yaml", runs=project / "runs").verdicts.findings
    assert card.verdict.verdict == "invalid"
    assert "without outliers the mean is as good" in card.verdict.reason


def test_an_unknown_metric_is_named_before_anything_is_written(project):
    text = (project / "configs/demo.yaml").read_text()
    (project / "configs/typo.yaml").write_text(text.replace("metric: error", "metric: eror"))
    with pytest.raises(ConfigError, match=r"typo.yaml, line \d+: .*no 'eror'. Did you mean 'error'"):
        jaxml.run(project / "configs/typo.yaml", runs=project / "empty")
    assert not (project / "empty").exists()


def test_the_commands(project, finished):
    shown = command(project, "show", "--json", str(finished.path))
    assert json.loads(shown.stdout)["findings"][0]["verdict"]["verdict"] == "supported"
    listed = json.loads(command(project, "list", "--json").stdout)
    assert str(finished.path.relative_to(project)) in [run["path"] for run in listed["runs"]]
    assert listed["configs"][0]["claims"] == 1
    assert "supported" in command(project, "show", str(finished.path)).stdout.lower()
    report = finished.path / "report.html"
    before = report.stat().st_mtime_ns
    assert command(project, "report", str(finished.path)).returncode == 0
    assert report.stat().st_mtime_ns > before


def test_a_cell_is_shown_and_replayed_alone(project, finished):
    from jaxml.runner.replay import read_cell, replay

    cell = "estimator=median,outliers=0.1,seed=3"
    shown = json.loads(command(project, "show", str(finished.path), "--cell", cell, "--json").stdout)
    rows = json.loads(command(project, "replay", str(finished.path), "--cell", cell, "--json").stdout)
    assert rows["error"]["stored"] == pytest.approx(shown["error"])
    assert rows["error"]["difference"] < 1e-5
    stored = finished.results.error.sel(estimator="median", seed=3).sel(outliers=0.1, method="nearest")
    assert shown["error"] == pytest.approx(float(stored))
    for wrong, message in [
        ("estimator=median", "say which 'outliers' is meant"),
        ("estimator=median,outliers=0.1", "name the seed too"),
        ("estimator=median,outliers=0.1,seed=99", "99 is not among 0 .. 63"),
        ("estimator", "name=value"),
        ("estimater=mean", "Did you mean 'estimator'"),
    ]:
        with pytest.raises(ConfigError, match=message):
            replay(finished.directory, read_cell(wrong), project)


def test_compare_shows_only_what_differs(project, finished):
    other = jaxml.run(project / "configs/demo.yaml", ["n=51"], runs=project / "runs")
    found = json.loads(command(project, "compare", str(finished.path), str(other.path), "--json").stdout)
    assert found["spec"] == {
        "fixed.n": [101, 51],
        "exploratory": [None, "the command line changed what the config file declares"],
    }
    assert found["environment"] == {}
    assert found["verdicts"] == {"median-resists": ["supported", "exploratory"]}
    assert found["results"]["error"]["largest"] > 0
    assert command(project, "compare", str(finished.path), str(finished.path)).stdout.count("the same") == 4


@pytest.mark.parametrize("kind", ["csv", "netcdf"])
def test_export_holds_the_results(finished, tmp_path, kind):
    import pandas
    import xarray

    path = export(finished.directory, kind, tmp_path / "out")
    if kind == "csv":
        table = pandas.read_csv(path)
        assert len(table) == 2 * 9 * 64
        assert table.error.sum() == pytest.approx(float(finished.results.error.sum()), rel=1e-5)
    else:
        xarray.testing.assert_allclose(xarray.load_dataset(path, engine="scipy").error, finished.results.error)
    with pytest.raises(ConfigError, match=r"'parquet' is not one of csv, netcdf, mlflow"):
        export(finished.directory, "parquet")


class Tracking:
    """An MLflow client that keeps what it is given; names as MLflow 3 has them."""

    def __init__(self, tracking_uri):
        self.groups, self.runs = {}, {}

    def get_experiment_by_name(self, name):
        return self.groups.get(name)

    def create_experiment(self, name):
        self.groups[name] = SimpleNamespace(experiment_id=f"group {name}")
        return self.groups[name].experiment_id

    def create_run(self, experiment_id, start_time=None, tags=None, run_name=None):
        info = SimpleNamespace(run_id=str(len(self.runs)), group=experiment_id, name=run_name, status="RUNNING")
        self.runs[info.run_id] = SimpleNamespace(info=info, tags=tags, params={}, metrics={}, start=start_time)
        return self.runs[info.run_id]

    def log_batch(self, run_id, metrics=(), params=(), tags=()):
        assert len(metrics) + len(params) <= 1000
        self.runs[run_id].params |= dict(params)
        for key, value, _, step in metrics:
            self.runs[run_id].metrics[key, step] = value

    def set_terminated(self, run_id, status=None, end_time=None):
        self.runs[run_id].info.status = status

    def search_runs(self, experiment_ids, filter_string="", page_token=None):
        name = filter_string.removeprefix("tags.`jaxml.run` = '").removesuffix("'")
        alive = [r for r in self.runs.values() if r.info.status != "deleted" and r.tags["jaxml.run"] == name]
        page = type("Page", (list,), {"token": "more" if len(alive) > 7 else None})
        return page(alive[:7])

    def delete_run(self, run_id):
        self.runs[run_id].info.status = "deleted"


def test_export_to_mlflow(finished, tmp_path, monkeypatch):
    """By MLflow's own client; a second export takes the place of the first, and exact claims are among the verdicts."""
    client, uris = Tracking(""), []
    entities = SimpleNamespace(Metric=lambda *given: given, Param=lambda *given: given)
    made = SimpleNamespace(
        MlflowClient=lambda tracking_uri: uris.append(tracking_uri) or client,
        MlflowException=RuntimeError,
        get_tracking_uri=lambda: "http://localhost:5000",
        entities=entities,
    )
    monkeypatch.setitem(sys.modules, "mlflow", made)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    verdict = ClaimVerdict(verdict="refuted", quantifier="exact", reason="")
    exact = Finding(id="M1", kind="suite", statement="Exactly.", source=None, verdict=verdict, cells=[], checks=[])
    held = replace(finished.verdicts, findings=[*finished.verdicts.findings, exact])
    monkeypatch.setattr(RunDirectory, "verdicts", lambda self: held)
    assert export(finished.directory, "mlflow") == "http://localhost:5000"
    export(finished.directory, "mlflow", tmp_path / "ml.db")
    assert uris == ["http://localhost:5000", f"sqlite:///{tmp_path}/ml.db"]
    runs = {run.info.name: run for run in client.runs.values() if run.info.status != "deleted"}
    assert len(runs) == len(client.runs) / 2 == 1 + 2 * 9
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    parent, child = runs[finished.path.name], runs["estimator=median, outliers=0.1"]
    assert (parent.tags["verdict.median-resists"], parent.tags["verdict.M1"]) == ("supported", "refuted")
    assert child.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.params["outliers"] == "0.1"
    here = finished.results.error.sel(estimator="median").sel(outliers=0.1, method="nearest")
    assert child.metrics["error", 0] == pytest.approx(float(here.mean()), rel=1e-6)
    assert child.metrics["error_sd", 0] == pytest.approx(float(here.astype(float).std()), rel=1e-6)


def test_export_says_when_mlflow_is_missing_or_refuses(finished, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError, match=r"MLflow is not installed. Run: pip install 'jaxml\[mlflow\]'"):
        export(finished.directory, "mlflow")

    def refuse(tracking_uri):
        raise RuntimeError("this store is in maintenance mode")

    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=refuse, MlflowException=RuntimeError))
    with pytest.raises(StoreError, match=r"file:/mlruns: MLflow cannot write here: this store is in maintenance"):
        export(finished.directory, "mlflow", "file:/mlruns")
    with pytest.raises(ConfigError, match=r"is a folder, and MLflow keeps a database. Name a file: .*/mlflow.db"):
        export(finished.directory, "mlflow", tmp_path)


def test_against_earlier_verdicts(project, finished):
    earlier = finished.path / "verdicts.json"
    assert command(project, "run", "configs/demo.yaml", "--against", str(earlier)).returncode == 0
    changed = project / "changed.json"
    changed.write_text(earlier.read_text().replace('"verdict": "supported"', '"verdict": "refuted"'))
    done = command(project, "run", "configs/demo.yaml", "--against", str(changed))
    assert done.returncode == 1
    assert "changed: median-resists was refuted, is supported" in done.stderr
    assert command(project, "run", "configs/demo.yaml", "--against", "/nowhere").returncode == 2


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"findings": "abc"}', 200_000 * "["])
def test_what_holds_no_verdicts_is_named(tmp_path, text):
    path = tmp_path / "earlier.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"earlier\.json: no verdicts can be read here"):
        read_verdicts(path)


def test_a_full_disk_is_told_and_noted(project):
    arguments = ["run", "configs/demo.yaml", "--runs", "full"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        done = command(project, *arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert done.returncode == 3
    assert "cannot be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    (left,) = find_runs(project / "full")
    assert left.status == "failed"
    assert command(project, *arguments).returncode == 0
    assert left.status == "finished"


def test_plan_tells_what_it_costs_and_what_it_can_see(project):
    from jaxml.runner.planning import describe

    told = describe(project / "configs/demo.yaml", probe=True)
    assert told["sweep"]["programs"] == 2
    assert told["sweep"]["trials"] == 2 * 9 * 64
    assert told["sweep"]["seconds"] > 0
    assert [look["seeds"] for look in told["looks"]] == [16, 32, 64]
    assert told["looks"][0]["resolves"] > told["looks"][2]["resolves"]
    printed = command(project, "plan", "configs/demo.yaml").stdout
    assert "median-resists" in printed
    assert "programs" in printed


def test_exit_codes(project, finished, tmp_path):
    text = (project / "configs/demo.yaml").read_text()
    (project / "configs/wrong.yaml").write_text(text.replace("direction: smaller", "direction: larger"))
    strict = command(project, "run", "configs/wrong.yaml", "--strict", "--json")
    assert strict.returncode == 1, strict.stderr
    assert json.loads(strict.stdout)["findings"][0]["verdict"]["verdict"] in ("invalid", "refuted")
    for arguments, message in [
        (["run", "configs/no.yaml"], "no such file"),
        (["run"], "Missing argument 'CONFIG'."),
        (["describe", "resnet50", "--input", "0"], "Invalid value for '--input': "),
        (["nonsense"], "nonsense"),
        (["show", "/nowhere"], "not a run directory"),
        (["new", "../evil"], "not a name"),
        (["new", "demo"], "is there already"),
        (["run", "configs/demo.yaml", "--runs", "/proc/none"], "no run directory can be made"),
    ]:
        done = command(project, *arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "evil.py").exists()


def test_a_trial_that_breaks_is_told_without_a_traceback_and_noted(project):
    source = (project / "experiments/demo.py").read_text()
    (project / "experiments/broken.py").write_text(source.replace("if estimator", "if outliers > 0.2 and estimator"))
    text = (project / "configs/demo.yaml").read_text().replace("experiment: demo", "experiment: broken")
    (project / "configs/broken.yaml").write_text(text)
    done = command(project, "run", "configs/broken.yaml")
    assert done.returncode == 2
    assert "outliers" in done.stderr
    assert "Static[float]" in done.stderr
    assert "Traceback" not in done.stderr


HOLES = """
import jax.numpy as jnp
from jaxml import Experiment, curve


def trial(key, *, x: float, n: int = 1):
    if n == 2:
        raise ValueError("no two")
    return {"count": n, "path": curve(x * jnp.arange(3.0), "step"), "width": curve(jnp.arange(2), "layer")}


experiment = Experiment(trial=trial)
"""


def test_a_static_point_that_cannot_be_traced_is_nan_and_stops_nobody(project):
    (project / "experiments/holes.py").write_text(HOLES)
    config = "experiment: holes\ntitle: Holes\nseeds: 2\nlooks: [2]\nsweep: {x: [1.0, 2.0], n: [1, 2, 4]}\n"
    (project / "configs/holes.yaml").write_text(config)
    with (
        pytest.warns(RuntimeWarning, match="n=2: ValueError: no two"),
        pytest.raises(RunError, match="1 static point could not be computed, the rest is complete: n=2"),
    ):
        jaxml.run(project / "configs/holes.yaml", runs=project / "holes")
    (directory,) = find_runs(project / "holes")
    results = directory.results()
    assert np.isnan(results["count"].sel(n=2)).all()
    assert (results["count"].sel(n=4) == 4).all()

    table = pandas.read_csv(export(directory, "csv"))
    assert len(table) == 12 * (1 + 3 + 2)  # a row for each trial, each of its steps and each of its layers
    assert table["count"].mean() == 2.5
    assert table.path.count() == 8 * 3
    assert table.groupby("layer").width.mean().tolist() == [0, 1]


SLOW = '''
import jax, jax.numpy as jnp
from jaxml import Experiment


def trial(key: jax.Array, *, x: float, work: int = 2_000_000) -> dict[str, jax.Array]:
    """Spin for a while."""
    step = lambda _, value: jnp.sin(value + x)
    return {"y": jax.lax.fori_loop(0, work, step, jax.random.normal(key))}


experiment = Experiment(trial=trial)
'''


def test_an_interrupted_run_says_so_and_the_same_command_continues_it(project):
    (project / "experiments/slow.py").write_text(SLOW)
    sweep = "sweep: {x: {linspace: [0.0, 1.0, 16]}}\nseeds: 8\nlooks: [8]\nlanes: 8\n"
    (project / "configs/slow.yaml").write_text("experiment: slow\ntitle: Slow\n" + sweep)
    process = subprocess.Popen([*COMMAND, "run", "configs/slow.yaml"], cwd=project, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "trials/s" in line or "/128 trials" in line:
            break
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1].endswith("interrupted\n")
    assert process.returncode == 130
    (left,) = [p for p in (project / "runs").iterdir() if "-slow-" in p.name]
    assert RunDirectory(left).status == "interrupted"
    done = command(project, "run", "configs/slow.yaml")
    assert done.returncode == 0, done.stderr
    assert f"continuing {Path('runs') / left.name}" in done.stderr
    assert RunDirectory(left).status == "finished"
    assert not RunDirectory(left).results().y.isnull().any()
