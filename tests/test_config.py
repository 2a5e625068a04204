"""Configs: what is read, what is refused, and that every refusal says where and what to change."""

import json
import math
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxml.config import json_schema, load_study
from jaxml.config.document import parse_document, read_document
from jaxml.config.overrides import read_value
from jaxml.errors import ConfigError, TrialError
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
    study = load_study(project / "configs/demo.yaml")
    assert study.plan.shape == (2, 9, 64)
    assert study.config.name == study.config.master_key == "demo"
    assert not study.changes_spec


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds: 64", "sedes: 64", r"line \d+: sedes: unknown key. Did you mean 'seeds'"),
        ("seeds: 64", "seeds: many", r"line \d+: seeds: expected a whole number, got 'many'"),
        ("seeds: 64", "seeds: 0", r"line \d+: seeds: .*greater than or equal to 1"),
        ("seeds: 64\nlooks: [16, 32, 64]", "seeds: 8", r"seeds: the looks are \[16, 32, 64\] .*Write 'looks: \[8\]'"),
        ("metric: error", "estimand: error", r"estimand: it is called 'metric' now"),
        ("seeds: 64", "seeds: 64\ndependent_splits: {test_to_train: 0.25}", r"it is called 'population' now"),
        ("seeds: 64", "seeds: 32", r"looks: the last look needs 64 seeds"),
        ("value: 0.1", "value: 0", r"margin.value: .*greater than 0"),
        ("value: 0.1", "value: -1.0", r"margin.value: .*greater than 0"),
        ("value: 0.1", "value: .nan", r"margin.value: .*"),
        ("{linspace: [0.0, 0.4, 9]}", "{}", r"sweep.outliers: the grid is empty"),
        ("{linspace: [0.0, 0.4, 9]}", "[]", r"sweep.outliers"),
        ("{linspace: [0.0, 0.4, 9]}", "{linspace: [0.0, 0.4, 0]}", r"outliers"),
        ("{linspace: [0.0, 0.4, 9]}", "[0.1, 0.1]", r"0.1 is given twice"),
        ("{linspace: [0.0, 0.4, 9]}", "[a]", r"sweep.outliers: expected float, got 'a'"),
        ("{linspace: [0.0, 0.4, 9]}", "[0.0, .inf]", r"sweep.outliers.1: expected a finite number, got inf"),
        ("{linspace: [0.0, 0.4, 9]}", "[0.0, 1e39]", r"sweep.outliers: 1e\+39 does not fit into float32"),
        ("{linspace: [0.0, 0.4, 9]}", "{range: [0, 4, 0]}", r"sweep.outliers: the step of a range is 0"),
        (
            "{linspace: [0.0, 0.4, 9]}",
            "{linspace: [0, .nan, 3]}",
            r"outliers.linspace.1: expected a finite number, got nan",
        ),
        ("seeds: 64", "seeds: 64\nfixed: {n: .inf}", r"fixed.n: expected a finite number, got inf"),
        ("[mean, median]", "[mean, mode]", r"'mode' is not allowed"),
        ("  outliers:", "  outlier:", r"the trial has no parameter 'outlier'. Did you mean 'outliers'"),
        ("reference: {outliers: 0.1}", "reference: {outliers: 0.11}", r"0.11 is not on the grid. The nearest .* 0.1"),
        ("reference: {outliers: 0.1}", "reference: {}", r"say which 'outliers' is meant"),
        ("claimed: {estimator: median}", "claimed: {estimator: mode}", r"'mode' is not on the grid"),
        ("claimed: {estimator: median}", "claimed: {outliers: 0.1}", r"both arms must pin the same axes"),
        ("where: {outliers: 0.0}", "where: {n: 5}", r"no axis of the grid is called 'n'"),
        ("looks: [16, 32, 64]", "looks: [32, 16]", r"each at least 10 % above the one before, got \[32, 16\]"),
        ("seeds: 64", "seeds: 64\nsmoke: {m: 5}", r"smoke.m: the trial has no parameter 'm'"),
        ("seeds: 64", "seeds: 64\nsmoke: {n: few}", r"smoke.n: expected int, got 'few'"),
        ("seeds: 64", "seeds: 64\nsmoke: {outliers: 0.1}", r"smoke.outliers: 'outliers' is swept, and claims name"),
        ("experiment: demo", "experiment: dem", r"there is no experiments/dem.py. Did you mean 'demo'"),
        ("experiment: demo", "experiment: ../demo", r"'../demo' is not a name"),
        (
            "experiment: demo",
            "experiment: demo\nexperiment: demo",
            r"line 4: duplicate key 'experiment' \(first defined on line 3\)",
        ),
        ("seeds: 64", "seeds: !!python/object/apply:os.system [ls]", r"line \d+: the tag .* no tag builds objects"),
        ("seeds: 64", "seeds: [64", r"line \d+, column \d+: this is not YAML"),
        ("title: Demo", "name: ../../etc", r"is not a name"),
        ("quantifier: reference", "quantifier: mostly", r"quantifier: input should be .*; got 'mostly'"),
        ("      negative:", "      neutral:", r"negative"),
        ("looks: [16, 32, 64]", "looks: [16, 17]", r"each at least 10 % above the one before"),
        ("seeds: 64", "seeds: 64\nalpha: 1e-300", r"alpha: .*greater than or equal to 0.000001"),
        ("seeds: 64", "seeds: 64\npopulation: 0.25", r"population: expected a list, got 0.25"),
        ("seeds: 64", "seeds: 64\npopulation: {of: law, rows: 9}", r"'drawn' says how many of the 9 rows a seed uses"),
        ("seeds: 64", "seeds: 64\npopulation: {of: data_set, rows: 9, where: {m: 1}}", r"no axis .* called 'm'"),
        ("{linspace: [0.0, 0.4, 9]}", "[0.0, .nan]", r"outliers.1: expected a finite number, got nan"),
        (
            "{linspace: [0.0, 0.4, 9]}",
            "[1, " + 400 * "9" + "]",
            r"line 9, column \d+: 9+\.\.\. has more than 18 digits",
        ),
        ("{linspace: [0.0, 0.4, 9]}", "[1e400]", r"line 9, column \d+: 1e400 is beyond the largest number"),
        ("{linspace: [0.0, 0.4, 9]}", "{logspace: [0, 400, 3]}", r"logspace: the ends are exponents of 10"),
        ("{linspace: [0.0, 0.4, 9]}", "{linspace: [0, 1]}", r"outliers.linspace: '2' is missing"),
        ("{linspace: [0.0, 0.4, 9]}", "{linspace: [0, 1, 1000000000]}", r"line 9: .*at most 100,000 values"),
        ("{linspace: [0.0, 0.4, 9]}", "{range: [0, 10000000000]}", r"line 9: .*at most 100,000 values"),
        ("{linspace: [0.0, 0.4, 9]}", "{range: [0, 4, 0]}", r"line 9: .*the step of a range is 0"),
        ("{linspace: [0.0, 0.4, 9]}", "{zip: {outliers: {zip: {n: [1]}}}}", r"'zip' takes the values of each"),
        ("{linspace: [0.0, 0.4, 9]}", "0.1", r"expected a list of values, or a generator such as"),
        ("{linspace: [0.0, 0.4, 9]}", "[[0.1]]", r"outliers.0: expected a number, text, true or false, got \[0.1\]"),
        ("sweep:", "sweep:\n  n: {range: [1, 20002]}", r"these are 40,002 programs; a run has at most 10,000"),
        ("  median-resists:", "  median/resists:", r"an id is made of letters"),
        ("  median-resists:", '  "a\\e[31mb":', r"line 15: the key 'a\\x1b\[31mb' holds control characters"),
        ("title: Demo", 'title: "a\\e]0;b\\a"', r"line 4: the text .* holds control characters"),
        ("name: many outliers", "name: many\n        - name: many", r"two positive controls are called 'many'"),
        ("title: Demo", "[title]: Demo", r"line 4: a key is text, got a list"),
        ("title: Demo", "1: Demo", r"line 4: a key is text, got '1'"),
    ],
)
def test_a_mistake_is_named_with_its_place(project, old, new, message):
    path = edited(project, old, new)
    with pytest.raises(ConfigError, match=message) as caught:
        load_study(path)
    assert "demo.yaml" in str(caught.value)


