"""Claims on results made elsewhere: every form of them gives one verdict, and what is wrong with them is named."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import xarray
import yaml

import jaxml
from jaxml.config.load import read_claims
from jaxml.errors import ConfigError
from jaxml.given import EXTRA
from jaxml.labelled import _mlflow_runs, labelled

DOCS = (Path(__file__).resolve().parent.parent / "docs/writing-a-claim.md").read_text()
SEEDS = 32


@pytest.fixture(scope="module")
def table():
    """Warm-up halves the loss at the large rate, and does nothing at the small one; the last column is no setting."""
    random, rows = np.random.default_rng(0), []
    for warmup in (True, False):
        for rate in (0.01, 0.1):
            for seed in range(SEEDS):
                loss = np.exp(0.1 * random.normal()) * (2.0 if rate == 0.1 and not warmup else 1.0)
                rows.append({"warmup": warmup, "rate": rate, "fold": seed, "loss": loss, "seconds": random.random()})
    return pandas.DataFrame(rows).sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def claims():
    """The example of the documentation."""
    (block,) = re.findall(r"```yaml\n(# claims on a table.*?)```", DOCS, re.DOTALL)
    return yaml.safe_load(block)


def test_tables_and_data_sets_give_one_verdict_in_every_form(table, claims, tmp_path):
    found = jaxml.judge(table, claims)
    (finding,) = found.findings
    assert found.status == "confirmatory"
    assert finding.verdict.verdict == "supported", finding.verdict.reason
    assert finding.cells[0].decision.seeds == SEEDS
    paired = table.set_index(["warmup", "rate", "fold"]).loss.sort_index()
    theta = np.log(paired[False, 0.1]) - np.log(paired[True, 0.1])
    np.testing.assert_allclose(finding.cells[0].theta, theta, rtol=1e-12)
    assert jaxml.judge(table, {**claims, "axes": []}).findings == found.findings  # the settings are those it names

    dataset = paired.to_frame().to_xarray()
    table.to_csv(tmp_path / "results.csv", index=False)
    table.to_csv(tmp_path / "results.tsv", index=False, sep="\t")
    table.to_json(tmp_path / "results.jsonl", orient="records", lines=True)
    dataset.assign_coords(warmup=dataset.warmup.values.astype(int)).to_netcdf(tmp_path / "results.nc", engine="scipy")
    dataset.to_zarr(tmp_path / "results.zarr", consolidated=False)
    numbered = json.loads(json.dumps(claims).replace("true", "1").replace("false", "0"))
    forms = [table.to_dict("list"), dataset, *(tmp_path / f"results.{end}" for end in ("csv", "tsv", "jsonl", "zarr"))]
    for form, given in [*((form, claims) for form in forms), (tmp_path / "results.nc", numbered)]:
        (other,) = jaxml.judge(form, given).findings
        assert (other.verdict, [cell.theta for cell in other.cells]) == (
            finding.verdict,
            [pytest.approx(cell.theta) for cell in finding.cells],
        )


def test_the_python_of_the_documentation_says_what_its_yaml_says(table, claims):
    (block,) = re.findall(r"```python\n([^`]*jaxml\.Claim\([^`]*)```", DOCS)
    names = {"table": table}
    exec(compile(block, "docs/writing-a-claim.md", "exec"), names)
    assert names["verdicts"].findings[0].verdict.verdict == "supported"
    read = read_claims(claims, EXTRA)[0].claims["warm-up"]
    assert names["claim"] == jaxml.Claim(**yaml.safe_load(str(read)) | {"controls": names["claim"].controls})


def test_a_verdict_says_whose_word_it_rests_on_and_claims_made_afterwards_get_none(table, claims, tmp_path):
    found = jaxml.judge(table, claims)
    assert (
        "made elsewhere; that its seeds are independent and none is left out is its giver's word"
        in found.findings[0].note
    )
    assert "Registered before they were seen, by the giver's word: osf.io/" in found.findings[0].note
    later = {key: value for key, value in claims.items() if key != "registered"}
    unregistered = jaxml.judge(table, later)
    assert set(unregistered.words.values()) == {"exploratory"}
    assert "fixed before these results were seen" in unregistered.why
    assert unregistered.spec_sha256 == found.spec_sha256  # what a registration holds can say nothing of itself
    later["alpha"] = 0.01
    assert jaxml.judge(table, later).spec_sha256 != found.spec_sha256


def test_the_command_prints_verdicts_and_json(table, claims, tmp_path):
    from typer.testing import CliRunner

    from jaxml.cli.app import app

    table.to_csv(tmp_path / "results.csv", index=False)
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(claims))
    arguments = ["judge", str(tmp_path / "results.csv"), str(tmp_path / "claims.yaml")]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0
    text = " ".join(shown.output.split())
    assert "SUPPORTED" in text
    assert "From results.csv, made elsewhere" in text
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)
    assert found["findings"][0]["verdict"]["verdict"] == "supported"
    assert found["spec_sha256"] in shown.output


def test_a_trial_that_failed_is_a_row_without_an_outcome(table, claims):
    holes = table.astype({"loss": object})
    failed = holes[(holes.rate == 0.1) & holes.warmup].index[:4]
    holes.loc[failed, "loss"] = ["", "nan", None, "N/A"]
    (finding,) = jaxml.judge(holes, claims).findings
    assert finding.cells[0].decision.verdict == "invalid"  # more than 5 % of an arm


def test_tuning_seeds_are_negative_and_seeds_may_have_names():
    frame = {"x": [1, 2] * 4, "seed": [0, 0, -2, -2, 1, 1, -1, -1], "y": range(8)}
    assert labelled(frame, ["y"], "seed", ["x"]).seed.values.tolist() == [-2, -1, 0, 1]
    named = labelled({**frame, "seed": list("aabbccdd")}, ["y"], "seed", ["x"])
    assert named.seed.values.tolist() == [0, 1, 2, 3]
    assert named.y.sel(x=2).values.tolist() == [1, 3, 5, 7]
    drawn = xarray.Dataset({"y": ("seed", [30.0, 10.0, 20.0])}, {"seed": [2, 0, 1]})
    assert labelled(drawn, ["y"], "seed").y.values.tolist() == [10.0, 20.0, 30.0]  # looks take seeds in their order


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="fold"), r"no column 'fold' \(seed\)"),
        (lambda t: t.rename(columns={"loss": "los"}), r"no column 'loss' \(outcome\). Did you mean 'los'"),
        (lambda t: t.rename(columns={"warmup": "warm"}), r"no column 'warmup' \(setting\). Did you mean 'warm'"),
        (
            lambda t: t[~((t.rate == 0.1) & (t.fold == 3))],
            r"2 of 128 trials \(2 warmup x 2 rate x 32 fold\) are missing",
        ),
        (lambda t: pandas.concat([t, t.head(1)]), r"1 trials are there twice, such as warmup .* Keep one"),
        (
            lambda t: pandas.concat([t.assign(depth=1), t.assign(depth=2)]),
            r"128 trials are there twice, .* They differ in 'depth': add it to 'axes'",
        ),
        (lambda t: t.assign(rate=t.rate.where(t.fold != 3)), r"'rate' is empty in row \d+ of 128"),
        (lambda t: t.assign(loss=["high", *t.loss[1:]]), r"'loss' must be a number, got 'high' in row 1 of 128"),
        (lambda t: t[t.fold < 1], "results: at least 2 seeds are needed, got 1"),
        (lambda t: 3, "expected a data set, a table or the path of one, got int"),
        (lambda t: {"a": [1], "b": [1, 2]}, "no table can be made of these columns"),
        (lambda t: "nowhere.csv", r"nowhere\.csv: there is no such file"),
        (lambda t: Path(__file__), r"expected a table \(.csv, .tsv, .jsonl, .parquet, .db\)"),
    ],
)
def test_what_the_results_lack_is_named(table, claims, tmp_path, change, message):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump(claims))
    with pytest.raises(ConfigError, match=message):
        jaxml.judge(change(table), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop_vars("loss"), "no variable 'loss'"),
        (lambda d: d.rename(fold="split"), "'loss' has no dimension 'fold'"),
        (lambda d: d.drop_vars("rate"), "dimension 'rate' has no coordinates"),
        (lambda d: xarray.concat([d, d], "fold"), "dimension 'fold' holds a point twice"),
    ],
)
def test_what_a_data_set_lacks_is_named(table, claims, change, message):
    dataset = table.set_index(["warmup", "rate", "fold"])[["loss"]].to_xarray()
    with pytest.raises(ConfigError, match=message):
        jaxml.judge(change(dataset), claims)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sed": "fold"}, "claims: sed: unknown key. Did you mean 'seed'"),
        ({"claims": {}}, "'claims' is missing"),
        ({"axes": "rate"}, "expected a list of columns, got 'rate'"),
        ({"registered": 2026}, "registered: expected text, got 2026"),
        ({"looks": [16, 64]}, "the last look needs 64 seeds, the results hold 32"),
        (
            {"claims": {"A1": {"kind": "number", "statement": "a number is such", "number": "a", "told": "3"}}},
            "claims.A1: a number is not decided from results",
        ),
    ],
)
def test_claims_that_cannot_be_held_against_results_are_refused(table, claims, change, message):
    with pytest.raises(ConfigError, match=message):
        jaxml.judge(table, {**claims, **change})


class Store:
    """An MLflow client that holds a table, a parent above all runs, and pages of fifty; names as MLflow 3 has them."""

    rows = ()

    def __init__(self, tracking_uri):
        assert tracking_uri.startswith("sqlite:////")

    def search_experiments(self):
        return [SimpleNamespace(experiment_id="1", name="rates")]

    def search_runs(self, experiment_ids, page_token=None):
        assert experiment_ids == ["1"]
        held = [self.run("parent", {}, {}, {})]
        for number, row in enumerate(self.rows):
            metrics = {"loss": row.pop("loss")}
            held.append(self.run(str(number), {k: str(v) for k, v in row.items()}, metrics, {self.PARENT: "parent"}))
            row |= metrics
        begin = int(page_token or 0)
        page = type("Page", (list,), {"token": str(begin + 50) if begin + 50 < len(held) else None})
        return page(held[begin : begin + 50])

    PARENT = "mlflow.parentRunId"

    def run(self, id, params, metrics, tags):
        info = SimpleNamespace(run_id=id, run_name=id, experiment_id="1")
        return SimpleNamespace(info=info, data=SimpleNamespace(params=params, metrics=metrics, tags=tags))


def test_runs_in_an_mlflow_store_are_trials(table, claims, tmp_path, monkeypatch):
    path = tmp_path / "mlflow.db"
    path.touch()
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError, match=r"needs MLflow: pip install 'jaxml\[mlflow\]'"):
        jaxml.judge(path, claims)
    refused = type("MlflowException", (Exception,), {})
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=Store, MlflowException=refused))
    monkeypatch.setattr(Store, "rows", table.to_dict("records"))
    assert jaxml.judge(path, claims).findings[0].cells == jaxml.judge(table, claims).findings[0].cells
    monkeypatch.setattr(Store, "rows", [{"loss": 1.0, "rate": "[1", "loss ": 2}, {"loss": 2.0, "rate": "2"}])
    assert [row["rate"] for row in _mlflow_runs(path)] == ["[1", 2]
