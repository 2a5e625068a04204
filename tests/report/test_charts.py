"""Figures: the numbers against NumPy and SciPy, what cannot be drawn, and specs that Vega accepts."""

import dataclasses
import re

import altair
import numpy as np
import pytest
import vl_convert
import xarray
from scipy import stats

from jaxml.errors import ConfigError
from jaxml.report.axes import ticks
from jaxml.report.bundle import script_json
from jaxml.report.charts import line_colours, panels, save_figure
from jaxml.report.maps import cell_charts
from jaxml.report.series import MOST_POINTS, read_series
from tests.report.runs import FIGURE, card, cell, decision, make_run, results, told


def held(values: np.ndarray, dims: tuple[str, ...], **coords) -> xarray.Dataset:
    coords["seed"] = np.arange(values.shape[dims.index("seed")])
    return xarray.Dataset({"y": (dims, values)}, coords)


def drawn(spec) -> str:
    """A spec through altair's schema and Vega's own compiler and renderer."""
    altair.Chart.from_dict(spec, validate=True)
    return vl_convert.vegalite_to_svg({**spec, "width": 300})


def test_mean_and_interval_are_those_of_student_over_reported_seeds():
    data = results().rename(status="nonfinite")
    data["nonfinite"] = data.nonfinite != 1
    series = read_series(data, FIGURE)
    row = next(r for r in series.rows if r["line"] == "l2" and r["x"] == 0.1)
    values = data["error"].sel(lam=0.1, solver="l2").values[1:].astype(float)
    expected = stats.t.interval(0.95, 5, values.mean(), values.std(ddof=1) / np.sqrt(6))
    assert row["mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert (row["low"], row["high"]) == pytest.approx(expected, rel=1e-12)
    assert row["seeds"] == 6
    assert series.lines == ["prox", "l2"]


def test_a_logarithmic_left_axis_takes_the_mean_of_logarithms():
    values = np.random.default_rng(0).lognormal(size=(3, 8))
    series = read_series(
        held(values, ("x", "seed"), x=[1.0, 2.0, 3.0]), {"title": "", "y": "y", "x": "x", "log_y": True}
    )
    logs = np.log(values[1])
    low, high = stats.t.interval(0.95, 7, logs.mean(), logs.std(ddof=1) / np.sqrt(8))
    row = series.rows[1]
    assert (row["mean"], row["low"], row["high"]) == pytest.approx(np.exp([logs.mean(), low, high]), rel=1e-12)
    assert series.notes[0].startswith("Geometric mean")


def test_splits_of_one_data_set_widen_the_interval_there_alone():
    values = np.random.default_rng(0).normal(size=(2, 3, 8))
    data = held(values, ("set", "x", "seed"), set=["a", "b"], x=[1.0, 2.0, 3.0])
    figure = {"title": "", "y": "y", "x": "x", "panels": "set"}
    plain, split = (
        read_series(data, figure, s).rows
        for s in ((), [{"where": {"set": "b"}, "of": "law", "rows": 5, "drawn": 5, "test": 1}])
    )
    ratios = [(s["high"] - s["low"]) / (p["high"] - p["low"]) for p, s in zip(plain, split, strict=True)]
    assert ratios == pytest.approx([1.0] * 3 + [np.sqrt((1 / 8 + 0.25) / (1 / 8))] * 3, rel=1e-12)


def test_zero_on_a_logarithmic_axis_stands_apart():
    series = read_series(results(), FIGURE)
    assert any("stands apart" in note for note in series.notes)
    (spec,) = panels(series)
    apart = [row for row in spec["data"]["values"] if row["at"] == "0"]
    assert all(0 < row["x"] < 0.01 and not row["joined"] for row in apart)
    svg = drawn(spec)
    assert ">0</text>" in svg
    assert ">0.01</text>" in svg


def test_what_is_not_finite_is_left_out_and_said():
    values = np.ones((3, 4))
    values[0, 1], values[1] = np.nan, np.nan
    series = read_series(held(values, ("x", "seed"), x=[1.0, 2.0, 3.0]), {"title": "", "y": "y", "x": "x"})
    assert [(row["x"], row["seeds"]) for row in series.rows] == [(1.0, 3), (3.0, 4)]
    assert any(note.startswith("1 point is not drawn") for note in series.notes)
    assert any(note.startswith("1 point rests on fewer seeds") for note in series.notes)
    assert drawn(panels(series)[0])


def test_a_panel_without_values_is_named():
    values = np.stack([np.ones((2, 4)), np.full((2, 4), np.nan)])
    data = held(values, ("set", "x", "seed"), set=["a", "b"], x=[1.0, 2.0])
    series = read_series(data, {"title": "", "y": "y", "x": "x", "panels": "set"})
    assert series.panels == ["set a"]
    assert "No finite values for set b." in series.notes
    empty = read_series(data.isel(set=[1]), {"title": "", "y": "y", "x": "x"})
    assert not empty.rows
    assert "No finite values." in empty.notes


def test_lines_that_hide_each_other_are_named():
    values = np.stack([np.zeros((2, 4)), np.ones((2, 4)), np.zeros((2, 4))])
    data = held(values, ("solver", "x", "seed"), solver=["a", "b", "c"], x=[1.0, 2.0])
    assert "a and c coincide." in read_series(data, {"title": "", "y": "y", "x": "x", "lines": "solver"}).notes
    assert not any("coincide" in note for note in read_series(results(), FIGURE).notes)


def test_a_cell_marked_nonfinite_is_not_drawn():
    data = results()
    data["nonfinite"] = (data["error"].dims, np.zeros(data["error"].shape, bool))
    data["nonfinite"][{"lam": 2, "solver": 0}] = True
    rows = read_series(data.drop_vars("status"), FIGURE).rows
    assert not [row for row in rows if row["x"] == 0.1 and row["line"] == "prox"]
    assert len(rows) == 7


def test_axes_that_the_figure_does_not_name():
    values = np.arange(2 * 3 * 20 * 4, dtype=float).reshape(2, 3, 20, 4)
    coords = {"a": [1, 2], "b": [10, 20, 30], "c": np.arange(20)}
    data = held(values, ("a", "b", "c", "seed"), **coords)
    series = read_series(data, {"title": "", "y": "y", "x": "a"})
    assert series.panels == ["b 10", "b 20", "b 30"]
    assert "Shown at c 0." in series.notes
    assert series.rows[0]["mean"] == values[0, 0, 0].mean()


def test_a_long_curve_without_labels_is_thinned():
    values = np.tile(np.arange(1001.0)[:, None], (1, 3))
    series = read_series(held(values, ("step", "seed")), {"title": "", "y": "y", "x": "step"})
    assert len(series.rows) == MOST_POINTS
    assert all(row["x"] == row["mean"] for row in series.rows)
    assert series.rows[-1]["x"] == 1000


def test_a_figure_is_drawn_where_it_is_asked_for_and_where_tuning_seeds_do_best():
    """Two zipped axes: only the deep plain nets at the rate with the least loss on seeds below 0, failed rates last."""
    loss = np.random.default_rng(0).uniform(1.0, 2.0, (4, 3, 5))
    loss[:, 1, :2] = 0.5
    loss[3, 1, 0] = np.nan
    loss[3, 2, :2] = 0.6
    net = {"depth": ("net", [2, 9, 2, 9]), "block": ("net", ["res", "res", "plain", "plain"])}
    data = xarray.Dataset(
        {"loss": (("net", "rate", "seed"), loss), "error": (("net", "rate", "seed"), loss**2)},
        {**net, "rate": [0.1, 0.2, 0.3], "seed": [-2, -1, 0, 1, 2]},
    )
    figure = {"title": "", "y": "error", "x": "depth", "lines": "block", "tune": {"over": "rate", "minimise": "loss"}}
    rows = {(row["line"], row["x"]): row["mean"] for row in read_series(data, figure).rows}
    expected = {(net["block"][1][i], net["depth"][1][i]): (loss**2)[i, 2 if i == 3 else 1, 2:].mean() for i in range(4)}
    assert rows == pytest.approx(expected)
    at = {"block": "plain", "depth": "largest"}
    (row,) = read_series(data, figure | {"x": "rate", "at": at, "tune": {}}).rows[1:2]
    assert row["mean"] == pytest.approx((loss**2)[3, 1, 2:].mean())
    worst = {"over": "rate", "maximise": "loss"}
    (row,) = read_series(data.isel(net=[0]), figure | {"tune": worst}).rows
    best = np.argmax(loss[0, :, :2].mean(-1))
    assert row["mean"] == pytest.approx((loss**2)[0, best, 2:].mean())
    for wrong, note in (({"depth": 3}, "'depth' is nowhere 3"), ({"size": 3}, "there is no axis 'size'")):
        assert note in read_series(data, figure | {"at": wrong}).notes[0]


def test_names_that_the_results_do_not_hold_become_a_note():
    assert "hold no 'nothing'" in read_series(results(), FIGURE | {"y": "nothing"}).notes[0]
    data = held(np.ones((2, 3)), ("x", "seed"), x=[1.0, 2.0]).assign_coords(other=("other", [1, 2]))
    assert "does not vary along 'other'" in read_series(data, {"title": "", "y": "y", "x": "other"}).notes[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"log_x": False},
        {"log_y": True},
        {"x": "solver", "lines": "lam", "log_x": False},
        {"panels": "solver", "lines": None},
    ],
)
def test_every_kind_of_figure_is_valid_and_renders(changes):
    specs = panels(read_series(results(), FIGURE | changes))
    assert specs
    for spec in specs:
        assert "error" in drawn(spec)


