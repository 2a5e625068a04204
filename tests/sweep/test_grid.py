"""Grids and plans: every cell lies in exactly one chunk, and mistakes are named."""

import itertools
from decimal import Decimal

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxml.errors import ConfigError, TrialError
from jaxml.sweep.grid import geomspace, linspace, logspace, whole_range, zipped
from jaxml.sweep.plan import check_precision, make_plan
from jaxml.sweep.search import grids, integers, loguniform, product, random_search, sobol_search, uniform
from jaxml.sweep.signature import schema_of_source

SCHEMA = schema_of_source(
    "def trial(key, *, lam: float, mu: float = 0.0, n: int = 1, solver: Literal['prox', 'l2'] = 'l2', "
    "depth: Traced[int] = 1): ...",
    "trial.py",
)


@pytest.mark.parametrize("num", [1, 2, 7])
def test_spaces_are_numpys(num):
    np.testing.assert_allclose(linspace(-1.0, 2.0, num), np.linspace(-1, 2, num), rtol=1e-15)
    np.testing.assert_allclose(logspace(-4, 1, num), np.logspace(-4, 1, num), rtol=1e-14)
    np.testing.assert_allclose(geomspace(-8, -0.5, num), np.geomspace(-8, -0.5, num), rtol=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: linspace(0, 1, 0), "linspace: the number of points"),
        (lambda: logspace(0, 1, True), "the number of points"),
        (lambda: geomspace(0, 1, 3), "the same sign"),
        (lambda: zipped(a=[1, 2], b=[1]), "equally long"),
        (lambda: make_plan(SCHEMA, {"lam": []}, 1), r"sweep\.lam: the grid is empty"),
        (lambda: make_plan(SCHEMA, {"lam": [1, 1.0]}, 1), r"sweep\.lam: 1\.0 is given twice"),
        (lambda: make_plan(SCHEMA, {"lan": [1]}, 1), "no parameter 'lan'. Did you mean 'lam'"),
        (lambda: make_plan(SCHEMA, {"lam": ["a"]}, 1), r"sweep\.lam: expected float, got 'a'"),
        (lambda: make_plan(SCHEMA, {"lam": object()}, 1), "a value or a list of values"),
        (lambda: make_plan(SCHEMA, {"mu": 1}, 1), "a value is needed for 'lam'"),
        (lambda: make_plan(SCHEMA, {"lam": [1], "z": zipped(lam=[1], mu=[2])}, 1), "already swept by axis 'lam'"),
        (lambda: make_plan(SCHEMA, {"lam": 1, "n": zipped(mu=[2])}, 1), "this name is taken"),
        (lambda: make_plan(SCHEMA, {"lam": 1}, 0), "at least one seed"),
        (lambda: make_plan(SCHEMA, {"lam": 1}, [1, 1]), "once only"),
        (lambda: make_plan(SCHEMA, {"lam": 1}, [2**31]), "every seed must lie in"),
        (lambda: make_plan(SCHEMA, {"lam": 1}, 1, lanes=0), "at least one lane"),
        (lambda: make_plan(SCHEMA, {"lam": 1}, True), "seeds: expected a whole number, got True"),
        (lambda: make_plan(SCHEMA, {"lam": 1}, 2.5), "seeds: expected a whole number, got 2.5"),
        (lambda: make_plan(SCHEMA, {"lam": 1}, np.array([0.5, 1.5])), "seeds: expected a whole number, got 0.5"),
        (lambda: make_plan(SCHEMA, {"lam": 1}, {0, 1}), "seeds: expected a value or a list"),
        (lambda: make_plan(SCHEMA, {"lam": np.ones((2, 3))}, 1), r"sweep\.lam: .*array of shape \(2, 3\)"),
        (lambda: make_plan(SCHEMA, {"lam": 9.0, "z": zipped(lam=[1.0], mu=[2.0])}, 1), r"sweep\.z: 'lam' moves along"),
        (lambda: make_plan(SCHEMA, {"lam": 1, "a/b": zipped(mu=[1.0])}, 1), r"the name 'a/b' holds a '/'.*'a\.b'"),
        (lambda: make_plan(SCHEMA, {"lam": 1, "": zipped(mu=[1.0])}, 1), "the name '' is empty"),
        (lambda: make_plan(SCHEMA, {"lam": 1, "status": zipped(mu=[1.0])}, 1), "have a 'status' of their own"),
        (lambda: zipped(mu="abc"), r"zip\.mu: expected a value or a list"),
        (lambda: linspace(0, float("nan"), 3), "must be finite numbers, got nan"),
        (lambda: logspace(0, 400, 3), "exponents of 10"),
        (lambda: linspace("a", 1, 3), "must be finite numbers, got 'a'"),
        (lambda: linspace(0, 1, 10**9), "a whole number of 1 to 10,000,000, got 1000000000"),
        (lambda: whole_range(10**30), "at most 10,000,000 values, these are more"),
        (lambda: whole_range(float("nan")), "expected one to three whole numbers, got nan"),
        (lambda: make_plan(SCHEMA, {"lam": 1}, 2**40), "at most 10,000,000 seeds"),
        (lambda: whole_range(0, 1, 0.1), r"expected one to three whole numbers.*linspace"),
        (lambda: whole_range(0, 4, 0), "the step must not be 0"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -np.inf, np.float32("nan"), 10**400])
