"""What the ledger makes of a run: claims changed after their data were seen, further attempts, lines that are gone."""

import json
import shutil

import pytest

import jaxml
from jaxml.errors import JaxmlError, RunError
from jaxml.runs import ledger
from tests.test_history import attempt, changed, ended, spec, started

EXPERIMENT = '''
import jax
from jaxml import Experiment


def trial(key: jax.Array, *, dose: float = 0.0, n: float = 50.0) -> dict[str, jax.Array]:
    """A gain that grows with the dose."""
    noise = jax.random.normal(key, ())
    return {"gain": dose * (1.0 + 0.1 * noise)}


experiment = Experiment(trial=trial)
'''
CONFIG = """
experiment: planted
title: A planted effect
sweep: {dose: [0.0, 0.1, 1.0, 5.0], n: [50.0, 100.0]}
seeds: 16
looks: [16]
claims:
  R9:
    statement: The dose helps by a lot.
    quantifier: all
    metric: gain
    arms: {claimed: {dose: 1.0}, against: {dose: 0.0}}
    margin: {value: 2.0, reason: Twice what one unit of the dose gives.}
    controls:
      negative: [{name: a small dose, arms: {claimed: {dose: 0.1}, against: {dose: 0.0}}, where: {n: 50.0}}]
      positive: [{name: a large dose, arms: {claimed: {dose: 5.0}, against: {dose: 0.0}}, where: {n: 50.0}}]
"""
pytestmark = pytest.mark.usefixtures("private_cache")
FRESH = "Fresh seeds (another master_key) make it confirmatory again"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    (root / "experiments").mkdir()
    (root / "configs").mkdir()
    (root / "experiments/planted.py").write_text(EXPERIMENT)
    return root


def run(project, *edits, name="planted", runs="runs", config=CONFIG):
    for before, now in edits:
        assert before in config
        config = config.replace(before, now)
    (project / f"configs/{name}.yaml").write_text(config)
    return jaxml.run(project / f"configs/{name}.yaml", runs=project / runs, maps=False)


@pytest.fixture(scope="module")
def refuted(project):
    done = run(project)
    assert done.verdicts.words == {"R9": "refuted"}
    return done


def test_the_newcomers_cheat_comes_out_exploratory(project, refuted):
    """The direction, the margin and the statement are turned round after a refutation; then a control is replaced."""
    cheat = [
        ("margin: {value: 2.0,", "direction: smaller\n    margin: {value: 0.01,"),
        ("The dose helps by a lot.", "The dose does harm."),
    ]
    done = run(project, *cheat)
    assert done.verdicts.status == "exploratory"
    for words in (
        "the direction was larger",
        "the margin was 2",
        "the statement was 'The dose helps by a lot.'",
        f"in {refuted.path.name}; its data had been seen then. {FRESH}",
    ):
        assert words in done.verdicts.why
    again = run(
        project, ("name: a small dose, arms: {claimed: {dose: 0.1}", "name: hardly any, arms: {claimed: {dose: 0.1}")
    )
    assert "claim R9: it had the negative control 'a small dose'" in again.verdicts.why
    assert run(project).verdicts.words == {"R9": "refuted"}  # its own design is as good as before


def test_another_key_is_attempt_two_and_decided_at_half_the_level(project, refuted):
    key = ("seeds: 16", "master_key: another\nseeds: 16")
    (first,) = refuted.verdicts.findings
    done = run(project, key)
    (second,) = done.verdicts.findings
    assert second.attempt_words.startswith("attempt 2 of R9 (before: refuted, 20")
    assert second.attempt_words.endswith("): judged at half the level; changed: another master key")
    (alone,) = run(project, key, ("claims:", "alpha: 0.025\nclaims:"), runs="apart").verdicts.findings
    for one, other, full in zip(second.cells, alone.cells, first.cells, strict=True):
        assert one.decision.level == pytest.approx(full.decision.level / 2, rel=1e-6)
        assert (one.decision.low, one.decision.high) == (
            pytest.approx(other.decision.low, rel=1e-6),
            pytest.approx(other.decision.high, rel=1e-6),
        )
    from jaxml.runner import judge_again

    assert judge_again(done.directory).to_json() == done.verdicts.to_json()
    assert run(project, key).verdicts.findings[0].attempt == second.attempt  # the same try once more