def laughs(fold, levels):
    lines = [f"a{i}: &a{i} [{', '.join(fold * [f'*a{i - 1}'])}]" for i in range(1, levels)]
    return "\n".join(["a0: &a0 [ha]", *lines])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (laughs(9, 12), "line 6: a config has at most 50,000 values, aliases written out"),
        (laughs(1, 400), "line 31: a config has at most 32 levels"),
        ("a: &a [b, *a]", r"line 1: '\*a' stands inside of what it names"),
        ("a: &a {<<: *a}", r"line 1: '\*a' stands inside of what it names"),
        (100_000 * "[", "line 1: a config has at most 32 levels"),
        ("a: [" + 50_000 * "1," + "]", "line 1: a config has at most 50,000 values"),
        ("a: [" + 1_000_000 * "1," + "]", "at most 1,000,000 bytes"),
        ("a: !!int x", "this is not YAML"),
        ("a: !!bool x", "this is not YAML"),
        ("a: !!timestamp x", "no tag builds objects"),
    ],
)
def test_what_a_file_would_grow_to_is_counted_before_it_is_built(tmp_path, text, message):
    path = tmp_path / "bomb.yaml"
    path.write_text(text)
    begin = time.process_time()
    with pytest.raises(ConfigError, match=message):
        read_document(path)
    assert time.process_time() - begin < 2  # a tenth of it on a free core; what was built would take for ever