@pytest.mark.parametrize("name", ["lam", "mu", "n", "depth"])
def test_what_is_no_finite_number_has_no_place_in_a_grid(name, bad):
    arrays = [] if isinstance(bad, int) else [np.array([1.0, bad])]
    for entry in (bad, [1, bad], *arrays):
        with pytest.raises(ConfigError, match=rf"sweep\.{name}: expected a (finite )?number"):
            make_plan(SCHEMA, {"lam": 1, name: entry}, 1)
    with pytest.raises(ConfigError, match=rf"sweep\.z\.{name}: expected a (finite )?number"):
        make_plan(SCHEMA, {"z": zipped(**{name: [1, bad]})}, 1)
    with pytest.raises(TrialError, match=r"the default of 'mu': expected a (finite )?number"):
        schema_of_source(f"def trial(key, *, mu: float = {bad if isinstance(bad, int) else '1e999'}): ...", "trial.py")


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("lam", [3.4028234663852886e38, -3.4e38, 0.0, 1.1754943508222875e-38], [3.41e38, -1e39, 1e-38, -1e-300]),
        ("depth", [2**31 - 1, -(2**31)], [2**31, -(2**31) - 1]),
    ],
)
def test_a_traced_number_fits_into_what_the_trial_computes_in(name, inside, outside):
    check_precision(make_plan(SCHEMA, {"lam": 1, name: inside}, 1), "float32")
    for value in outside:
        plan = make_plan(SCHEMA, {"lam": 1, name: [1, value]}, 1)
        with pytest.raises(ConfigError, match=rf"sweep\.{name}: .* does not fit into (float|int)32.*float64"):
            check_precision(plan, "float32")
        check_precision(plan, "float64")
    check_precision(make_plan(SCHEMA, {"lam": 1, "n": 2**40}, 1), "float32")  # static: no array holds it


ARRAYS = [
    np.array([0.1, 0.5], np.float32),
    np.array([0.1, 0.5], np.float64),
    jnp.array([0.1, 0.5], jnp.float32),
    [np.float32(0.1), jnp.float32(0.5)],
    (np.float64(0.1), 0.5),
]


