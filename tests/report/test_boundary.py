"""A claim's map on the page: region, lines, words and numbers, from a map that was written by hand."""

import json
import re

import pytest

from jaxml.claims.mapped import MapAxis, MapCell, Mapped, Tile
from jaxml.report import write_report
from jaxml.report.boundary import crossings, map_panels
from tests.report.runs import card, cell, make_run
from tests.report.test_charts import drawn

CARD = card([cell("supported", lam=0.1), cell("refuted", lam=1.0)], quantifier="existential")


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
    (panel,) = map_panels(CARD, [held(), held(claim="another")])
    assert panel.where == "solver prox"
    assert "It holds at depth 6 for sigma w 0.1 to 1;" in panel.words
    assert "At depth 6 the boundary lies at sigma w 3 (2.5 to 6), theory's at 3.2." in panel.words
    assert panel.cost == "3 of 12 cells were computed (25 %), 16 seeds each."
    assert panel.rows[-1] == ["2", "0.1 to 1", "2 (1.5 to 4)", "2.2"]
    assert panel.unresolved == ""


def test_without_theory_or_boundary_nothing_is_said_of_them():
    everywhere = [Tile(verdict="refuted", row=j, first=0, last=3) for j in range(3)]
    (panel,) = map_panels(CARD, [held(theory=None, boundary=[], sure=[], unsure=[], tiles=everywhere, gap=4)])
    assert panel.words == "Everywhere on this map it is refuted."
    assert panel.heads == ["Depth", "Holds at sigma w", "Boundary (interval)"]
    assert panel.rows[0] == ["6", "nowhere", "–"]
    assert "up to 4 apart" in panel.unresolved


def test_where_ends_do_not_match_the_boundary_no_interval_is_told():
    (panel,) = map_panels(CARD, [held(sure=[])])
    assert panel.rows[0][2] == "3"


def test_lines_that_touch_a_height_cross_it_once():
    assert crossings([[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]], 1.0) == [1.0]
    assert crossings([[[0.0, 0.0], [1.0, 1.0]]], 1.0) == [1.0]


def test_the_page_draws_the_map_in_the_claims_card_and_labels_it(tmp_path):
    run = make_run(tmp_path / "run", [CARD])
    (run / "map.json").write_text(json.dumps({"maps": [held().to_json()]}))
    text = write_report(run).read_text()
    assert "Where it holds" in text
    assert "Filled after the verdict and no part of it" in text
    assert "supported and refuted cells (REGIME)" in text
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