def test_aliases_and_merge_keys_still_work():
    text = "base: &base {n: 5, d: 2}\nhere: {<<: *base, d: 3}\nagain: *base"
    assert parse_document(text, "f").value == {
        "base": {"n": 5, "d": 2},
        "here": {"n": 5, "d": 3},
        "again": {"n": 5, "d": 2},
    }


def test_one_missing_reason_is_one_error(project):
    path = edited(
        project, "          where: {outliers: 0.0}", "          where: {outliers: 0.0}\n          margin: {value: 1.0}"
    )
    with pytest.raises(ConfigError, match=r"margin: 'reason' is missing\.$") as caught:
        load_study(path)
    assert "\n" not in str(caught.value)


def test_one_split_needs_no_list_and_an_empty_reference_pins_nothing(project):
    path = edited(project, "seeds: 64", "seeds: 64\npopulation: {of: law, rows: 10, drawn: 2}")
    assert [each.ratio for each in load_study(path).config.population] == [0.25]
    edited(project, "reference: {outliers: 0.1}", "reference:")
    edited(project, "{linspace: [0.0, 0.4, 9]}", "[0.1]")
    edited(project, "where: {outliers: 0.0}", "where:")
    edited(project, "where: {outliers: 0.4}", "where: {}")
    assert load_study(path).config.claims["median-resists"].reference == {}


def test_a_config_is_a_path():
    with pytest.raises(ConfigError, match=r"expected the path of a YAML file, got \{'seeds': 3\}"):
        load_study({"seeds": 3})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"# caf\xe9\n", r"demo.py: cannot be read: it is not UTF-8 text"),
        (b"def trial(:\n", r"demo.py, line 1: invalid syntax"),
        (b"x = 1\0\n", r"demo.py(, line 1)?: source code string cannot contain null bytes"),
    ],
)
def test_an_experiment_that_is_no_python_is_named(project, source, message):
    (project / "experiments/demo.py").write_bytes(source)
    with pytest.raises(TrialError, match=message):
        load_study(project / "configs/demo.yaml")


def test_a_missing_file_lists_its_neighbours(project):
    with pytest.raises(ConfigError, match=r"demu.yaml: no such file. In that folder: demo.yaml"):
        load_study(project / "configs/demu.yaml")


def test_yaml_numbers_are_those_of_yaml_1_2(project):
    path = edited(project, "{linspace: [0.0, 0.4, 9]}", "[1e-3, 0.1, 2.5e-1, 0.0, 0.4]")
    assert load_study(path).plan.axes[1].values("outliers")[0] == 0.001
    assert isinstance(load_study(path).plan.axes[1].values("outliers")[0], float)