@pytest.mark.parametrize("values", ARRAYS)
def test_numpy_and_jax_values_are_the_numbers_a_person_would_type(values):
    plan = make_plan(SCHEMA, {"lam": values, "mu": values[0], "n": np.int64(3)}, np.arange(2), lanes=np.int64(8))
    assert plan.axes[0].values("lam") == [0.1, 0.5]
    assert plan.fixed == {"mu": 0.1, "n": 3, "solver": "l2", "depth": 1}
    assert all(type(v) in (float, int, str) for v in plan.fixed.values())
    assert plan.seeds == (0, 1)
    assert make_plan(SCHEMA, {"lam": 1}, np.int32(3)).seeds == make_plan(SCHEMA, {"lam": 1}, jnp.arange(3)).seeds
    moved = make_plan(SCHEMA, {"z": zipped(lam=values, n=np.array([1, 2]), solver=np.array(["l2", "prox"]))}, 1)
    assert moved.axes[0].points == ({"lam": 0.1, "n": 1, "solver": "l2"}, {"lam": 0.5, "n": 2, "solver": "prox"})
    assert all(type(v) in (float, int, str) for point in moved.axes[0].points for v in point.values())
    assert (
        make_plan(SCHEMA, {"a": product(lambda **_: False, lam=values, n=np.arange(2))}, 1).axes[0].points[0]["n"] == 0
    )
    assert len(make_plan(SCHEMA, {"d": random_search(2, lam=values)}, 1).axes[0]) == 2


@given(st.integers(-6, 6), st.integers(1, 40), st.integers(1, 9), st.integers(2, 30))
def test_grids_hold_the_decimals_that_a_person_would_type(first, step, places, num):
    """Decimals are exact in `Decimal`: every tick of a decimal grid is the float that its text reads as."""
    ticks = [Decimal(first) + i * Decimal(step).scaleb(-places) for i in range(num)]
    assert linspace(float(ticks[0]), float(ticks[-1]), num) == tuple(map(float, ticks))
    powers = [Decimal(step).scaleb(k - places) for k in range(num)]
    assert geomspace(float(powers[0]), float(powers[-1]), num) == tuple(map(float, powers))
    exponents = range(first, first + num)
    assert logspace(exponents[0], exponents[-1], num) == tuple(float(f"1e{k}") for k in exponents)


def cells_of(plan):
    """Every cell that some chunk computes: its position, and the parameters and seed it is computed with."""
    for program in plan.programs():
        for chunk in program.chunks:
            region = plan.region(chunk)
            seeds, lanes, scalars = plan.inputs(chunk)
            assert all(p.stop - p.start <= extent for p, extent in zip(region, plan.block, strict=True))
            traced = [plan.is_traced(axis) for axis in plan.axes]
            for position in itertools.product(*(range(p.start, p.stop) for p in region)):
                offset = [i - p.start for i, p in zip(position, region, strict=True)]
                moved = [o for o, t in zip(offset, traced, strict=False) if t]
                values = {**program.static, **scalars}
                for columns, o in zip(lanes, moved, strict=True):
                    values |= {name: column[o] for name, column in columns.items()}
                yield position, values, seeds[offset[-1]]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(1, 7),
    st.integers(1, 60),
)
def test_every_cell_is_computed_once_with_its_own_values(lams, ns, pairs, seeds, lanes):
    entries = {"lam": linspace(0, 1, lams), "n": list(range(1, ns + 1))}
    if pairs:
        entries["pair"] = zipped(mu=linspace(2, 3, pairs), solver=["prox", "l2", "prox"][:pairs])
    plan = make_plan(SCHEMA, entries, seeds, lanes=lanes)
    found = list(cells_of(plan))
    assert len(found) == plan.trials
    assert {position for position, _, _ in found} == set(itertools.product(*map(range, plan.shape)))
    assert plan.lanes <= lanes
    for position, values, seed in found:
        expected = {"mu": 0.0, "solver": "l2", "depth": 1}
        for axis, i in zip(plan.axes, position, strict=False):
            expected |= axis.points[i]
        assert values == expected
        assert seed == plan.seeds[position[-1]]