def test_one_seed_one_point_and_one_value_are_drawn():
    data = held(np.full((1, 1), 2.0), ("x", "seed"), x=[0.5])
    for log in (False, True):
        figure = {"title": "", "y": "y", "x": "x", "log_x": log, "log_y": log}
        series = read_series(data, figure)
        assert "one seed" in series.notes[0]
        assert drawn(panels(series)[0])


def test_many_lines_get_colours_of_their_own():
    for n in (1, 6, 7, 64):
        colours = line_colours([str(i) for i in range(n)])
        assert len(set(colours)) == n


@pytest.mark.parametrize("exploratory", [False, True])
def test_a_verdict_map_shows_every_cell_and_its_boundary(exploratory):
    cells = [cell("supported" if b > a else "refuted", a=a, b=float(b)) for a in range(4) for b in range(5)]
    ((caption, spec),) = cell_charts(told(card(cells)), exploratory=exploratory)
    assert caption == ""
    assert len(spec["data"]["values"]) == 20
    svg = drawn(spec)
    if exploratory:
        assert "✓" not in svg
        return
    assert (svg.count(">✓</text>"), svg.count(">✗</text>")) == (10, 10)
    edges = spec["layer"][-1]["data"]["values"]
    assert len(edges) == 4 + 3  # a staircase: one upright edge in each of 4 rows, 3 level ones between them


