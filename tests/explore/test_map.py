"""Maps of a planted world: right, cheap, resumable, and without any say in the verdict."""

import json
import re
import shutil

import numpy as np
import pytest

import jaxml
from jaxml.claims.mapped import Mapped, read_maps
from jaxml.claims.region import UNKNOWN, contour, refine, unit_boxes
from jaxml.claims.rule.decide import decide_apart
from jaxml.config import load_study
from jaxml.errors import ConfigError, RunError
from jaxml.experiment import load_experiment
from jaxml.explore.mapping import check_maps, fill_maps
from jaxml.runs.directory import RunDirectory
from jaxml.sweep.points import Points
from tests.explore.planted import CONFIG, MAP, project

GRID = np.linspace(0, 2, 65)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("planted")
    project(path, MAP)
    return path


@pytest.fixture(scope="module")
def finished(root):
    return jaxml.run(root / "configs/planted.yaml", runs=root / "runs")


@pytest.fixture(scope="module")
def full(root, finished):
    """The verdict code and estimate of every cell of the fine grid."""
    trial = load_experiment("planted", root).trial
    given = {"arm": ["a", "b"], "x": GRID, "y": GRID, "noise": 0.1}
    value = jaxml.sweep(trial, seeds=8, master_key="planted", **given).value
    theta = (value.sel(arm="a") - value.sel(arm="b")).values.reshape(65 * 65, 8)
    decided = decide_apart(theta, margin=0.5, looks=(8,))
    return decided["verdict"].reshape(65, 65), decided["estimate"].reshape(65, 65)


def test_each_refined_cell_has_the_verdict_of_the_full_grid_at_a_fifth_of_its_cost(finished, full):
    (held,) = read_maps(finished.path)
    codes = {"supported": 1, "refuted": -1, "inconclusive": 0}
    assert len(held.cells) == sum(held.batches) <= 65 * 65 / 5
    assert held.gap == 1
    for cell in held.cells:
        assert codes[cell.verdict] == full[0][cell.i, cell.j]
        assert cell.estimate == pytest.approx(full[1][cell.i, cell.j], abs=1e-5)
    tiled = np.full((65, 65), UNKNOWN)
    for tile in held.tiles:
        tiled[tile.first : tile.last + 1, tile.row] = codes[tile.verdict]
    computed = np.zeros((65, 65), bool)
    computed[tuple(np.transpose([(cell.i, cell.j) for cell in held.cells]))] = True
    known = tiled != UNKNOWN
    assert known[computed].all()
    # Decided cells that were not computed are told right too; a few are drawn as open, to bound false discoveries.
    assert np.isin(tiled[known & (tiled != full[0])], 0).all()
    assert (known & (tiled != full[0])).mean() < 0.01
    # Between open cells nothing is told, and what is left blank is open or next to it.
    assert not (known & ~computed & (tiled == 0)).any()
    assert (full[0][~known] == 0).mean() > 0.9
    assert known[full[0] != 0].mean() > 0.5


def test_what_was_not_computed_is_blank_between_open_cells(root, tmp_path):
    """Two open columns, four cells apart: nothing is known of those between, and nothing is counted there."""
    config = project(
        tmp_path, MAP.replace("2.0, 65", "2.0, 9"), CONFIG.replace("x: [0.0, 2.0]", "x: [0.0, 2.0]\n  noise: [3.0]")
    )
    (held,) = read_maps(jaxml.run(config, runs=tmp_path / "runs").path)
    computed = {(cell.i, cell.j) for cell in held.cells}
    between = {place for place, verdict in held.known.items() if place not in computed}
    assert all(held.known[place] in ("supported", "refuted") for place in between)
    assert {"inconclusive"} == {held.known[place] for place in computed}
    assert held.counts == {"inconclusive": len(computed)}
    assert between == set()
    assert held.tally == f"{len(computed)} of 81 cells computed: {len(computed)} inconclusive"


def test_lines_lie_where_they_must(finished):
    (held,) = read_maps(finished.path)
    radius = {
        name: np.hypot(*np.concatenate([np.asarray(line) for line in getattr(held, name)]).T)
        for name in ("theory", "boundary", "sure", "unsure")
    }
    np.testing.assert_allclose(radius["theory"], np.sqrt(2), rtol=2e-3)  # a straight piece between neighbouring cells
    np.testing.assert_allclose(radius["boundary"], np.sqrt(2), rtol=0.1)
    assert radius["sure"].max() < radius["boundary"].mean() < radius["unsure"].min()
    assert len(held.theory) == 1  # an arc in one piece


