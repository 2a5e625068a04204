"""What a trial may be: parameters on their side of traced and static, outputs that have a place, one computation."""

import random
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxml import Traced, curve, sweep, zipped
from jaxml.errors import TrialError
from jaxml.sweep.store import open_results


def shaped(key, *, n: Traced[int]):
    return {"x": jax.random.normal(key, (n,)).sum()}


def branching(key, *, lam: float, n: int = 2):
    return {"x": jnp.float32(n) if lam > 1 else jnp.float32(0)}


def sliced(key, *, n: Traced[int]):
    return {"x": jnp.ones(10)[:n].sum()}


def looped(key, *, n: Traced[int]):
    return {"x": sum((jnp.ones(()) for _ in range(n)), jnp.zeros(()))}


def as_array(key, *, n: int):
    return {"x": n.astype(jnp.float32)}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("trial", "axes", "message"),
    [
        (shaped, {"n": [2, 3]}, r"'n' is traced.* at .*test_contract.py, line \d+ .*'n: Static\[int\]'"),
        (branching, {"lam": [0.5, 2.0]}, r"'lam' is traced.*'lam: Static\[float\]'"),
        (sliced, {"n": [2, 3]}, r"'n' is traced"),
        (looped, {"n": [2, 3]}, r"'n' is traced"),
        (shaped, {"n": 3}, r"'n' is traced"),
        (as_array, {"n": [1, 2]}, r"'n' is static.*'n: Traced\[int\]'"),
    ],
)
def test_a_parameter_on_the_wrong_side(trial, axes, message):
    with pytest.raises(TrialError, match=message):
        sweep(trial, seeds=2, **axes)


def test_a_jitted_trial_with_static_parameters_is_named():
    @jax.jit
    def trial(key, *, arm: str):
        return {"x": 1.0}

    with pytest.raises(TrialError, match=r"trial is jitted.*Leave jax\.jit out"):
        sweep(trial, seeds=1, arm=["a", "b"])


def test_only_the_parameter_to_blame_is_named():
    def trial(key, *, lam: float, scale: float, n: Traced[int]):
        return {"x": scale * lam * jnp.ones(n).sum()}

    with pytest.raises(TrialError, match=r"^trial: 'n' is traced"):
        sweep(trial, seeds=1, lam=[1.0, 2.0], scale=3.0, n=2)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (lambda: jnp.zeros(()), "returns a dictionary"),
        (dict, "returns a dictionary"),
        (lambda: {"w": jnp.zeros(3)}, r"'w' has shape \(3,\).*jaxml.curve\(w, ...\)"),
        (lambda: {"nonfinite": 0.0}, "'nonfinite' is taken"),
        (lambda: {"status": 0.0}, "'status' is taken"),
        (lambda: {"lam": 0.0}, "'lam' is taken"),
        (lambda: {"w": curve(jnp.zeros(3), "lam")}, "names an axis like the grid's"),
        (lambda: {"w": curve(jnp.zeros((3, 3)), "i", "i")}, "names an axis twice"),
        (lambda: {"w": curve(jnp.zeros(3), "a/b")}, r"an axis whose name 'a/b' holds a '/'"),
        (
            lambda: {"w": curve(jnp.zeros(3), "i"), "v": curve(jnp.zeros(4), "i")},
            "'i' has length 3 in output 'w' and 4",
        ),
        (lambda: {"w": curve(jnp.zeros(3), "i"), "i": 0.0}, "'i' is an output and an axis of output 'w'"),
        (lambda: {"nonfinite_i": 0.0}, "'nonfinite_i' is taken"),
        (lambda: {"train/loss": 0.0}, r"'train/loss' holds a '/'.*write 'train\.loss'"),
        (lambda: {"/etc/x": 0.0}, r"'/etc/x' holds a '/'.*write 'etc\.x'"),
        (lambda: {"..": 0.0}, "kept for the store's own files"),
        (lambda: {"zarr.json": 0.0}, "kept for the store's own files"),
        (lambda: {"": 0.0}, "the output name '' is empty"),
        (lambda: {3: 0.0}, "the output name 3 is of type int"),
        (lambda: {"a" * 200: 0.0}, "is longer than 120 bytes"),
        (lambda: {"a\nb": 0.0}, "cannot be printed"),
        (lambda: {"a": {"b/c": 0.0}}, r"'b/c' inside 'a' holds"),
        (lambda: {"a": {"b": 0.0}, "a.b": 0.0}, "two outputs are called 'a.b'"),
        (lambda: {"a": None}, "output 'a' is of type NoneType"),
        (lambda: {"a": "text"}, "output 'a' is of type str"),
        (lambda: {"a": jax.random.key(0)}, r"output 'a' is a key.*key_data"),
    ],
)
def test_outputs_that_break_the_contract(outputs, message):
    def trial(key, *, lam: float):
        return outputs()

    with pytest.raises(TrialError, match=message):
        sweep(trial, seeds=1, lam=[1.0])