def test_a_third_axis_makes_several_maps():
    cells = [cell("supported", a=a, b=b, kind=k) for k in ("x", "y") for a in (1, 2) for b in (1, 2, 3)]
    charts = cell_charts(told(card(cells)), exploratory=False)
    assert [caption for caption, _ in charts] == ["kind x", "kind y"]


def test_names_that_mean_something_to_vega_are_names():
    odd, values = 'it\'s [0].b \\ "q" {x} datum.y', np.random.default_rng(0).uniform(1, 2, (3, 2, 4))

    def marks(y, x, line, lines):
        data = held(values, (x, line, "seed"), **{x: [1.0, 2.0, 3.0], line: lines}).rename({"y": y})
        (spec,) = panels(read_series(data, {"title": odd, "y": y, "x": x, "lines": line}))
        return drawn(spec).count("<path")

    assert marks(odd, f"{odd}2", f"{odd}3", ["a.b[0]", "c'd"]) == marks("z", "x", "k", ["a", "b"])


def test_labels_of_a_map_are_text_even_inside_an_expression():
    hostile = "'] + datum.x + ['\u2028\\"
    cells = [cell("supported", name=name, b=b) for name in (hostile, "plain") for b in (1, 2)]
    ((_, spec),) = cell_charts(told(card(cells)), exploratory=False)
    assert "] + datum.x + [" in drawn(spec)


