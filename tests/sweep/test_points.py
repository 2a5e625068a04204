"""A trial at points found on the way: equal to a sweep, and computing no more than is asked."""

import jax
import numpy as np

from jaxml.sweep import sweep
from jaxml.sweep.points import Points
from jaxml.sweep.signature import schema_of


def trial(key: jax.Array, *, scale: float) -> dict[str, jax.Array]:
    """Two names for one array, and a third that is dear."""
    value = scale * jax.random.normal(key)
    matrix = value + jax.random.normal(key, (32, 32))
    return {"value": value, "same": value, "dear": (matrix @ matrix).max()}


def test_points_equal_a_sweep() -> None:
    at_points = Points(trial, schema_of(trial), {}, ["scale"])([(1.0,), (2.0,)], range(4))
    swept = sweep(trial, scale=[1.0, 2.0], seeds=4)
    np.testing.assert_array_equal(at_points.dear, swept.dear)


def test_only_what_is_asked_for_is_computed() -> None:
    whole = Points(trial, schema_of(trial), {}, ["scale"])
    some = Points(trial, schema_of(trial), {}, ["scale"], outputs=["value"])
    expected, found = (points([(1.0,), (2.0,)], range(3)) for points in (whole, some))
    assert set(found.data_vars) == {"value", "nonfinite"}
    np.testing.assert_array_equal(found.value, expected.value)
    blocks = [next(iter(points._compiled.values())) for points in (whole, some)]
    product = 6 * 2 * 32**3  # of each of six lanes
    assert [block.compiled.cost_analysis()["flops"] > product for block in blocks] == [True, False]


def test_shared_programs_are_told_apart_by_the_names_of_their_outputs() -> None:
    shared: dict = {}
    for name in ("value", "same"):
        points = Points(trial, schema_of(trial), {}, ["scale"], outputs=[name], compiled=shared)
        assert name in points([(1.0,)], range(2)).data_vars
    assert len(shared) == 2


def test_nothing_to_return_is_nan() -> None:
    points = Points(trial, schema_of(trial), {}, ["scale"], outputs=["elsewhere"])
    assert np.isnan(points([(1.0,)], range(2)).elsewhere).all()
