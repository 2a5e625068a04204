"""What comes with the package: run by name and copied in a folder that holds nothing."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

import jaxml
from jaxml.cli.failure import describe_failure
from jaxml.config import json_schema, load_study
from jaxml.errors import ConfigError
from jaxml.gallery import config_path, gallery_names, project_of, spoken
from jaxml.scaffold import copied
from tests.commands import command

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_config_is_in_the_gallery_and_is_shown(empty):
    assert gallery_names() == sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))
    rows = {row["name"]: row for row in json.loads(command(empty, "list", "--gallery", "--json").stdout)["gallery"]}
    assert list(rows) == gallery_names()
    assert rows["l1_sparsity"]["claims"] == 3
    assert re.search(r"l1_sparsity +L1 and sparsity +3", command(empty, "list", "--gallery").stdout)
    assert "jaxml list --gallery" in command(empty, "list").stdout


def test_a_config_is_decided_by_its_name_and_replayed(empty, private_cache):
    done = command(empty, "run", "boosting_votes", "--smoke", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {finding["verdict"]["verdict"] for finding in found["findings"]} <= {"supported", "refuted", "inconclusive"}
    written = json.loads((Path(found["run"]) / "environment.json").read_text())
    assert written["command"] == "jaxml run boosting_votes"
    assert project_of("l1_sparsity") == ROOT
    (empty / "experiments").mkdir()
    (empty / "experiments/l1_sparsity.py").touch()
    assert project_of("l1_sparsity") == empty


def test_a_projects_own_config_comes_first(empty):
    assert config_path(Path("auc")) == ROOT / "configs/auc.yaml"
    (empty / "configs").mkdir()
    (empty / "configs/auc.yaml").touch()
    assert config_path(Path("auc")) == Path("configs/auc.yaml")
    assert spoken(ROOT / "configs/auc.yaml") == "auc"
    assert spoken(Path("configs/auc.yaml")) == "configs/auc.yaml"
    (empty / "auc").touch()
    assert config_path(Path("auc")) == Path("auc")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("l1_sparsty", "neither configs/ here nor the gallery has that name. Did you mean 'l1_sparsity'"),
        ("qqqq", "jaxml list --gallery prints those"),
        ("configs/l1_sparsity.yaml", "comes with jaxml: write l1_sparsity, without a folder"),
        ("configs/none.yaml", "no such file"),
    ],
)
def test_a_name_that_leads_nowhere_is_answered_by_one_that_does(given, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_study(given)


def test_a_copy_asks_the_same_of_its_own(empty):
    printed = command(empty, "new", "mine", "--like", "boosting_votes").stdout.splitlines()
    wrote = ["experiments/mine.py", "experiments/shared/adaboost.py", "configs/mine.yaml", "configs/jaxml.schema.json"]
    assert printed == [*(f"wrote {path}" for path in wrote), "try: jaxml run configs/mine.yaml"]
    text = (empty / "configs/mine.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=jaxml.schema.json\n")
    assert json.loads((empty / "configs/jaxml.schema.json").read_text())["title"] == "jaxml config"
    here, there = load_study("mine"), load_study(ROOT / "configs/boosting_votes.yaml")
    apart = ("experiment", "name", "master_key")
    assert {k: v for k, v in here.spec.items() if k not in apart} == {
        k: v for k, v in there.spec.items() if k not in apart
    }
    assert {k: here.spec[k] for k in apart} == dict.fromkeys(apart, "mine")
    assert not here.lineages.keys() - {id for id, claim in here.config.claims.items() if claim.does_not_show}
    assert set(here.code["modules"]) >= {"experiments.shared.adaboost"}


@pytest.mark.parametrize("name", ["l1_sparsity", "roi", "boosted_trees"])
def test_configs_of_every_make_can_be_copied(empty, name):
    *_, path, _ = copied("mine", Path(name), empty)
    here, there = (yaml.safe_load(text) for text in (path.read_text(), (ROOT / f"configs/{name}.yaml").read_text()))
    for claim in there["claims"].values():
        claim.pop("of", None), claim.pop("as", None)
    there.pop("master_key", None)
    assert here == there | {"experiment": "mine"}


def test_an_editor_explains_every_key():
    schema = json_schema()
    bare = [
        f"{model}.{key}"
        for model, held in [("", schema), *schema["$defs"].items()]
        for key, value in held.get("properties", {}).items()
        if not value.get("description")
    ]
    assert not bare


def test_a_copy_overwrites_nothing(empty):
    copied("mine", Path("boosting_votes"), empty)
    with pytest.raises(ConfigError, match=r"mine.py: is there already\. Choose"):
        copied("mine", Path("boosting_votes"), empty)
    (empty / "experiments/shared/adaboost.py").write_text("changed = True\n")
    with pytest.raises(ConfigError, match=r"adaboost.py: is there already, and differs"):
        copied("other", Path("boosting_votes"), empty)
    assert not (empty / "experiments/other.py").exists()
    shutil.copy(ROOT / "configs/auc.yaml", empty / "base.yaml")
    (empty / "more.yaml").write_text("extends: base.yaml\nexperiment: auc\n")
    with pytest.raises(ConfigError, match=r"more.yaml, line 1: extends: .*copied by hand"):
        copied("third", Path("more.yaml"), empty)


def test_what_is_public_is_listed_and_there(empty):
    assert {*jaxml.__all__, "ops", "learn", "nn", "data", "errors"} <= set(dir(jaxml))
    assert all(hasattr(jaxml, name) for name in dir(jaxml))
    assert command(empty, "--version").stdout == f"jaxml {jaxml.__version__}\n"


def test_what_an_experiment_of_the_gallery_lacks_is_named_with_its_extra():
    error = ModuleNotFoundError("No module named 'PIL'", name="PIL")
    assert describe_failure(error) == "error: this needs PIL, which is not installed: pip install 'jaxml[images]'"


def test_the_readme_of_an_index_has_no_link_that_is_dead_there():
    spec = importlib.util.spec_from_file_location("setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (ROOT / "README.md").read_text()
    assert not re.search(r"\]\((?!https?:|#)", module.read_me(text, None))
    shown = module.read_me(text, "https://example.org/jaxml")
    assert "](https://example.org/jaxml/blob/main/docs/tutorial.md)" in shown
    assert "](https://example.org/jaxml/raw/main/docs/images/report.png)" in shown