def test_generators_are_joined(project):
    path = edited(project, "{linspace: [0.0, 0.4, 9]}", "{values: [0.0, 0.1], geomspace: [0.2, 0.4, 2]}")
    assert load_study(path).plan.axes[1].values("outliers") == [0.0, 0.1, 0.2, 0.4]


def test_a_parameter_of_a_zip_has_no_other_value(project):
    edited(project, "  outliers:", "  size: {zip: {n: [11, 101], outliers: [0.1, 0.2]}}\n  unused:")
    path = edited(project, "seeds: 64", "seeds: 64\nfixed: {n: 7}")
    with pytest.raises(ConfigError, match=r"line \d+: sweep.size.zip.n: 'n' is given twice"):
        load_study(path)
    edited(project, "\nfixed: {n: 7}", "")
    for override in ("n=7", "fixed.n=7", "n=7,8", "sweep.n=7,8"):
        with pytest.raises(ConfigError, match=r"'n' moves together with outliers along the axis 'size'"):
            load_study(path, [override])


@pytest.mark.parametrize("values", ["range(0,1,0.1)", "linspace(0,1,1e1)", "range(0,4,0)", "linspace(0,1,0)"])
def test_generators_that_cannot_be_end_in_a_message(project, values):
    with pytest.raises(ConfigError, match=r"sweep.outliers"):
        load_study(project / "configs/demo.yaml", [f"outliers={values}"])


def test_a_zipped_axis_moves_parameters_together(project):
    path = edited(project, "  outliers:", "  size: {zip: {n: [11, 101]}}\n  outliers:")
    edited(project, "reference: {outliers: 0.1}", "reference: {outliers: 0.1, n: 101}")
    assert load_study(path).plan.dims == ("estimator", "size", "outliers", "seed")


def test_extends_lays_one_config_over_another(project):
    (project / "configs/child.yaml").write_text(
        "extends: demo.yaml\ntitle: Child\nsweep:\n  outliers: [0.0, 0.1, 0.4]\n"
    )
    study = load_study(project / "configs/child.yaml")
    assert study.plan.shape == (2, 3, 64)
    assert study.config.title == "Child"


@pytest.mark.parametrize(
    ("base", "message"),
    [("../demo.yaml", "same folder"), ("child.yaml", "extends this config"), ("no.yaml", "no such")],
)
def test_extends_stays_in_its_folder(project, base, message):
    (project / "configs/child.yaml").write_text(f"extends: {base}\n")
    with pytest.raises(ConfigError, match=message):
        load_study(project / "configs/child.yaml")


def test_a_chain_of_configs_has_an_end(project):
    for i in range(40):
        (project / f"configs/c{i}.yaml").write_text(f"extends: {f'c{i + 1}' if i < 39 else 'demo'}.yaml\n")
    assert load_study(project / "configs/c30.yaml").config.title == "Demo"
    with pytest.raises(ConfigError, match="a config extends at most 16 others"):
        load_study(project / "configs/c0.yaml")


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
    assert load_study(project / "configs/demo.yaml", [override]).plan.shape == shape


def test_an_override_that_changes_what_is_claimed_makes_the_run_exploratory(project):
    assert load_study(project / "configs/demo.yaml", ["n=51"]).changes_spec
    assert not load_study(project / "configs/demo.yaml", ["lanes=64"]).changes_spec
    few = load_study(project / "configs/demo.yaml", ["seeds=20"])
    assert few.changes_spec
    assert few.config.looks == (16,)
    smoke = load_study(project / "configs/demo.yaml", smoke=True)
    assert smoke.changes_spec
    assert smoke.config.seeds == 2
    assert smoke.cut == "seeds 64 -> 2"
    small = load_study(edited(project, "seeds: 64\nlooks: [16, 32, 64]", "seeds: 2\nlooks: [2]"), smoke=True)
    assert (small.changes_spec, small.cut) == (False, "it is small already"), "it is a smoke run all the same"