def test_a_map_has_no_say_in_the_verdict(root, finished):
    without = jaxml.run(root / "configs/planted.yaml", runs=root / "bare", maps=False)
    assert without.verdicts.to_json() == finished.verdicts.to_json()
    assert not (without.path / "map.json").exists()
    assert without.directory.read_json("spec.json") == finished.directory.read_json("spec.json")
    smoke = jaxml.run(root / "configs/planted.yaml", ["seeds=4"], runs=root / "bare", smoke=True)
    assert read_maps(smoke.path) == []
    assert (finished.path / "verdicts.json").stat().st_mtime_ns < next(
        (finished.path / "map.zarr").iterdir()
    ).stat().st_mtime_ns


def test_a_map_that_was_cut_short_goes_on_where_it_stopped(root, finished, tmp_path, monkeypatch):
    copy = RunDirectory(tmp_path / "copy")
    shutil.copytree(finished.path, copy.path)
    before = copy.read_json("map.json")
    (panel,) = (copy.path / "map.zarr").iterdir()
    last = sorted(panel.iterdir())[-1]
    shutil.rmtree(last)
    last.with_suffix(".partial").mkdir()  # what a killed process leaves of a batch
    asked, call = [], Points.__call__
    monkeypatch.setattr(
        Points, "__call__", lambda self, points, seeds: asked.extend(points) or call(self, points, seeds)
    )
    study = load_study(root / "configs/planted.yaml")
    fill_maps(study, copy)
    assert len(asked) == before["maps"][0]["batches"][-1]
    again = copy.read_json("map.json")
    assert [cell["verdict"] for cell in again["maps"][0]["cells"]] == [c["verdict"] for c in before["maps"][0]["cells"]]


@pytest.mark.parametrize("damage", ["lost chunk", "flipped bit", "damaged metadata", "lost batch"])
def test_a_damaged_batch_of_a_map_is_computed_again(root, finished, tmp_path, damage):
    copy = RunDirectory(tmp_path / "copy")
    shutil.copytree(finished.path, copy.path)
    before = copy.read_json("map.json")
    (panel,) = (copy.path / "map.zarr").iterdir()
    batch = sorted(panel.iterdir())[0]
    chunk = next(path for path in sorted((batch / "batch.zarr/theta/c").rglob("*")) if path.is_file())
    if damage == "lost chunk":
        chunk.unlink()
    elif damage == "flipped bit":
        data = bytearray(chunk.read_bytes())
        data[-1] ^= 1
        chunk.write_bytes(data)
    elif damage == "damaged metadata":
        (batch / "batch.zarr/zarr.json").write_text("{")
    else:
        shutil.rmtree(batch)
    notes: list[str] = []
    fill_maps(load_study(root / "configs/planted.yaml"), copy, notes.append)
    assert any("is damaged" in note for note in notes) == (damage != "lost batch")
    assert copy.read_json("map.json")["maps"][0]["cells"] == before["maps"][0]["cells"]
    fill_maps(load_study(root / "configs/planted.yaml"), copy, notes.append)
    assert sum("is damaged" in note for note in notes) <= 1


def test_a_map_goes_to_json_and_back_and_damage_is_named(finished, tmp_path):
    (held,) = read_maps(finished.path)
    assert Mapped.from_json(json.loads(json.dumps(held.to_json()))) == held
    assert sum(held.counts.values()) == len(held.cells)
    assert held.summary["computed"] == held.counts
    (tmp_path / "map.json").write_text("{")
    with pytest.raises(RunError, match=r"map.json: cannot be read"):
        read_maps(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  high:\n    axes", "  hgh:\n    axes", "map.hgh: there is no claim 'hgh'. Did you mean 'high'"),
        ("y: {lin", "arm: {lin", r"map.high.axes.arm: expected str, got 0.0"),
        ("y: {linspace: [0.0, 2.0, 65]}", "arm: [a, b]", r"axes.arm: expected two or more increasing"),
        ("y: {linspace: [0.0, 2.0, 65]}", "y: [1.0, 0.5]", r"axes.y: expected two or more increasing"),
        (", y: {linspace: [0.0, 2.0, 65]}", "", "a map has two axes"),
        ("    axes", "    at: {arms: a}\n    axes", "map.high.at.arms: no other axis has 'arms'. Did you mean 'arm'"),
        ("    axes", "    stride: 1\n    axes", "stride: input should be greater than or equal to 2"),
        ("y: {linspace: [0.0, 2.0, 65]}", "step: {linspace: [0, 1, 3]}", "step: expected int, got 0.5"),
    ],
)
def test_a_map_that_cannot_be_filled_is_refused_with_its_place(tmp_path, old, new, message):
    assert old in MAP
    with pytest.raises(ConfigError, match=message) as caught:
        load_study(project(tmp_path, MAP.replace(old, new, 1)))
    assert "planted.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("theory", "error", "message"),
    [
        ("1 / 0", ZeroDivisionError, "division"),
        ("p['x'][:2]", ConfigError, r"map.high: theory of 'value' must return one number for each point.*got \(2, "),
    ],
)
def test_theory_is_tried_before_the_first_trial(tmp_path, theory, error, message):
    path = project(tmp_path, MAP)
    source = tmp_path / "experiments/planted.py"
    text = source.read_text()
    source.write_text(re.sub(r"lambda p: .*}", f"lambda p: {theory}}}", text))
    with pytest.raises(error, match=message):
        check_maps(load_study(path))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("cap: 5.0", "map.high: 'high' has a premise or a cap"),
        (
            "kind: equality",
            "map.high: 'high' is a claim of kind equality; only a contrast has one effect at each point",
        ),
    ],
)
def test_a_claim_without_one_effect_at_each_point_is_refused(tmp_path, more, message):
    with pytest.raises(ConfigError, match=message):
        load_study(project(tmp_path, MAP, CONFIG.replace("  high:", f"  high:\n    {more}")))


