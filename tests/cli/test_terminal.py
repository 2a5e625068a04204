"""What a terminal shows: names as they are, effects in their unit, and streams that are closed, full or ASCII."""

import json
import math
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas
import pytest
from typer.testing import CliRunner

from jaxml.claims.falsification import CounterExample, Falsification
from jaxml.claims.labels import labels_to_json
from jaxml.cli.app import app
from jaxml.cli.failure import describe_failure
from jaxml.cli.falsify import print_falsification
from jaxml.errors import ConfigError
from jaxml.runs.directory import RunDirectory
from tests.report.runs import card, cell, decision, make_run, results

HOSTILE = "p [/b] q [bits] :smile: \x1b[31m\x1b]0;title\u202e"
SHOWN = "p [/b] q [bits] :smile: \ufffd[31m\ufffd]0;title\ufffd"
NAME = "20260101-120000-toy-0123abcd"


def invoke(*arguments, columns="80"):
    result = CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": columns}, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def make(runs, cards, **options):
    return make_run(runs / NAME, cards, **options)


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory):
    return make(tmp_path_factory.mktemp("runs"), [card([cell("supported", lam=0.1)])])


def test_names_are_neither_markup_nor_escape_codes(tmp_path):
    hostile = card([cell("supported", **{"[bits]": "[/x]"})], id=HOSTILE, statement=HOSTILE)
    make(tmp_path, [hostile])
    text = invoke("show", "--runs", tmp_path, columns="400")
    assert text.count(SHOWN) == 2
    assert "[bits] [/x]" in text
    assert "\x1b" not in invoke("list", "--runs", tmp_path)


def test_ratios_are_shown_as_ratios(tmp_path):
    found = {"estimate": math.log(2), "low": math.log(1.5), "high": math.log(3)}
    ratio = card([cell("supported", lam=0.1)], scale="log_ratio", margin=math.log(1.1))
    for each in (ratio.cells[0], ratio.checks[0].cell):
        for name, value in found.items():
            object.__setattr__(each.decision, name, value)
    ratio.checks[0].detail["scale"] = "difference"
    make(tmp_path, [ratio])
    lines = invoke("show", "--runs", tmp_path, columns="120").splitlines()
    row = next(line for line in lines if line.startswith("lam 0.1"))
    assert row.split() == ["lam", "0.1", "supported", "×2", "×1.5", "to", "×3", "×1.1", "16"]
    row = next(line for line in lines if line.startswith("negative control"))
    assert row.split()[-6:] == ["0.693", "0.405", "to", "1.1", "0.1", "16"]
    assert any("larger with solver prox than with solver l2 by a factor of 2" in line for line in lines)


def test_after_long_output_every_claim_has_one_line_more(tmp_path):
    many = [cell("supported", lam=float(i)) for i in range(30)]
    make(tmp_path, [card(many, id="T1", statement=200 * "long "), card(many, id="T2")])
    first, second = invoke("show", "--runs", tmp_path).splitlines()[-2:]
    assert first.startswith("SUPPORTED  T1: long")
    assert second == "SUPPORTED  T2: Toys are larger than they seem."


@pytest.mark.parametrize("name", [NAME, "toy", "0123abcd"])
def test_a_run_is_found_by_name(tmp_path, name):
    make(tmp_path, [card([cell("supported", lam=0.1)])])
    assert f"{NAME}: finished" in invoke("show", name, "--runs", tmp_path, columns="200")


def test_an_unknown_run_gets_the_nearest_name(tmp_path):
    make(tmp_path, [card([cell("supported", lam=0.1)])])
    with pytest.raises(ConfigError, match=f"no such run, here or in .*{NAME}"):
        CliRunner().invoke(app, ["show", "tot", "--runs", str(tmp_path)], catch_exceptions=False)


def test_the_name_of_a_run_is_never_broken(tmp_path):
    cards = [card([cell("supported", lam=0.1)], id=f"a-rather-long-id-{i}") for i in range(3)]
    make(tmp_path / "a_folder_for_runs", cards)
    monkey = os.getcwd()
    os.chdir(tmp_path)
    try:
        assert f"a_folder_for_runs/{NAME} " in invoke("list", "--runs", "a_folder_for_runs")
        deep = "folder/" * 12
        shutil.copytree("a_folder_for_runs", deep)
        path, rest = invoke("list", "--runs", deep).splitlines()[-3:-1]
        assert path == f"{deep}{NAME}"
        assert rest.startswith("  finished  a-rather-long-id-0 supported")
    finally:
        os.chdir(monkey)


def test_a_cell_is_found_by_the_names_of_its_values(tmp_path):
    run = make(tmp_path, [card([cell("supported", lam=0.1)])], held=results())
    (run / "labels.json").write_text(json.dumps(labels_to_json({"lam": {0.1: "weak"}})))
    RunDirectory(run).seal()
    by_name, by_value = (
        json.loads(invoke("show", "--runs", tmp_path, "--json", "--cell", f"lam={value},solver=prox,seed=2"))
        for value in ("weak", "0.1")
    )
    assert by_name == by_value


def command(*arguments, redirect="", **environment):
    call = f'{sys.executable} -c "from jaxml.cli import command; command()" {" ".join(arguments)} {redirect}'
    environment = {**os.environ, **environment}
    return subprocess.run(["bash", "-c", call], capture_output=True, text=True, env=environment, timeout=120)


