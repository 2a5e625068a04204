"""A claim's map on the page: region, lines, words and numbers, from a map that was written by hand."""

import json
import re

import pytest

from jaxml.claims.finding import Verdicts
from jaxml.claims.mapped import MapAxis, MapCell, Mapped, Tile
from jaxml.claims.words import number
from jaxml.cli.tables import print_maps
from jaxml.report import write_report
from jaxml.report.boundary import crossings, map_panels
from jaxml.runs.directory import RunDirectory
from tests.report.runs import card, cell, make_run, told
from tests.report.test_charts import drawn

CARD = card([cell("supported", lam=0.1), cell("refuted", lam=1.0)], quantifier="some")


def held(**changes):
    """A map of 4 x 3 cells: supported on the left, one open cell, refuted on the right."""
    tiles = [("supported", j, 0, 1) for j in range(3)] + [("refuted", j, 2, 3) for j in range(2)]
    tiles += [("inconclusive", 2, 2, 2), ("refuted", 2, 3, 3)]
    cells = [
        (0, 0, "supported", 0.4, 0.3, 0.5),
        (3, 2, "refuted", 0.0, -0.1, 0.05),
        (2, 1, "invalid", None, None, None),
    ]
    given = {
        "claim": "T1",
        "at": {"solver": "prox"},
        "x": MapAxis(name="sigma_w", values=[0.1, 1.0, 10.0, 100.0], log=True),
        "y": MapAxis(name="depth", values=[2.0, 4.0, 6.0], log=False),
        "seeds": 16,
        "margin": 0.1,
        "tiles": [Tile(verdict=v, row=j, first=a, last=b) for v, j, a, b in tiles],
        "cells": [MapCell(i=i, j=j, verdict=v, estimate=e, low=low, high=high) for i, j, v, e, low, high in cells],
        "boundary": [[[2.0, 2.0], [3.0, 6.0]]],
        "sure": [[[1.5, 2.0], [2.5, 6.0]]],
        "unsure": [[[4.0, 2.0], [6.0, 6.0]]],
        "theory": [[[2.2, 2.0], [3.2, 6.0]]],
        "batches": [3],
        "gap": 1,
    }
    return Mapped(**given | changes)


def test_the_words_say_where_it_holds_and_where_theory_puts_the_line():
    (panel,) = map_panels(told(CARD), [held(), held(claim="another")])
    assert panel.where == "solver prox"
    assert "It holds at depth 6 for sigma w 0.1 to 1;" in panel.words
    assert "At depth 6 the boundary lies at sigma w 3 (1 to 10), theory's at 3.2." in panel.words
    assert panel.cost == "3 of 12 cells computed: 1 supported, 2 refuted (16 seeds each)."
    assert panel.rows[-1] == ["2", "0.1 to 1", "2 (1 to 10)", "2.2"]
    assert panel.unresolved == ""


def test_without_theory_or_boundary_nothing_is_said_of_them():
    everywhere = [Tile(verdict="refuted", row=j, first=0, last=3) for j in range(3)]
    (panel,) = map_panels(told(CARD), [held(theory=None, boundary=[], sure=[], unsure=[], tiles=everywhere, gap=4)])
    assert panel.words == "Every computed cell of this map is refuted."
    assert panel.heads == ["Depth", "Holds at sigma w", "Boundary (interval)"]
    assert panel.rows[0] == ["6", "nowhere", "–"]
    assert "up to 4 apart" in panel.unresolved


def test_where_ends_do_not_match_the_boundary_its_interval_is_not_closed():
    (panel,) = map_panels(told(CARD), [held(sure=[])])
    assert panel.rows[0][2] == "3 (interval not closed)"


@pytest.mark.parametrize(
    ("boxes", "ends"),
    [
        ([[0, 3, 0, 2]], "0.1 to 100"),  # the columns between were never computed
        ([[0, 1, 0, 2], [1, 3, 0, 2]], "1 to 100"),
        ([[1, 3, 0, 2], [1, 2, 2, 2]], "1 to 10"),  # in this row they were
    ],
)
def test_an_interval_reaches_the_computed_columns_on_both_sides(boxes, ends):
    """The lines cross at 3, 2.5 and 6, between columns at 1 and 10: straight lines cannot know better than columns."""
    (panel,) = map_panels(told(CARD), [held(boxes=boxes)])
    assert panel.rows[0][2] == f"3 ({ends})"


