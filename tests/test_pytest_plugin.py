"""``pytest --jaxml``: every claim is one test, which fails when its verdict is not the expected one."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import jaxml.pipeline  # an inner pytest forgets what it imported first
from jaxml.claims.finding import Verdicts
from jaxml.errors import RunError
from jaxml.scaffold import scaffold
from tests.commands import command
from tests.report.runs import card, cell

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parent.parent
ID = "median-resists"


@pytest.fixture
def project(pytester):
    scaffold("demo", pytester.path)
    (pytester.path / "configs/notes.yaml").write_text("title: no config\n")
    return pytester


@pytest.fixture
def claims(project, request, monkeypatch):
    """Run pytest on the project, with a run that found this."""

    def run(found, *options):
        calls = []

        def decide(path, **asked):
            calls.append((path.name, asked["smoke"]))
            if found is None:
                raise RunError("the disk is full")
            card_ = card([cell(found, lam=0.1)], id=ID, statement="the median errs less")
            verdicts = Verdicts(status="confirmatory", why="", spec_sha256="", findings=[card_])
            return SimpleNamespace(verdicts=verdicts, path=project.path)

        monkeypatch.setattr(jaxml.pipeline, "run", decide)
        result = project.runpytest_inprocess(*plugin(request), "--jaxml", "configs", *options)
        return result, calls

    return run


def plugin(request):
    """Where jaxml was installed before it had the plugin, its entry point is not known."""
    return () if request.config.pluginmanager.hasplugin("jaxml") else ("-p", "jaxml.pytest_plugin")


def test_the_action_checks_configs_and_runs_every_claim(project, request):
    """Its script, as the action runs it: the only test here that runs a claim."""
    (project.path / "configs/notes.yaml").unlink()
    known = {"PYTEST_ADDOPTS": " ".join([*plugin(request), "-W error -v"])}
    given = {"PYTHON": sys.executable, "PACKAGE": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", ROOT / ".github/actions/claims/check.sh"],
        cwd=project.path,
        env=os.environ | known | given,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "configs/demo.yaml: good." in done.stdout
    assert f"configs/demo.yaml::{ID} PASSED" in done.stdout
    assert not (project.path / "runs").exists()
    action = yaml.safe_load((ROOT / ".github/actions/claims/action.yml").read_text())
    handed = action["runs"]["steps"][-1]["env"]
    assert {value.split()[1] for value in handed.values()} == {
        f"inputs.{name}" for name in action["inputs"] if name != "python-version"
    }


def test_the_hook_checks_all_files_that_it_is_given_and_names_each_mistake(project):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    path = project.path / "configs/demo.yaml"
    for name, wrong in (("first", "metrik"), ("second", "metrics"), ("third", "metric")):
        path.with_stem(name).write_text(path.read_text().replace("metric: error", f"{wrong}: error"))
    files = [f"configs/{name}.yaml" for name in ("demo", "first", "second", "third")]
    assert all(re.search(hook["files"], file) for file in files)
    done = command(project.path, *hook["entry"].split()[1:], *files)
    assert done.returncode == 2
    assert re.findall(r"(\w+\.yaml), line \d+: claims.median-resists.(\w+): unknown key", done.stderr) == [
        ("first.yaml", "metrik"),
        ("second.yaml", "metrics"),
    ]
    assert re.findall(r"(\w+)\.yaml: good", done.stdout) == ["demo", "third"]


def test_without_the_option_nothing_is_collected(project, request):
    assert project.runpytest_inprocess(*plugin(request), "configs").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_smoke_is_the_default_and_decides_nothing(claims):
    result, calls = claims("refuted")
    result.assert_outcomes(passed=1)
    assert calls == [("demo.yaml", True)]


def test_a_claim_that_is_not_supported_fails_where_nothing_else_is_expected(claims):
    result, calls = claims("refuted", "--jaxml-full")
    result.assert_outcomes(failed=1)
    assert calls == [("demo.yaml", False)]
    result.stdout.fnmatch_lines([f"*{ID}: the median errs less*", "*refuted, expected supported, since neither*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    claims("supported", "--jaxml-full")[0].assert_outcomes(passed=1)


def test_what_is_on_record_is_expected(claims, project):
    result, _ = claims("refuted", "--jaxml-full", "--jaxml-update")
    result.assert_outcomes(passed=1)
    assert json.loads((project.path / "configs/demo.verdicts.json").read_text()) == {ID: "refuted"}
    claims("refuted", "--jaxml-full")[0].assert_outcomes(passed=1)
    result, _ = claims("supported", "--jaxml-full")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*supported, expected refuted, as demo.verdicts.json has it on record*"])
    result, calls = claims("refuted", "--jaxml-full", "--lf")
    result.assert_outcomes(passed=1)
    assert len(calls) == 1


def test_a_marker_comes_before_the_record(claims, project):
    (project.path / "configs/demo.verdicts.json").write_text(json.dumps({ID: "refuted"}))
    project.makeconftest(
        "import pytest\ndef pytest_collection_modifyitems(items):\n"
        "    for item in items:\n        item.add_marker(pytest.mark.verdict('inconclusive'))"
    )
    claims("inconclusive", "--jaxml-full", "--strict-markers")[0].assert_outcomes(passed=1)
    claims("refuted", "--jaxml-full")[0].assert_outcomes(failed=1)


def test_what_goes_wrong_is_one_message(claims, project, request):
    result, _ = claims(None)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["the disk is full"])
    path = project.path / "configs/demo.yaml"
    path.write_text(path.read_text().replace("metric: error", "metrik: error"))
    result, _ = claims("supported")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*metrik: unknown key. Did you mean 'metric'*"])
    result = project.runpytest_inprocess(*plugin(request), "--jaxml", "--jaxml-update")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_one_run_serves_all_claims_of_a_config(claims, project):
    path = project.path / "configs/demo.yaml"
    text = path.read_text()
    begin = text.index(f"  {ID}:")
    path.write_text(text + text[begin:].replace(ID, "again"))
    result, calls = claims("supported")
    result.assert_outcomes(passed=2)
    assert len(calls) == 1
