"""The scoreboard: written from the stored verdicts alone, and storing keeps what decides."""

import dataclasses
import datetime
import importlib.util
import json
from pathlib import Path

import pytest

from jaxml.claims.attempt import Attempt, Before
from jaxml.claims.certificate import MASTER_KEY, Certificate, Check
from jaxml.claims.finding import Verdicts
from jaxml.claims.given import Given, Grid
from jaxml.claims.kinds import KINDS, tell
from jaxml.claims.kinds.suite import SuiteClaim
from jaxml.claims.lineage import read_catalogue
from jaxml.claims.verdict import ClaimVerdict, Decision, SuiteReport
from jaxml.config import load_study
from jaxml.config.identity import engine_identity
from jaxml.runs.directory import RunDirectory

ROOT = Path(__file__).resolve().parent.parent
NAME = "l1_sparsity"


@pytest.fixture
def scoreboard(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    spec = importlib.util.spec_from_file_location("make_scoreboard", ROOT / "docs/make_scoreboard.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_scoreboard_is_what_its_script_writes_from_the_stored_verdicts(scoreboard):
    assert scoreboard.page() == (ROOT / "docs/scoreboard.md").read_text()


def test_stored_verdicts_are_small_and_belong_to_configs(scoreboard):
    names = {path.stem for path in (ROOT / "configs").glob("*.yaml")}
    for path in scoreboard.STORED.glob("*.json"):
        assert path.stem in names
        assert path.stat().st_size < 300_000
        assert scoreboard.stored(path.stem).status == "confirmatory"


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_stored_verdicts_are_those_of_the_config_and_the_trial_as_they_stand(scoreboard, config):
    stored, now = scoreboard.stored(config.stem).spec_sha256, load_study(config).spec_sha256
    assert stored == now, f"run {config.name} again, then docs/make_scoreboard.py"


def finished(parent, verdicts, second, status="finished", engine=None):
    """A run directory with these verdicts."""
    run = RunDirectory.create(parent, NAME, verdicts.spec_sha256, datetime.datetime(2030, 1, 1, 12, 0, second))
    run.write_json("spec.json", {"spec": {"name": NAME}, "sha256": verdicts.spec_sha256})
    run.write_json("verdicts.json", verdicts.to_json())
    run.write_json("code.json", {"engine": engine or engine_identity()})
    run.seal() if status == "finished" else run.set_status(status)


def test_the_newest_finished_run_is_stored_without_its_seeds(scoreboard, tmp_path, monkeypatch):
    held = scoreboard.stored(NAME)
    cell = dataclasses.replace(held.findings[0].cells[0], theta=[0.123456, 0.2])
    card = dataclasses.replace(held.findings[0], cells=[cell])
    newest = dataclasses.replace(held, findings=[card], spec_sha256="b" * 64)
    finished(tmp_path / "runs", held, 1)
    finished(tmp_path / "runs", newest, 2)
    finished(tmp_path / "runs", held, 3, status="failed")
    finished(tmp_path / "runs", dataclasses.replace(held, status="exploratory"), 4)
    finished(tmp_path / "runs", held, 5, engine={"sha256": "e" * 64})  # by another state of jaxml
    monkeypatch.setattr(scoreboard, "STORED", tmp_path / "stored")
    assert scoreboard.store(tmp_path / "runs") == [NAME]
    written = scoreboard.stored(NAME)
    assert written.spec_sha256 == newest.spec_sha256
    assert scoreboard.engines() == {NAME: scoreboard.identity(NAME)}
    assert written.findings[0].verdict == card.verdict
    assert written.findings[0].cells[0].theta == []
    text = json.dumps(scoreboard.slim(newest))
    assert Verdicts.from_json(json.loads(text)).findings[0].cells[0].decision.verdict == cell.decision.verdict


def test_a_certificate_is_stored_and_told_while_its_spec_is_the_stored_one(scoreboard, tmp_path, monkeypatch):
    held = scoreboard.stored(NAME)
    flips = {held.findings[0].id: ["supported", "inconclusive"]}
    checks = [
        Check(name="float64", setting="precision=float64", skipped="the run is in float64 already"),
        Check(name="chunk size", setting="2 lanes instead of 4"),
        Check(name=MASTER_KEY, setting="again", flips=flips, cells=2),
    ]
    finished(tmp_path / "runs", held, 1)
    (run,) = (tmp_path / "runs").iterdir()
    (run / "certificate.json").write_text(json.dumps(Certificate(checks=checks).to_json()))
    RunDirectory(run).seal_again("certificate.json")
    monkeypatch.setattr(scoreboard, "STORED", tmp_path / "stored")
    scoreboard.store(tmp_path / "runs")
    (tmp_path / "stored" / "literature.yaml").write_text("{}")
    page = scoreboard.page()
    assert (
        "\nDecided again with one setting changed at a time (chunk size, master key): master key: "
        f"{held.findings[0].id} was supported, is inconclusive; 2 cells came out otherwise.\n"
    ) in page
    assert page.count("| ✓ supported **FRAGILE** |") == 1
    text = (tmp_path / "stored" / f"{NAME}.json").read_text()
    (tmp_path / "stored" / f"{NAME}.json").write_text(text.replace(held.spec_sha256, "d" * 64))
    assert "Decided again" not in scoreboard.page()
    finished(tmp_path / "later", dataclasses.replace(held, spec_sha256="d" * 64), 2)
    scoreboard.store(tmp_path / "later")
    assert list((tmp_path / "stored" / "certificates").iterdir()) == []
    stands = Certificate(checks=checks[1:2])
    assert scoreboard.outcome(stands).endswith(" (chunk size): every verdict stands.")


def test_a_row_says_what_was_decided_and_how_the_controls_did(scoreboard):
    card = scoreboard.stored(NAME).findings[0]
    kind = KINDS[card.kind]
    row = scoreboard._row(kind.tell(card, True))
    assert card.statement in row
    assert row[-1] == f"{len(card.checks)} of {len(card.checks)}"
    failed = dataclasses.replace(card, checks=[dataclasses.replace(card.checks[0], passed=False)])
    assert scoreboard._row(kind.tell(failed, True))[-1] == "0 of 1"


def test_an_exact_claim_counts_its_properties_and_mutants(scoreboard):
    verdict = ClaimVerdict(verdict="refuted", quantifier="exact", reason="one counter-example", refuted=1)
    decisions = {"sum": Decision(verdict="refuted", reason=""), "sign": Decision(verdict="supported", reason="")}
    report = SuiteReport(verdict=verdict, properties=decisions, mutants={"doubled": "sum", "negated": None})
    claim = SuiteClaim(kind="suite", statement="some a | b", suite="norms")
    finding = KINDS["suite"].conclude("R1", claim, Given(Grid(()), evidence={"R1": report.to_json()}), [])
    told = KINDS["suite"].tell(finding, True)
    row = scoreboard._row(told)
    assert row[3:] == ["✗ refuted", "1,000", "1 of 2", "1 of 2"]
    assert "a \\| b" in scoreboard._table(("claim", "of", "", "verdict", *told.summary), [row])
    held = Verdicts(status="confirmatory", why="", spec_sha256="c" * 64, findings=[finding])
    assert Verdicts.from_json(scoreboard.slim(held)) == held


def test_totals_count_facts_apart_and_the_catalogue_by_what_claims_name(scoreboard):
    fact = KINDS["fact"].Claim(
        kind="fact", statement="once it was so", source="a book of 1985", status="dated", why="as it says"
    )
    facts = KINDS["fact"].conclude("Y1", fact, Given(Grid(())), [])
    held = scoreboard.related(scoreboard.stored(NAME), {"R9-minimiser": {"of": "R9", "as": "written"}, "other": {}})
    verdicts = dataclasses.replace(held, findings=[*held.findings[:2], facts])
    words = [finding.verdict.verdict for finding in verdicts.findings[:2]]
    found = scoreboard.totals(tell(verdicts), {"text": {"R9": "sparsity", "O21": "more"}, "image": {"V1": "distance"}})
    assert found.startswith(
        f"2 claims decided: {words.count('supported')} supported, {words.count('refuted')} refuted, 0 "
    )
    assert "1 facts that no code decides: 1 dated." in found
    assert "Of the 2 text statements in [catalogue.yaml](../catalogue.yaml), 1 have a claim, 1 as written." in found
    assert scoreboard._row(tell(verdicts)[0])[:2] == ["R9-minimiser", "R9, written"]
    assert scoreboard._row(tell(verdicts)[2])[3] == "§ fact: dated"


def test_every_claim_names_an_entry_of_the_catalogue_or_none():
    catalogue = read_catalogue(ROOT)
    assert {name: len(ids) for name, ids in catalogue.items()} == {"text": 152, "image": 50}
    for path in (ROOT / "configs").glob("*.yaml"):
        _ = load_study(path).lineages  # refuses an unknown id


def test_what_changed_is_stale(scoreboard, monkeypatch):
    everything = [f"configs/{path.name}" for path in sorted((ROOT / "configs").glob("*.yaml"))]
    engine = "e" * 64
    monkeypatch.setattr(scoreboard, "identity", lambda name: engine)
    monkeypatch.setattr(scoreboard, "engines", lambda: {Path(name).stem: engine for name in everything})
    assert scoreboard.stale() == []
    monkeypatch.setattr(scoreboard, "engines", lambda: {Path(name).stem: engine for name in everything[1:]})
    assert scoreboard.stale() == everything[:1]
    other = dataclasses.replace(scoreboard.stored("auc"), spec_sha256="0" * 64)
    monkeypatch.setattr(scoreboard, "engines", lambda: {Path(name).stem: engine for name in everything})
    monkeypatch.setattr(scoreboard, "stored", lambda name: other)
    assert scoreboard.stale() == everything


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small house, and a function that edits a file of it and says whether the experiment's state changed."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    import staleness

    files = {
        "jaxml/claims/judge.py": "rule = 1",
        "jaxml/report/page.py": "colour = 1",
        "jaxml/sweep/check.py": "lanes = 4",
        "jaxml/sweep/run.py": "chunks = 1",
        "jaxml/ops/__init__.py": "from jaxml.ops.boxes import iou\nfrom jaxml.ops.pools import pool",
        "jaxml/ops/boxes.py": "from jaxml.ops.checks import check\ndef iou(): return check()",
        "jaxml/ops/checks.py": "def check(): return 1",
        "jaxml/ops/pools.py": "def pool(): return 1",
        "jaxml/learn/__init__.py": "from jaxml.learn.svm import fit\nfrom jaxml.learn.trees import grow",
        "jaxml/learn/svm.py": "def fit(): return 1",
        "jaxml/learn/trees.py": "def grow(): return 1",
        "experiments/one.py": "from experiments.shared.rows import draw\nfrom jaxml.ops import iou",
        "experiments/shared/rows.py": "from experiments.shared.solved import draw",
        "experiments/shared/solved.py": "from jaxml.learn import fit\ndraw = fit",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(staleness, "ROOT", tmp_path)

    def identity():
        for cached in (staleness._engine, staleness._imports, staleness._exports, staleness._tree, staleness._meaning):
            cached.cache_clear()
        return staleness.deciding_identity(tmp_path / "experiments/one.py")

    def changed(name, text):
        before, held = identity(), (tmp_path / name).read_text()
        (tmp_path / name).write_text(text)
        after = identity()
        (tmp_path / name).write_text(held)
        return before != after

    yield changed
    for cached in (staleness._engine, staleness._imports, staleness._exports, staleness._tree, staleness._meaning):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("name", "text", "changes"),
    [
        ("jaxml/claims/judge.py", "rule = 2", True),
        ("jaxml/claims/judge.py", '"""Words."""\nrule = 1  # more words', False),
        ("jaxml/report/page.py", "colour = 2", False),
        ("jaxml/sweep/check.py", "lanes = 2", False),  # may stop a run, and changes no number
        ("jaxml/sweep/run.py", "chunks = 2", True),
        ("jaxml/ops/boxes.py", "def iou(): return 2", True),
        ("jaxml/ops/checks.py", "def check(): return 2", True),  # through what it imports
        ("jaxml/ops/pools.py", "def pool(): return 2", False),  # not used
        ("jaxml/learn/svm.py", "def fit(): return 2", True),  # through what experiments share
        ("jaxml/learn/trees.py", "def grow(): return 2", False),
    ],
)
def test_only_what_decides_counts(project, name, text, changes):
    assert project(name, text) == changes


def test_what_experiments_share_is_part_of_the_spec_of_each_that_uses_it(tmp_path):
    files = {
        "experiments/one.py": "from experiments.shared.rows import draw\nfrom jaxml import Experiment\n"
        "experiment = Experiment(numbers={'one': draw})\n",
        "experiments/shared/rows.py": "from experiments.shared.more import draw\n",
        "experiments/shared/more.py": "draw = lambda: 1.0\n",
        "configs/one.yaml": "experiment: one\ntitle: One\nclaims:\n"
        "  a: {kind: number, statement: The number is one., number: one, told: '1'}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    before = load_study(tmp_path / "configs/one.yaml").spec_sha256
    (tmp_path / "experiments/shared/more.py").write_text("draw = lambda: 2.0\n")
    assert load_study(tmp_path / "configs/one.yaml").spec_sha256 != before


def test_a_further_attempt_is_marked_and_an_exploratory_run_is_named(scoreboard, tmp_path):
    held = scoreboard.stored(NAME)
    before = [Before(run="20261128-1", date="2026-11-28", verdict="inconclusive")]
    card = dataclasses.replace(held.findings[0], attempt=Attempt(number=2, before=before))
    (told,) = tell(dataclasses.replace(held, findings=[card]))
    assert scoreboard._row(told)[3].endswith(" attempt 2 (before: inconclusive, 2026-11-28)")
    assert "attempt" not in scoreboard._row(tell(held)[0])[3]
    finished(tmp_path / "runs", held, 1)
    assert scoreboard.exploratory(tmp_path / "runs") == {}
    finished(tmp_path / "runs", dataclasses.replace(held, status="exploratory", why="the margin was 2"), 2)
    assert scoreboard.exploratory(tmp_path / "runs") == {NAME: "the margin was 2"}
