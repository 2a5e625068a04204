"""The schema of a trial: read from a function and from text, the two agree, and mistakes are named."""

import textwrap
from typing import Literal

import pytest

from jaxml import Static, Traced
from jaxml.errors import ConfigError, TrialError
from jaxml.sweep.signature import REQUIRED, Parameter, schema_of, schema_of_source

SOURCE = textwrap.dedent(
    """
    import typing
    import jaxml
    from typing import Literal
    from jaxml import Static, Traced

    def helper(x): ...

    def trial(key, *, lam: float, noise: float = 1, n: int = 20, depth: Traced[int] = 3, flag: bool = False,
              momentum: Static[float] = 0.9, name: str = "a", solver: Literal["prox", "l2"] = "l2",
              late: jaxml.Traced[int] = -1, power: typing.Literal[1, 2] = 2):
        return {"x": lam}
    """
)


def test_text_and_function_give_the_same_schema():
    namespace: dict = {}
    exec(SOURCE, namespace)
    assert dict(schema_of(namespace["trial"])) == dict(schema_of_source(SOURCE, "trial.py"))


def test_sides_defaults_and_choices():
    schema = schema_of_source(SOURCE, "trial.py")
    assert [name for name, p in schema.items() if p.traced] == ["lam", "noise", "depth", "late"]
    assert schema["lam"].default is REQUIRED
    assert schema["noise"].default == 1.0
    assert isinstance(schema["noise"].default, float)
    assert schema["late"].default == -1
    assert schema["solver"].choices == ("prox", "l2")
    assert schema["power"].type is int


def test_annotations_that_are_text_resolve():
    def trial(key, *, lam: "float", n: "Static[int]" = 1): ...

    assert [(p.type, p.traced) for p in schema_of(trial).values()] == [(float, True), (int, False)]


def no_key(*, lam: float): ...
def two_positional(key, lam: float): ...
def swallow(key, **rest): ...
def untyped(key, *, lam): ...
def listed(key, *, lam: list[float]): ...
def mixed(key, *, lam: Literal[1, "a"]): ...
def text_lane(key, *, name: Traced[str]): ...
def bad_default(key, *, n: int = "three"): ...  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("trial", "message"),
    [
        (no_key, "Put the key first"),
        (two_positional, "Put the key first"),
        (swallow, "needs one of the types|Put the key first"),
        (untyped, "'lam' needs one of the types"),
        (listed, "'lam' needs one of the types"),
        (mixed, "'lam' needs one of the types"),
        (text_lane, "text can be traced only where its choices are given"),
        (bad_default, "the default of 'n': expected int, got 'three'"),
    ],
)
def test_what_is_not_a_trial(trial, message):
    with pytest.raises(TrialError, match=message):
        schema_of(trial)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def trial(key, *, lam: float:", "trial.py, line 1"),
        ("x = {'trial': trial}", "there is no function 'trial'"),
        ("def trial(key, lam): ...", r"must be trial\(key, \*"),
        ("def trial(key, *, n: int = len('abc')): ...", r"parameter 'n': the default 'len\('abc'\)' is computed"),
        ("def trial(key, *, n: open('x')): ...", "'n' needs one of the types"),
    ],
)
def test_what_is_not_the_text_of_a_trial(text, message):
    with pytest.raises(TrialError, match=message):
        schema_of_source(text, "trial.py")


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        (Parameter("x", float, True), 1, 1.0),
        (Parameter("x", int, False), 2.0, 2),
        (Parameter("x", bool, False), True, True),
        (Parameter("x", str, False), "a", "a"),
        (Parameter("x", int, False, choices=(1, 2)), 2, 2),
    ],
)
def test_accepted_values(parameter, value, expected):
    accepted = parameter.accept(value, "sweep.x")
    assert accepted == expected
    assert type(accepted) is type(expected)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (Parameter("x", float, True), True),
        (Parameter("x", float, True), "1e-3"),
        (Parameter("x", int, False), 2.5),
        (Parameter("x", int, False), float("inf")),
        (Parameter("x", int, False), float("nan")),
        (Parameter("x", int, False), False),
        (Parameter("x", bool, False), 1),
        (Parameter("x", str, False), 1),
        (Parameter("x", int, False, choices=(1, 2)), True),
        (Parameter("x", str, False, choices=("prox", "l2")), "proks"),
    ],
)
def test_refused_values(parameter, value):
    with pytest.raises(ConfigError, match=r"sweep\.x"):
        parameter.accept(value, "sweep.x")