def test_a_row_that_is_not_known_throughout_is_not_told_to_be_supported_nowhere():
    sparse = [Tile(verdict="refuted", row=2, first=0, last=1), Tile(verdict="refuted", row=2, first=3, last=3)]
    (panel,) = map_panels(told(CARD), [held(tiles=[*sparse, Tile(verdict="refuted", row=0, first=0, last=3)])])
    assert [row[1] for row in panel.rows] == ["nowhere that is known", "nowhere that is known", "nowhere"]


def drawn_fills(made):
    """Rectangles of a map's picture: pale ones for what is known, full ones for what was computed."""
    (panel,) = map_panels(told(CARD), [made])
    return [layer["data"]["values"] for layer in panel.spec["layer"] if layer["mark"]["type"] == "rect"]


def test_only_computed_cells_are_painted_in_full_and_unknown_ones_not_at_all():
    tiles = [Tile(verdict="supported", row=0, first=0, last=1), Tile(verdict="inconclusive", row=2, first=3, last=3)]
    cells = [
        MapCell(i=i, j=j, verdict=v, estimate=0.0, low=-1.0, high=1.0)
        for i, j, v in [(0, 0, "supported"), (3, 2, "refuted")]
    ]
    pale, full = drawn_fills(held(tiles=tiles, cells=cells))
    assert [(row["word"], row["y"], row["y2"]) for row in pale] == [("Supported", 1, 3), ("Inconclusive", 5, 7)]
    assert [row["word"] for row in full] == ["Supported", "Inconclusive"], "as the map has it, not as the cell alone"


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ({"sigma_w": 100.0, "depth": 2.0}, True),
        ({"sigma_w": 50.0, "depth": 3.0}, True),  # all four around are refuted
        ({"sigma_w": 5.0, "depth": 2.0}, False),  # the boundary runs between
        ({"sigma_w": 0.1, "depth": 2.0}, False),
        ({"sigma_w": 100.0, "depth": 2.0, "solver": "l2"}, False),  # another setting than the map's
        ({"sigma_w": 1000.0, "depth": 2.0}, False),  # beside the map
        ({"depth": 2.0}, False),
    ],
)
def test_a_map_that_disagrees_with_a_cell_says_so(at, said, capsys):
    made = card([cell("supported", **at)])
    (panel,) = map_panels(told(made), [held()])
    where = ", ".join(f"{'sigma w' if n == 'sigma_w' else n} {number(v)}" for n, v in at.items())
    words = f"The map disagrees with the verdict at {where} (supported there, refuted here)."
    assert panel.against == (words if said else "")
    verdicts = Verdicts(status="confirmatory", why="", spec_sha256="", findings=[made])
    print_maps([held()], verdicts)
    assert (words in " ".join(capsys.readouterr().out.split())) == said
    assert map_panels(told(made), [held()], decided=False)[0].against == ""


def test_lines_that_touch_a_height_cross_it_once():
    assert crossings([[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]], 1.0) == [1.0]
    for line in ([[0.0, 0.0], [1.0, 1.0]], [[1.0, 1.0], [0.0, 0.0]]):  # whichever way it was drawn
        assert crossings([line], 1.0) == [1.0]
        assert crossings([line], 0.0) == [0.0]
    assert len(crossings([[[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [0.0, 1.0]]], 0.5)) == 2


def test_the_page_draws_the_map_in_the_claims_card_and_labels_it(tmp_path):
    run = make_run(tmp_path / "run", [CARD])
    (run / "map.json").write_text(json.dumps({"maps": [held().to_json()]}))
    RunDirectory(run).seal()
    text = write_report(run).read_text()
    assert "Where it holds" in text
    assert "Computed after the verdict; does not affect it" in text
    assert "supported and refuted cells (MIXED)" in text
    specs = json.loads(re.search(r'id="specs">(.*?)</script>', text).group(1))
    assert text.count("data-chart=") == len(specs)
    (spec,) = [spec for spec in specs if spec["description"].startswith("Map over sigma w and depth")]
    assert "✓ Supported" not in drawn(spec)  # a region of fewer than twelve cells has no room for its name
    tiles = spec["layer"][0]["data"]["values"]
    area = sum((row["y2"] - row["y"]) for row in tiles if row["word"] == "Supported")
    assert area == pytest.approx(6)  # three rows of 2 units, in one piece


def test_a_page_without_maps_has_no_place_for_them(tmp_path):
    text = write_report(make_run(tmp_path / "run", [CARD])).read_text()
    assert "Where it holds" not in text
