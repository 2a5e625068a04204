"""The documentation: its snippets run, and its generated pages are what their scripts write."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from jaxml.claims.kinds import KINDS
from jaxml.claims.lineage import read_catalogue
from jaxml.config.models import RunConfig
from jaxml.scaffold import scaffold

ROOT = Path(__file__).resolve().parent.parent


def script(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_the_readme_snippets_run():
    run, *snippets = blocks("README.md", "python")
    assert "jaxml.run" in run  # the main job itself: tests/test_runner.py goes its way
    for snippet in snippets:
        names = {}
        exec(compile(snippet, "README.md", "exec"), names)
    assert names["kept"].indices.tolist() == [0, 2, -1]
    assert names["pooled"].shape == (3, 7, 7, 256)
    assert names["loss"].tolist() == pytest.approx([0.02, 2.5])


def test_the_op_reference_is_what_its_script_writes():
    assert script(ROOT / "docs/make_reference.py").page() == (ROOT / "docs/ops.md").read_text()


def test_the_benchmark_page_is_what_its_script_writes():
    collect, start = script(ROOT / "benchmarks/collect.py"), (ROOT / "README.md").read_text()
    assert collect.page() == (ROOT / "docs/benchmarks.md").read_text()
    assert collect.readme(start) == start


def test_the_tutorial_shows_the_scaffold(tmp_path):
    _, config, _ = scaffold("centre", tmp_path)
    (shown,) = [yaml.safe_load(block) for block in blocks("docs/tutorial.md", "yaml")]
    written = yaml.safe_load(config.read_text())
    assert shown == {key: written[key] for key in shown}


def test_every_key_of_a_config_is_explained():
    page = (ROOT / "docs/writing-a-claim.md").read_text()
    for name in RunConfig.model_fields:
        assert f"`{name}`" in page, name


def test_examples_of_claims_are_claims():
    """Every block that shows a claim in full; `[...]` stands for controls that are left out."""
    shown = {}
    for block in blocks("docs/writing-a-claim.md", "yaml"):
        left_out = "[{name: left out}]"
        claims = yaml.safe_load(block.replace("[...]", left_out)).get("claims", {})
        for claim in claims.values():
            kind = KINDS[claim.get("kind", "contrast")]
            shown[kind.name] = kind.Claim.model_validate(claim)
    assert set(shown) >= set(KINDS) - {"contrast"}  # the tutorial shows one
    ids = {id for section in read_catalogue(ROOT).values() for id in section}
    assert {claim.of for claim in shown.values()} <= {*ids, None}


@pytest.mark.parametrize(("most", "verdict"), [(3, "supported"), (1, "refuted"), (99, "invalid")])
def test_the_kind_that_the_docs_write_decides_and_is_told(monkeypatch, most, verdict):
    """One file of fewer than 60 lines, as it stands on the page."""
    import jax.numpy as jnp

    from jaxml import Experiment
    from jaxml.claims.finding import Verdicts
    from jaxml.claims.given import Grid
    from jaxml.claims.judge import judge
    from jaxml.claims.kind import Bench
    from jaxml.claims.kinds import tell

    (text,) = blocks("docs/writing-a-kind.md", "python")
    assert len([line for line in text.splitlines() if line.strip()]) < 60
    names = {"__name__": "lines"}
    exec(compile(text, "writing-a-kind.md", "exec"), names)
    kind = names["LinesKind"]()
    monkeypatch.setitem(KINDS, kind.name, kind)
    said = {"statement": "A sum is one line, a norm is more.", "program": "sum", "at_most": most, "unlike": "norm"}
    claim = kind.Claim.model_validate({**said, "kind": "lines"})
    programs = {
        "sum": lambda: (jnp.sum, jnp.ones(3)),
        "norm": lambda: (lambda x: jnp.sqrt((x * x).sum()) + 1, jnp.ones(3)),
    }
    evidence = kind.collect(claim, Bench(Experiment(trial=lambda key: {}, programs=programs), "key"))
    findings = judge({"N1": claim}, Grid(()), None, {"N1": evidence})
    assert findings[0].verdict.verdict == verdict
    (told,) = tell(Verdicts(status="confirmatory", why="", spec_sha256="", findings=findings))
    assert told.word == verdict
    assert told.answer.startswith({"supported": "Yes: sum takes", "refuted": "No: sum takes"}.get(verdict, "No answer"))
    assert told.checks[0].outcome == ("it does" if verdict != "invalid" else "it does not")
    assert kind.planned(kind.plan(claim, Grid(()), "claims.N1")).startswith("sum in at most")


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_snippets_about_networks_run(tmp_path):
    names = {"folder": tmp_path}
    for snippet in blocks("docs/networks.md", "python"):
        exec(compile(snippet, "docs/networks.md", "exec"), names)
    assert names["parameters"] == 25_557_032
    assert len(names["convolutions"]) == 53
    assert names["compiles"] == 1
    assert names["same"]