def test_a_run_enters_once_and_leaves_with_what_it_came_to(project, refuted, monkeypatch):
    from jaxml.runner import session

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session, "collect", stop)
        with pytest.raises(KeyboardInterrupt):
            run(project, runs="cut")
    done = run(project, runs="cut")
    held = ledger.read(project / "cut/ledger.jsonl")
    assert [entry["entry"] for entry in held.entries] == ["started", "ended"]
    assert held.entries[0]["run"] == held.entries[1]["run"] == done.path.name
    assert held.entries[1]["claims"]["R9"]["verdict"] == "refuted"
    assert held.entries[0]["spec"] == done.directory.spec()
    assert held.entries[0]["spec_sha256"] == done.verdicts.spec_sha256
    jaxml.run(project / "configs/planted.yaml", runs=project / "cut", smoke=True)
    assert len(ledger.read(held.path).entries) == 2
    run(project, runs="cut")
    lines = held.path.read_text().splitlines()
    assert len(lines[2]) < len(lines[0]) / 2  # the same spec is not written twice
    assert ledger.read(held.path).entries[2]["spec"] == held.entries[0]["spec"]
    held.path.write_text("\n".join([*lines[1:], ""]))
    assert [each.line for each in ledger.read(held.path).breaks] == [1, 2]


def test_a_run_that_fails_at_once_is_no_attempt(project, monkeypatch):
    from jaxml.sweep import run as sweeping

    def fail(*_, **__):
        raise RunError("no room left")

    with monkeypatch.context() as patch:
        patch.setattr(sweeping, "run", fail)
        with pytest.raises(RunError, match="no room left"):
            run(project, runs="stopped")
    assert ledger.read(project / "stopped/ledger.jsonl").entries[-1]["unseen"]
    text = cli(project, monkeypatch, "ledger", "--runs", "stopped")[1]
    assert "it stopped before its first result" in text
    (finding,) = run(project, ("seeds: 16", "master_key: b\nseeds: 16"), runs="stopped").verdicts.findings
    assert finding.attempt is None


def test_a_copied_project_goes_on_where_the_first_one_was(project, refuted):
    copied = project / "copied"
    copied.mkdir()
    shutil.copytree(refuted.path, copied / refuted.path.name)
    done = run(project, runs="copied")  # run directories, and no ledger
    assert done.verdicts.status == "exploratory"
    assert f"ledger.jsonl is broken (it lacks the line of {refuted.path.name})" in done.verdicts.why
    assert "jaxml ledger --mend" in done.verdicts.why
    shutil.rmtree(done.path)
    other = jaxml.run(project / "configs/planted.yaml", runs=copied, ledger=project / "new.jsonl", maps=False)
    assert f"new.jsonl is broken (it lacks the line of {refuted.path.name})" in other.verdicts.why
    ledger.merge(project / "new.jsonl", refuted.path.parent / "ledger.jsonl")
    merged = jaxml.run(project / "configs/planted.yaml", runs=copied, ledger=project / "new.jsonl", maps=False)
    assert merged.verdicts.status == "confirmatory"
    for path in (other.path, merged.path):
        shutil.rmtree(path)
    shutil.copy(refuted.path.parent / "ledger.jsonl", copied / "ledger.jsonl")
    assert run(project, runs="copied").verdicts.status == "confirmatory"
    assert "the margin was 2" in run(project, ("value: 2.0", "value: 1.5"), runs="copied").verdicts.why


def test_a_deleted_or_edited_run_still_counts(project):
    first = run(project, runs="deleted")
    second = run(project, ("seeds: 16", "master_key: two\nseeds: 16"), runs="deleted")
    shutil.rmtree(first.path)
    (second.path / "verdicts.json").write_text(json.dumps(second.verdicts.to_json()).replace("refuted", "supported"))
    (finding,) = run(project, ("seeds: 16", "master_key: three\nseeds: 16"), runs="deleted").verdicts.findings
    assert finding.attempt
    assert finding.attempt.number == 3
    assert [each.note for each in finding.attempt.before] == [
        "its run directory is gone",
        "its run directory was edited",
    ]
    assert "its run directory is gone" in finding.attempt_words