def test_an_open_axis_is_refused(tmp_path):
    more = CONFIG.replace("  y: [0.0]", "  y: [0.0]\n  noise: [0.1, 0.2]").replace("{x: 0.0}", "{x: 0.0, noise: 0.1}")
    more = more.replace("{x: 2.0}", "{x: 2.0, noise: 0.1}").replace("quantifier: reference", "quantifier: all")
    assert load_study(project(tmp_path, MAP, more)).config.map  # the reference says which noise
    open_axis = more.replace("    reference: {x: 0.0, noise: 0.1}\n", "")
    with pytest.raises(ConfigError, match=r"map.high.at: say which 'noise' is meant, for example {'noise': 0.1}"):
        load_study(project(tmp_path, MAP, open_axis))


def test_a_claim_that_tunes_is_mapped_with_each_arm_at_its_own_best(tmp_path):
    tuned = CONFIG.replace("  x: [0.0, 2.0]\n  y: [0.0]", "  x: [0.0, 1.0, 2.0]").replace("x: 0.0", "arm: a")
    tuned = tuned.replace("    metric: value", "    metric: value\n    tune: {over: [x], minimise: cost}")
    tuned = tuned.replace("reference: {arm: a}", "reference: {}").replace("where: {arm: a}", "where: {}")
    tuned = tuned.replace("where: {x: 2.0}", "where: {}").replace("looks: [8]", "looks: [8]\ntuning_seeds: 2")
    more = "map:\n  high:\n    axes: {y: [0.0, 0.5, 1.0, 2.0], step: [0, 10]}\n"
    study = load_study(project(tmp_path, more, tuned))
    directory = RunDirectory(tmp_path)
    (held,) = fill_maps(study, directory)
    found = {(cell.i, cell.j): cell.estimate for cell in held.cells}
    assert found[0, 0] == pytest.approx(0.75, abs=0.1)  # x = 1 is the cheapest
    assert found[3, 1] == pytest.approx(0.75 - 1.0 + 0.1, abs=0.1)
    with pytest.raises(ConfigError, match="the claim tunes 'x', so that it cannot move freely"):
        load_study(project(tmp_path, more.replace("step: [0, 10]", "x: [0.0, 1.0]"), tuned))


def test_refinement_follows_a_line_out_of_its_box_and_stops_at_its_budget():
    steep = lambda cells: [int(j > 3 * i + 2) for i, j in cells]  # noqa: E731
    region = refine((17, 60), steep, stride=16, most=10_000)
    np.testing.assert_array_equal(region.filled(), [steep([(i, j) for j in range(60)]) for i in range(17)])
    poor = refine((17, 60), steep, stride=16, most=20)
    assert poor.judged <= 20
    assert poor.gap > 1
    flat = refine((33, 33), lambda cells: [1] * len(cells), most=10_000)
    assert flat.batches == [25]
    assert (flat.filled() == 1).all()


def test_refinement_follows_a_tongue_into_boxes_whose_corners_agree():
    tongue = lambda cells: [int((i <= 6 and j <= 20) or (i <= 50 and 6 <= j <= 10)) for i, j in cells]  # noqa: E731
    region = refine((65, 33), tongue, stride=16, most=10_000)
    np.testing.assert_array_equal(region.filled(), [tongue([(i, j) for j in range(33)]) for i in range(65)])


def test_contours_skip_what_is_not_finite_and_close():
    x, y = np.meshgrid(np.arange(21.0), np.arange(21.0), indexing="ij")
    disc = np.hypot(x - 10, y - 10) - 6.3
    (circle,) = contour(disc, unit_boxes((21, 21)))
    assert circle[0] == circle[-1]
    np.testing.assert_allclose(np.hypot(*(np.asarray(circle) - 10).T), 6.3, atol=0.05)
    disc[:11] = np.nan
    (arc,) = contour(disc, unit_boxes((21, 21)))
    assert min(point[0] for point in arc) == 11
    saddle = contour(np.asarray([[1.0, -1.0], [-1.0, 1.0]]), unit_boxes((2, 2)))
    assert sorted(len(line) for line in saddle) == [2, 2]
