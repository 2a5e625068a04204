"""Configs: what is read, what is refused, and that every refusal says where and what to change."""

import json
from pathlib import Path

import pytest

from jaxml.config import json_schema, load_config
from jaxml.errors import ConfigError
from jaxml.scaffold import scaffold
from jaxml.sweep.signature import schema_of, schema_of_source


@pytest.fixture
def project(tmp_path):
    scaffold("demo", tmp_path)
    return tmp_path


def edited(project, old, new, name="demo"):
    path = project / "configs" / f"{name}.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_scaffold_is_a_good_config(project):
    loaded = load_config(project / "configs/demo.yaml")
    assert loaded.plan.shape == (2, 9, 64)
    assert loaded.config.name == loaded.config.master_key == "demo"
    assert not loaded.changes_spec


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds: 64", "sedes: 64", r"line \d+: sedes: unknown key. Did you mean 'seeds'"),
        ("seeds: 64", "seeds: many", r"line \d+: seeds: .*integer; got 'many'"),
        ("seeds: 64", "seeds: 0", r"line \d+: seeds: .*greater than or equal to 1"),
        ("seeds: 64", "seeds: 32", r"looks: the last look needs 64 seeds"),
        ("value: 0.1", "value: 0", r"margin.value: .*greater than 0"),
        ("value: 0.1", "value: -1.0", r"margin.value: .*greater than 0"),
        ("value: 0.1", "value: .nan", r"margin.value: .*"),
        ("{linspace: [0.0, 0.4, 9]}", "{}", r"sweep.outliers: the grid is empty"),
        ("{linspace: [0.0, 0.4, 9]}", "[]", r"sweep.outliers"),
        ("{linspace: [0.0, 0.4, 9]}", "{linspace: [0.0, 0.4, 0]}", r"outliers"),
        ("{linspace: [0.0, 0.4, 9]}", "[0.1, 0.1]", r"0.1 is given twice"),
        ("{linspace: [0.0, 0.4, 9]}", "[a]", r"sweep.outliers: expected float, got 'a'"),
        ("{linspace: [0.0, 0.4, 9]}", "[0.0, .inf]", r"sweep.outliers: expected a finite number, got inf"),
        ("{linspace: [0.0, 0.4, 9]}", "[0.0, 1e39]", r"sweep.outliers: 1e\+39 does not fit into float32"),
        ("{linspace: [0.0, 0.4, 9]}", "{range: [0, 4, 0]}", r"sweep.outliers: range: the step must not be 0"),
        ("{linspace: [0.0, 0.4, 9]}", "{linspace: [0, .nan, 3]}", r"ends must be finite numbers, got nan"),
        ("seeds: 64", "seeds: 64\nfixed: {n: 1e400}", r"fixed.n: expected a finite number, got inf"),
        ("[mean, median]", "[mean, mode]", r"'mode' is not allowed"),
        ("  outliers:", "  outlier:", r"the trial has no parameter 'outlier'. Did you mean 'outliers'"),
        ("reference: {outliers: 0.1}", "reference: {outliers: 0.11}", r"0.11 is not on the grid. The nearest .* 0.1"),
        ("reference: {outliers: 0.1}", "reference: {}", r"say which 'outliers' is meant"),
        ("claimed: {estimator: median}", "claimed: {estimator: mode}", r"'mode' is not on the grid"),
        ("claimed: {estimator: median}", "claimed: {outliers: 0.1}", r"both arms must pin the same axes"),
        ("where: {outliers: 0.0}", "where: {n: 5}", r"no axis of the grid is called 'n'"),
        ("looks: [16, 32, 64]", "looks: [32, 16]", r"looks must rise"),
        ("seeds: 64", "seeds: 64\nsmoke: {m: 5}", r"smoke.m: the trial has no parameter 'm'"),
        ("seeds: 64", "seeds: 64\nsmoke: {n: few}", r"smoke.n: expected int, got 'few'"),
        ("seeds: 64", "seeds: 64\nsmoke: {outliers: 0.1}", r"smoke.outliers: 'outliers' is swept, and claims name"),
        ("experiment: demo", "experiment: dem", r"there is no experiments/dem.py. Did you mean 'demo'"),
        ("experiment: demo", "experiment: ../demo", r"'../demo' is not a name"),
        (
            "experiment: demo",
            "experiment: demo\nexperiment: demo",
            r"line 3: the key 'experiment' stands already on line 2",
        ),
        ("seeds: 64", "seeds: !!python/object/apply:os.system [ls]", r"line \d+, column \d+: .* no tag builds objects"),
        ("seeds: 64", "seeds: [64", r"line \d+, column \d+: this is not YAML"),
        ("title: Demo", "name: ../../etc", r"is not a name"),
        ("quantifier: at_reference", "quantifier: mostly", r"quantifier: input should be .*; got 'mostly'"),
        ("      negative:", "      neutral:", r"negative"),
    ],
)
def test_a_mistake_is_named_with_its_place(project, old, new, message):
    path = edited(project, old, new)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert "demo.yaml" in str(caught.value)


def test_a_missing_file_lists_its_neighbours(project):
    with pytest.raises(ConfigError, match=r"demu.yaml: no such file. In that folder: demo.yaml"):
        load_config(project / "configs/demu.yaml")


def test_yaml_numbers_are_those_of_yaml_1_2(project):
    path = edited(project, "{linspace: [0.0, 0.4, 9]}", "[1e-3, 0.1, 2.5e-1, 0.0, 0.4]")
    assert load_config(path).plan.axes[1].values("outliers")[0] == 0.001
    assert isinstance(load_config(path).plan.axes[1].values("outliers")[0], float)