def test_a_ledger_with_a_line_removed_decides_nothing_until_that_is_recorded(project):
    for name in ("one", "two"):
        run(project, name=name, runs="broken")
    path = project / "broken/ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:1] + lines[2:]))
    done = run(project, name="three", runs="broken")
    assert done.verdicts.status == "exploratory"
    assert "is broken (line 2: a line before it was removed or altered)" in done.verdicts.why
    ledger.mend(path)
    (finding,) = run(project, name="four", runs="broken").verdicts.findings
    assert finding.attempt_words.endswith(", so that earlier attempts may be missing")


def cli(project, monkeypatch, *arguments):
    """A command, its exit code and what it printed, in 80 columns."""
    from typer.testing import CliRunner

    from jaxml.cli.app import app

    monkeypatch.chdir(project)
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, str(done.exception) if isinstance(done.exception, JaxmlError) else done.output


def test_the_ledger_is_shown_checked_merged_and_mended(project, refuted, monkeypatch):
    shown = project / "shown"
    shown.mkdir()
    path = shown / "ledger.jsonl"
    for entry in (started("RUN", spec()), ended("RUN")):
        ledger.append(path, entry)
    ledger.append(path, started("LATER", changed("axes", "n", to=[{"n": 100}]), why="it was amended"))
    code, text = cli(project, monkeypatch, "ledger", "--runs", "shown", "R9")
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    for words in ("3 entries, every line is in its place", "R9 inconclusive", "cell n=50 removed", "directory is gone"):
        assert words in text
    code, text = cli(project, monkeypatch, "ledger", "--runs", "shown", "--json", "configs/c.yaml")
    assert [row["why"] for row in json.loads(text)["entries"]] == ["", "it was amended"]
    code, text = cli(project, monkeypatch, "ledger", "--runs", "shown", "R8")
    assert (code, "is called 'R8'. Did you mean 'R9'" in text) == (1, True)
    other = project / "other.jsonl"
    ledger.append(other, started("ELSEWHERE", spec()))
    code, text = cli(project, monkeypatch, "ledger", "--runs", "shown", "--merge", str(other))
    assert "took up 1 entries" in text
    assert "ELSEWHERE" in text
    assert attempt(list(ledger.read(path).everything), changed("master_key", to="b")).number == 2
    path.write_bytes(path.read_bytes().split(b"\n", 1)[1] + b'{"entry": "sta')
    code, text = cli(project, monkeypatch, "ledger", "--runs", "shown")
    assert code == 1
    for words in ("BROKEN", "line 1: an earlier line was removed", "--mend", "a crash left half a line"):
        assert words in text
    code, text = cli(project, monkeypatch, "ledger", "--runs", "shown", "--mend")
    assert code == 0
    assert "recorded 1 break" in text
    assert "half a line was cut off" in text


def test_registered_before_there_is_data_and_not_after(project, monkeypatch):
    import subprocess

    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "A")
        monkeypatch.setenv(f"{name}_EMAIL", "a@example.org")
    for words in (["init", "-q"], ["add", "configs"], ["commit", "-qm", "claims"]):
        subprocess.run(["git", *words], cwd=project, check=True)
    (project / "configs/planted.yaml").write_text(CONFIG)
    code, text = cli(project, monkeypatch, "register", "configs/planted.yaml", "--runs", "fixed")
    assert code == 0
    assert "noted on commit" in text
    note = subprocess.run(
        ["git", "notes", "--ref=jaxml", "show", "HEAD"], cwd=project, capture_output=True, text=True, check=True
    ).stdout
    assert note.startswith("jaxml register planted")
    done = run(project, runs="fixed")
    assert f"spec {done.verdicts.spec_sha256}" in note
    assert done.verdicts.findings[0].attempt_words.startswith("registered on 20")
    code, text = cli(project, monkeypatch, "register", "configs/planted.yaml", "--runs", "fixed")
    assert "it is too late to register. Set another master_key." in text
    other = run(project, ("seeds: 16", "master_key: later\nseeds: 16"), runs="fixed")
    assert "it is not what was registered on" in other.verdicts.why
    assert "the master key was planted. Register it again" in other.verdicts.why
