"""A run as tables for papers and as pictures: nothing in a name can break a table, and nothing is left out."""

import re

import pytest

from jaxml.cli.inspect import export as command
from jaxml.errors import ConfigError
from jaxml.report.export import export
from jaxml.runs.directory import RunDirectory
from tests.report.runs import card, cell, make_run, results

FIGURE = {"title": "kept", "y": "kept", "x": "lam", "lines": None, "panels": None, "log_x": False, "log_y": False}
HOSTILE = "a | b_c & 50 % of $x$ <i>#1</i> {y} \\ ~^ *z*"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    cards = [
        card([cell("supported", lam=0.1)], id="R9", statement="An L1 penalty makes the weights sparse."),
        card([cell("refuted", lam=0.1), cell("supported", lam=1.0)], id="R11", statement=HOSTILE),
    ]
    path = tmp_path_factory.mktemp("runs") / "20260101-120000-toy-0123abcd"
    return RunDirectory(make_run(path, cards, held=results(), figures=(FIGURE,)))


def test_markdown_has_a_row_for_each_claim(run):
    head, rule, *rows = export(run, "markdown").read_text().splitlines()
    assert head.startswith("| claim | statement | verdict | effect | margin |")
    assert len(rows) == 2
    assert {len(re.split(r"(?<!\\)\|", line)) for line in (head, rule, *rows)} == {10}
    assert "| R9 | An L1 penalty makes the weights sparse. | supported | " in rows[0]
    assert r"a \| b\_c & 50 % of $x$ &lt;i>#1&lt;/i> {y} \\ ~^ \*z\*" in rows[1]


def test_latex_escapes_what_would_be_a_command(run, tmp_path):
    text = export(run, "latex", tmp_path / "table.tex").read_text()
    lines = text.splitlines()
    assert (lines[0], lines[-1]) == (r"\begin{tabular}{lp{6cm}llllll}", r"\end{tabular}")
    rows = [line for line in lines if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {7}
    assert r"a \textbar{} b\_c \& 50 \% of \$x\$ \textless{}i\textgreater{}\#1" in text
    assert r"\{y\} \textbackslash{} \textasciitilde{}\textasciicircum{} *z*" in text


def test_every_figure_is_a_picture(run, tmp_path):
    assert (export(run, "png") / "figure-0.png").read_bytes().startswith(b"\x89PNG")
    assert (export(run, "svg", tmp_path) / "figure-0.svg").read_text().startswith("<svg")
    run.check()  # what was written beside the run is no damage


def test_parquet_holds_the_results(run, tmp_path):
    try:
        import pyarrow  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        with pytest.raises(ConfigError, match="pip install pyarrow"):
            export(run, "parquet", tmp_path / "results.parquet")
        return
    import pandas

    held = pandas.read_parquet(export(run, "parquet", tmp_path / "results.parquet"))
    assert held.kept.sum() == pytest.approx(float(run.results().kept.sum()))


def test_what_cannot_be_written_is_said(run, tmp_path):
    empty = RunDirectory(make_run(tmp_path / "20260101-120000-toy-0123abce", [card([cell("supported", lam=0.1)])]))
    with pytest.raises(ConfigError, match="draws no figures"):
        export(empty, "png")
    with pytest.raises(ConfigError, match=r"there is no format 'markdwon'\. Did you mean 'markdown'"):
        command(run.path, to="markdwon", runs=tmp_path)
    late = make_run(tmp_path / "20260101-120000-toy-0123abcf", [card([cell("supported", lam=0.1)])], exploratory="late")
    assert export(RunDirectory(late), "markdown").read_text().startswith("Exploratory, nothing is decided: late.\n\n|")
    assert export(RunDirectory(late), "latex").read_text().startswith("% Exploratory, nothing")