def test_one_program_for_each_static_point():
    plan = make_plan(SCHEMA, {"lam": [0.1, 0.2], "n": [1, 2, 3], "solver": ["prox", "l2"]}, 4)
    assert [p.static for p in plan.programs()] == [
        {"n": n, "solver": solver} for n in (1, 2, 3) for solver in ("prox", "l2")
    ]


def test_an_int_that_is_traced_costs_no_program():
    assert len(make_plan(SCHEMA, {"lam": 1.0, "depth": [1, 2, 3]}, 4).programs()) == 1


def test_sobol_points_fill_every_part_of_the_space():
    """Of 64 points, each cell of an 8 x 8 grid over the unit square has exactly one: a (0, 6, 2)-net in base 2."""
    columns = sobol_search(64, a=uniform(0.0, 1.0), b=uniform(2.0, 4.0)).columns
    cells = {(int(8 * a), int(4 * (b - 2))) for a, b in zip(columns["a"], columns["b"], strict=True)}
    assert len(cells) == 64
    assert columns == sobol_search(64, a=uniform(0.0, 1.0), b=uniform(2.0, 4.0)).columns
    assert columns != sobol_search(64, seed=1, a=uniform(0.0, 1.0), b=uniform(2.0, 4.0)).columns
    few = sobol_search(5, n=integers(1, 3), kind=["a", "b"]).columns
    assert len(set(zip(few["n"], few["kind"], strict=True))) == 5


def test_random_points_are_repeatable_distinct_and_inside():
    space = {"lam": loguniform(1e-4, 10), "mu": uniform(-1, 1), "n": integers(1, 3), "solver": ["prox", "l2"]}
    draws = random_search(200, seed=3, **space)
    assert draws.columns == random_search(200, seed=3, **space).columns
    assert draws.columns != random_search(200, seed=4, **space).columns
    lam = np.log10(draws.columns["lam"])
    assert lam.min() > -4
    assert lam.max() < 1
    assert abs(np.mean(lam) + 1.5) < 4 * (5 / 12**0.5) / 200**0.5
    assert set(draws.columns["n"]) == {1, 2, 3}
    plan = make_plan(SCHEMA, {"draw": draws}, 2)
    assert len(plan.axes[0]) == 200
    assert len(plan.programs()) == 6
    found = list(cells_of(plan))
    assert len(found) == plan.trials
    for position, values, _ in found:
        assert values == {"depth": 1, **plan.axes[0].points[position[0]]}


def test_grids_in_a_row_take_defaults_for_what_they_do_not_name():
    plan = make_plan(SCHEMA, {"lam": 1.0, "arm": grids({"solver": "l2"}, {"solver": "prox", "mu": [0.5, 1.0]})}, 2)
    assert plan.axes[0].points == (
        {"solver": "l2", "mu": 0.0},
        {"solver": "prox", "mu": 0.5},
        {"solver": "prox", "mu": 1.0},
    )
    assert [len(program.chunks) for program in plan.programs()] == [1, 1]


def test_product_with_holes():
    holes = product(lambda n, lam: n * lam > 2, n=[1, 2], lam=[1.0, 2.0])
    plan = make_plan(SCHEMA, {"cell": holes}, 1)
    assert plan.axes[0].points == ({"n": 1, "lam": 1.0}, {"n": 1, "lam": 2.0}, {"n": 2, "lam": 1.0})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: random_search(5, n=[1, 2]), "holds only about 2 points, 5 were asked"),
        (lambda: sobol_search(5, n=[1, 2]), "sobol_search: the space holds only about 2 points, 5 were asked"),
        (lambda: sobol_search(5), "the space is empty"),
        (lambda: loguniform(0, 1), "must be positive"),
        (lambda: uniform(1, 1), "below the upper one"),
        (lambda: product(lambda n: True, n=[1]), "the grid is empty"),
        (lambda: make_plan(SCHEMA, {"a": grids({"n": 1}, {"lam": 1.0})}, 1), r"sweep\.a\.lam: a value is needed"),
    ],
)
def test_mistakes_in_a_search_are_named(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