@pytest.mark.parametrize("exploratory", [False, True])
def test_many_cells_along_one_axis_are_drawn_against_the_margin(exploratory):
    cells = [cell("supported" if d < 16 else "refuted", depth=d) for d in (1, 2, 4, 6, 8, 12, 16, 32, 64)]
    cells.append(dataclasses.replace(cells[0], at={"depth": 128}, decision=decision("invalid")))
    ((_, spec),) = cell_charts(told(card(cells)), exploratory=exploratory)
    assert len(spec["data"]["values"]) == 9, "a cell without a finite effect has no place"
    assert "margin 0.1" in drawn(spec)
    assert cell_charts(told(card(cells[:5])), exploratory=exploratory) == [], "few cells are a list"


@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<svg"), (".png", b"\x89PNG")])
def test_a_figure_is_saved_without_a_browser(tmp_path, suffix, start):
    figure = FIGURE | {"panels": "solver"}
    run = make_run(tmp_path / "run", [], held=results(), figures=(figure,))
    path = save_figure(run, 0, tmp_path / f"figure{suffix}")
    assert path.read_bytes().startswith(start)


def test_a_figure_that_cannot_be_saved(tmp_path):
    run = make_run(tmp_path / "run", [], held=results(), figures=(FIGURE,))
    with pytest.raises(ConfigError, match="from 0 to 0 for this run, got 1"):
        save_figure(run, 1, tmp_path / "figure.svg")
    with pytest.raises(ConfigError, match=r"saved as \.png or \.svg"):
        save_figure(run, 0, tmp_path / "figure.gif")


def test_values_at_the_ends_of_what_floats_hold():
    values = np.exp(np.random.default_rng(0).uniform(-700, 700, (4, 3)))
    for log in (False, True):
        figure = {"title": "", "y": "y", "x": "x", "log_x": True, "log_y": log}
        with np.errstate(all="ignore"):
            series = read_series(held(values, ("x", "seed"), x=[0.0, 1e-200, 1.0, 1e300]), figure)
        assert all(drawn(spec) for spec in panels(series))
        script_json(panels(series))


@pytest.mark.parametrize("scale", [3e33, 1e-33, 0.1])
def test_no_tick_shows_what_rounding_left(scale):
    held = results()
    (spec,) = panels(read_series(held.assign(error=held.error.astype(float) * scale), FIGURE | {"log_x": False}))
    marks = [text for text in re.findall(r">([^<>]+)</text>", drawn(spec)) if re.match(r"[\d.]", text)]
    assert len(marks) > 6
    assert max(map(len, marks)) <= 7, marks


@pytest.mark.parametrize(("low", "high"), [(0.0, 2.1e34), (0.0, 7e-33), (1.0, 1.0 + 1e-7), (-4e5, 3e5)])
def test_ticks_of_a_linear_axis_are_told_apart(low, high):
    digits = int(ticks(low, high, 5)["format"].removeprefix(".").removesuffix("~g"))
    step = 10.0 ** np.floor(np.log10((high - low) / 5))  # the finest that five ticks can ask for
    marks = [f"{k * step:.{digits}g}" for k in range(int(np.ceil(low / step)), int(high / step) + 1)]
    assert len(set(marks)) == len(marks)


def test_small_differences_between_large_numbers_are_drawn():
    """A millionth of what is spanned is kept, not a millionth of the values."""
    held = results()
    near = held.assign(error=1.0 + 1e-9 * held.error.astype(float))
    (spec,) = panels(read_series(near, FIGURE))
    means = [row["mean"] - 1 for layer in spec["layer"] for row in layer.get("data", spec["data"])["values"]]
    (plain,) = panels(read_series(held, FIGURE))
    expected = [row["mean"] for layer in plain["layer"] for row in layer.get("data", plain["data"])["values"]]
    np.testing.assert_allclose(means, 1e-9 * np.asarray(expected), rtol=1e-5)