@pytest.mark.parametrize("name", ["mu", "lam", "pair", "seed"])
def test_no_output_is_called_like_a_coordinate(name):
    def trial(key, *, lam: float, mu: float):
        return {name: lam}

    with pytest.raises(TrialError, match=f"'{name}' is taken"):
        sweep(trial, seeds=1, pair=zipped(lam=[1.0, 2.0], mu=[3.0, 4.0]))


def test_dictionaries_inside_become_dotted_names(tmp_path):
    def trial(key, *, lam: float):
        return {"train": {"loss": lam, "path": curve(jnp.arange(2.0), "step")}, "val": {"top": {"1": 2 * lam}}}

    results = sweep(trial, seeds=1, lam=[1.0, 2.0], store=tmp_path / "s")
    for held in (results, open_results(tmp_path / "s")):
        assert set(held.data_vars) == {"train.loss", "train.path", "val.top.1", "nonfinite", "nonfinite_step"}
        np.testing.assert_array_equal(held["val.top.1"].squeeze(), [2, 4])


def test_axes_of_one_name_have_one_length_at_all_static_points():
    def trial(key, *, n: int):
        return {f"x{n}": curve(jnp.zeros(n), "i")}

    with pytest.raises(TrialError, match="static points: the axis 'i' has length 1 in output 'x1' and 2 in 'x2'"):
        sweep(trial, seeds=1, n=[1, 2])


def test_static_points_must_agree_on_their_outputs():
    def trial(key, *, n: int):
        return {"w": curve(jnp.zeros(n), "i")}

    with pytest.raises(TrialError, match="output 'w' is"):
        sweep(trial, seeds=1, n=[1, 2])


def test_an_integer_cannot_be_left_out():
    def trial(key, *, n: int):
        return {"a": jnp.float32(1), **({"b": n} if n == 1 else {})}

    with pytest.raises(TrialError, match="'b' is int32 and missing at 'n=2'"):
        sweep(trial, seeds=1, n=[1, 2])


def test_the_trials_own_error_is_the_users_own_error():
    def trial(key, *, lam: float):
        return {"x": {"a": 1.0}["b"]}

    with pytest.raises(KeyError, match="b"):
        sweep(trial, seeds=1, lam=[1.0])


def test_names_that_sweep_takes():
    def trial(key, *, lanes: float):
        return {"x": lanes}

    with pytest.raises(TrialError, match="'lanes'"):
        sweep(trial, seeds=1)


def test_curve_names_every_axis():
    with pytest.raises(ValueError, match="2 axes need as many names"):
        curve(jnp.zeros((2, 3)), "step")


@pytest.mark.parametrize("only", ["a", "b"])
def test_what_is_drawn_while_tracing_is_refused_where_it_stands(only):
    def drawing(key, *, lam: float, kind: Literal["a", "b"] = "a"):
        noise = random.random() if kind == only else 0.5
        return {"y": lam + noise}

    with pytest.raises(
        TrialError, match=rf"kind={only}: the trial is another computation .* at .*test_contract.py:\d+"
    ):
        sweep(drawing, seeds=2, lam=[0.5], kind=["a", "b"])


def test_a_generator_with_a_seed_of_its_own_may_draw_while_tracing():
    def drawing(key, *, lam: float):
        return {"y": lam * np.random.default_rng(0).normal(size=3).astype("f").sum()}

    assert sweep(drawing, seeds=2, lam=[0.5]).y.shape == (1, 2)