def test_generators_are_joined(project):
    path = edited(project, "{linspace: [0.0, 0.4, 9]}", "{values: [0.0, 0.1], geomspace: [0.2, 0.4, 2]}")
    assert load_config(path).plan.axes[1].values("outliers") == [0.0, 0.1, 0.2, 0.4]


def test_a_parameter_of_a_zip_has_no_other_value(project):
    edited(project, "  outliers:", "  size: {zip: {n: [11, 101], outliers: [0.1, 0.2]}}\n  unused:")
    path = edited(project, "seeds: 64", "seeds: 64\nfixed: {n: 7}")
    with pytest.raises(ConfigError, match=r"line \d+: sweep.size.zip.n: 'n' is given twice"):
        load_config(path)
    edited(project, "\nfixed: {n: 7}", "")
    for override in ("n=7", "fixed.n=7", "n=7,8", "sweep.n=7,8"):
        with pytest.raises(ConfigError, match=r"'n' moves together with outliers along the axis 'size'"):
            load_config(path, [override])


@pytest.mark.parametrize("values", ["range(0,1,0.1)", "linspace(0,1,1e1)", "range(0,4,0)", "linspace(0,1,0)"])
def test_generators_that_cannot_be_end_in_a_message(project, values):
    with pytest.raises(ConfigError, match=r"sweep.outliers"):
        load_config(project / "configs/demo.yaml", [f"outliers={values}"])


def test_a_zipped_axis_moves_parameters_together(project):
    path = edited(project, "  outliers:", "  size: {zip: {n: [11, 101]}}\n  outliers:")
    edited(project, "reference: {outliers: 0.1}", "reference: {outliers: 0.1, n: 101}")
    assert load_config(path).plan.dims == ("estimator", "size", "outliers", "seed")


def test_extends_lays_one_config_over_another(project):
    (project / "configs/child.yaml").write_text(
        "extends: demo.yaml\ntitle: Child\nsweep:\n  outliers: [0.0, 0.1, 0.4]\n"
    )
    loaded = load_config(project / "configs/child.yaml")
    assert loaded.plan.shape == (2, 3, 64)
    assert loaded.config.title == "Child"


@pytest.mark.parametrize(
    ("base", "message"),
    [("../demo.yaml", "same folder"), ("child.yaml", "extends this config"), ("no.yaml", "no such")],
)
def test_extends_stays_in_its_folder(project, base, message):
    (project / "configs/child.yaml").write_text(f"extends: {base}\n")
    with pytest.raises(ConfigError, match=message):
        load_config(project / "configs/child.yaml")


@pytest.mark.parametrize(
    ("override", "shape"),
    [
        ("outliers=0.0,0.1,0.4", (2, 3, 64)),
        ("outliers=linspace(0, 0.4, 5)", (2, 5, 64)),
        ("sweep.outliers=[0.0,0.1,0.4]", (2, 3, 64)),
        ("n=51", (2, 9, 64)),
        ("lanes=64", (2, 9, 64)),
    ],
)
def test_overrides(project, override, shape):
    assert load_config(project / "configs/demo.yaml", [override]).plan.shape == shape


def test_an_override_that_changes_what_is_claimed_makes_the_run_exploratory(project):
    assert load_config(project / "configs/demo.yaml", ["n=51"]).changes_spec
    assert not load_config(project / "configs/demo.yaml", ["lanes=64"]).changes_spec
    few = load_config(project / "configs/demo.yaml", ["seeds=20"])
    assert few.changes_spec
    assert few.config.looks == (16,)
    smoke = load_config(project / "configs/demo.yaml", smoke=True)
    assert smoke.changes_spec
    assert smoke.config.seeds == 2
    assert smoke.cut == "seeds 64 -> 2"
    small = load_config(edited(project, "seeds: 64\nlooks: [16, 32, 64]", "seeds: 2\nlooks: [2]"), smoke=True)
    assert (small.changes_spec, small.cut) == (False, "it is small already"), "it is a smoke run all the same"


def test_smoke_sets_what_the_config_says_and_overrides_come_after(project):
    path = edited(project, "seeds: 64", "smoke: {n: 5}\nseeds: 64")
    full, smoke = load_config(path), load_config(path, smoke=True)
    assert not full.changes_spec
    assert (full.plan.fixed["n"], full.cut) == (101, "")
    assert (smoke.plan.fixed["n"], smoke.cut) == (5, "seeds 64 -> 2, n 101 -> 5")
    assert load_config(path, ["n=7"], smoke=True).plan.fixed["n"] == 7


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("outlier=0.1", "names nothing here. Did you mean 'outliers'"),
        ("fixed.m=3", "no parameter 'm'"),
        ("claims.median-resists.margin.value=0.01", "part of how a claim is decided"),
        ("alpha=0.4", "part of how a claim is decided"),
        ("n", "write it as key=value"),
        ("n=", "the value is missing"),
        ("seeds.x=3", "is a single value"),
        ("outliers=linspace(0,1", "not YAML|expected float"),
    ],
)
def test_a_wrong_override_is_refused(project, override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(project / "configs/demo.yaml", [override])


def test_the_schema_read_from_text_is_the_signature(project):
    import experiments.l1_sparsity as module

    source = Path(module.__file__).read_text()
    assert dict(schema_of_source(source, "l1_sparsity.py")) == dict(schema_of(module.trial))


def test_the_json_schema_accepts_a_config_and_refuses_a_typo(project):
    jsonschema = pytest.importorskip("jsonschema")
    from jaxml.config.document import read_document

    value = read_document(project / "configs/demo.yaml").value
    jsonschema.validate(value, json_schema())
    json.dumps(json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value | {"sedes": 3}, json_schema())