@pytest.mark.parametrize(
    ("redirect", "code", "message"),
    [
        (">/dev/full", 3, "error: standard output cannot be written: No space left on device.\n"),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
        ('| true; exit "${PIPESTATUS[0]}"', 0, ""),
    ],
)
def test_a_stream_that_is_gone_is_no_traceback(plain_run, redirect, code, message):
    done = command("show", str(plain_run), redirect=redirect)
    assert (done.returncode, done.stderr) == (code, message)


def test_ascii_is_enough(plain_run):
    done = command("show", str(plain_run), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert "\u2212" not in done.stdout
    assert "-0.05 to 0.08" in done.stdout


def test_a_mistake_in_the_users_code_is_its_own_lines():
    source = "def outer():\n    inner()\n\ndef inner():\n    raise NameError(\"name 'x' is not defined\")\n"
    names: dict = {}
    exec(compile(source, "/home/me/experiments/demo.py", "exec"), names)
    try:
        names["outer"]()
    except NameError as error:
        lines = describe_failure(error).splitlines()
    assert lines[0] == "error: NameError: name 'x' is not defined"
    assert [line for line in lines if "demo.py" in line] == [
        "  /home/me/experiments/demo.py, line 2, in outer",
        "  /home/me/experiments/demo.py, line 5, in inner",
    ]
    assert len(lines) < 8


def test_a_function_that_calls_itself_for_ever_is_a_few_lines():
    names: dict = {}
    exec(compile("def again():\n    again()\n", "/home/me/experiments/demo.py", "exec"), names)
    with pytest.raises(RecursionError) as caught:
        names["again"]()
    lines = describe_failure(caught.value).splitlines()
    assert len(lines) < 30
    assert any(line.endswith("calls more ...") for line in lines)


def test_a_mistake_inside_a_host_callback_is_the_callbacks_own_lines():
    told = """INTERNAL: CpuCallback error calling callback: Traceback (most recent call last):
  File "/usr/lib/python3/site-packages/jax/_src/callback.py", line 96, in pure_callback_impl
  File "/home/me/experiments/demo.py", line 8, in host
ValueError: no good"""
    lines = describe_failure(RuntimeError(told)).splitlines()
    assert lines[0] == "error: a host callback raised ValueError: no good"
    assert "  /home/me/experiments/demo.py, line 8, in host" in lines
    assert not any("fault of jaxml" in line for line in lines)


def test_a_table_for_spreadsheets_holds_no_formulas(tmp_path):
    held = results().assign_coords(solver=np.array(["=1+1", "l2"], np.dtypes.StringDType()))
    axes = {"lam": [{"lam": v} for v in (0.0, 0.01, 0.1, 1.0)], "solver": [{"solver": s} for s in ("=1+1", "l2")]}
    make(tmp_path, [card([cell("supported", lam=0.1)])], held=held, axes=axes)
    CliRunner().invoke(app, ["export", "toy", "--runs", str(tmp_path)], catch_exceptions=False)
    table = pandas.read_csv(tmp_path / NAME / "results.csv")
    assert set(table.solver) == {"'=1+1", "l2"}
    assert len(table) == held.error.size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lam=[0.1]", "--cell.lam: expected one value, got '\\[0.1\\]'"),
        ("lam=", "--cell.lam: expected one value"),
        ("lam=0.1,solver=prox,seed=true", "--cell.seed: True is not among -1 .. 5"),
        ("lam=0.1,solver=prox,seed=0.5", "--cell.seed: 0.5 is not among -1 .. 5"),
        ("lam=&a [*a]", "'\\*a' stands inside of what it names"),
    ],
)
def test_a_cell_is_one_value_for_each_name(tmp_path, text, message):
    make(tmp_path, [card([cell("supported", lam=0.1)])], held=results())
    with pytest.raises(ConfigError, match=message):
        CliRunner().invoke(app, ["show", "--runs", str(tmp_path), "--cell", text], catch_exceptions=False)


def test_a_counter_example_is_shown_in_the_unit_of_its_claim(capsys):
    at_factor = {"estimate": math.log(0.5), "low": math.log(0.25), "high": math.log(0.8)}
    found = CounterExample(point={"lam": 0.5}, distance=0.1, theta=[0.0], decision=decision("refuted", **at_factor))
    numbers = {"points": 9, "failing": 1, "volume": 0.5, "computed": 9, "seeds": 8, "tested": 1}
    names = {"claim": "T1", "statement": "Toys.", "gradient": "none", "at": {}, "domain": {}, "reference": {"lam": 0.1}}
    print_falsification(
        Falsification(**names, **numbers, margin=math.log(1.1), found=found, scale="log_ratio")  # pyright: ignore[reportArgumentType]
    )
    text = capsys.readouterr().out
    assert "×0.5, interval ×0.25 to ×0.8" in text
    assert "×1.1" in text


def test_a_damaged_run_is_one_word_in_its_row_and_told_below(tmp_path):
    run = make(tmp_path, [card([cell("supported", lam=0.1)])])
    (run / "verdicts.json").write_text("{}")
    lines = [line.strip() for line in invoke("list", "--runs", tmp_path, columns="200").splitlines()]
    assert [line.split()[1:] for line in lines if line.endswith("damaged")] == [["damaged"]]
    assert f"{run} is not as the run wrote it: verdicts.json was changed." in " ".join(lines[-2:])
