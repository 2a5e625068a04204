"""`jaxml describe`: its table at 80 columns, its JSON, its errors."""

import functools
import json

import pytest
from typer.testing import CliRunner

from jaxml.cli.app import app
from jaxml.errors import ConfigError


@functools.cache
def invoke(*arguments, columns="80"):
    result = CliRunner().invoke(app, ["describe", *arguments], env={"COLUMNS": columns}, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("model", ["resnet50", "densenet121"])
def test_the_table_fits_in_eighty_columns(model):
    lines = invoke(model).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["layer", "output", "parameters", "MFLOPs", "field", "stride"]
    names = [line.split()[0] for line in lines[1 : lines.index("")]]
    assert len(set(names) - {"mean", "max", "average"}) == len(
        [n for n in names if n not in ("mean", "max", "average")]
    )


def test_totals_of_resnet50():
    text = invoke("resnet50")
    assert "25,557,032 parameters, 53 convolutions (4 on shortcuts)" in text
    assert "8.178 GFLOPs" in text


def test_json_holds_what_the_table_shows():
    found = json.loads(invoke("resnet18", "--json", "--input", "32", "--small", "--classes", "10"))
    assert found["parameters"] == sum(layer["parameters"] for layer in found["layers"]) == 11_173_962
    assert found["flops"] == sum(layer["flops"] for layer in found["layers"])
    assert found["layers"][0]["shape"] == [32, 32, 64]
    assert found["layers"][0]["field"] == {"size": [3, 3], "stride": [1, 1], "start": [-1, -1]}
    assert found["layers"][-1] == {
        "path": "fc", "kind": "Linear", "shape": [10], "parameters": 5130, "flops": 10_250, "flops_inside": 10_250,
        "field": "whole",
    }  # fmt: skip


def test_an_unknown_model_gets_the_nearest_name():
    with pytest.raises(ConfigError, match=r"there is no model 'resnet51'. Did you mean 'resnet50'"):
        CliRunner().invoke(app, ["describe", "resnet51"], catch_exceptions=False)