def test_smoke_sets_what_the_config_says_and_overrides_come_after(project):
    path = edited(project, "seeds: 64", "smoke: {n: 5}\nseeds: 64")
    full, smoke = load_study(path), load_study(path, smoke=True)
    assert not full.changes_spec
    assert (full.plan.fixed["n"], full.cut) == (101, "")
    assert (smoke.plan.fixed["n"], smoke.cut) == (5, "seeds 64 -> 2, n 101 -> 5")
    assert load_study(path, ["n=7"], smoke=True).plan.fixed["n"] == 7


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("outlier=0.1", "unknown name 'outlier'. Did you mean 'outliers'"),
        ("fixed.m=3", "no parameter 'm'"),
        ("claims.median-resists.margin.value=0.01", "part of how a claim is decided"),
        ("alpha=0.4", "part of how a claim is decided"),
        ("n", "write it as key=value"),
        ("n=", "the value is missing"),
        ("seeds.x=3", "is a single value"),
        ("outliers=linspace(0,1", "not YAML|expected float"),
        ("outliers=.inf", r"demo.yaml: fixed.outliers: expected a finite number, got inf"),
    ],
)
def test_a_wrong_override_is_refused(project, override, message):
    with pytest.raises(ConfigError, match=message):
        load_study(project / "configs/demo.yaml", [override])


def test_the_schema_read_from_text_is_the_signature(project):
    import experiments.l1_sparsity as module

    source = Path(module.__file__).read_text()
    assert dict(schema_of_source(source, "l1_sparsity.py")) == dict(schema_of(module.trial))


def test_the_json_schema_accepts_a_config_and_refuses_a_typo(project):
    jsonschema = pytest.importorskip("jsonschema")
    value = read_document(project / "configs/demo.yaml").value
    jsonschema.validate(value, json_schema())
    json.dumps(json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value | {"sedes": 3}, json_schema())


@pytest.mark.parametrize(
    ("scale", "margin", "value"),
    [
        ("log_ratio", "{factor: 1.1, reason: Ten percent more is worth it.}", math.log(1.1)),
        ("logit", "{factor: 2, reason: Twice the odds is worth it.}", math.log(2)),
        (
            "difference",
            "{factor: 1.1, reason: Ten percent more.}",
            "needs scale log_ratio or logit, this is difference",
        ),
        ("log_ratio", "{factor: 0.9, reason: Ten percent less.}", r"margin.factor: .*greater than 1"),
        ("log_ratio", "{factor: 2, value: 0.7, reason: Twice as much.}", "give either 'value' or 'factor'"),
        ("log_ratio", "{factor: many, reason: Twice as much.}", r"margin.factor: expected a number, got 'many'\.$"),
    ],
)
def test_a_margin_of_ratios_may_be_a_factor(project, scale, margin, value):
    path = project / "configs/demo.yaml"
    text = path.read_text()
    begin, end = text.index("    margin:"), text.index("    controls:")
    path.write_text(f"{text[:begin]}    scale: {scale}\n    margin: {margin}\n{text[end:]}")
    if isinstance(value, str):
        with pytest.raises(ConfigError, match=value):
            load_study(path)
        return
    claim = load_study(path).config.claims["median-resists"]
    assert claim.margin.value == pytest.approx(value, rel=1e-15)
    assert "factor" not in claim.model_dump()["margin"]  # specs of old runs and new ones have one form


@pytest.mark.parametrize("name", ["", "A", "a b", "../a", "a\x00", "a" * 300])
def test_a_name_never_leaves_its_folder(tmp_path, name):
    with pytest.raises(ConfigError, match="is not a name"):
        scaffold(name, tmp_path)
    assert not list(tmp_path.iterdir())


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"]), min_size=1, max_size=12
)
scalars = texts | st.integers(-(10**9), 10**9) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=20, deadline=None)
@given(st.lists(scalars, min_size=1, max_size=4))
def test_values_quoted_as_in_hydra_arrive_as_they_are(values):
    """Quoted text is text whatever it holds: commas, brackets, ``range(1,2)``, numbers."""
    written = [json.dumps(value, ensure_ascii=False) for value in values]
    assert read_value(written[0], "") == values[0]
    assert read_value(",".join(written), "") == (values if len(values) > 1 else values[0])
