"""Timings: the stopwatch's arithmetic by a fake clock, real processes, and what ends one."""

import json
import math
import os
import signal
import stat
import sys
import threading
import time

import pytest

from jaxml.claims.kinds.timing import TimingClaim, TimingKind, _pairs
from jaxml.claims.launch import in_process
from jaxml.claims.stopwatch import log_ratio, machine
from jaxml.errors import TrialError
from jaxml.timed import measure

EXPERIMENT = """import jax
import jax.numpy as jnp
from jaxml import Experiment

print("an experiment may print")


def trial(key: jax.Array, *, x: float = 0.0) -> dict[str, jax.Array]:
    return {"x": jnp.asarray(x)}


def often(size=1, loops=1):
    def f(x):
        for _ in range(loops):
            x = x + 1.0
        return x

    return f, jnp.ones(size)


experiment = Experiment(
    trial=trial,
    timings={
        "once": often,
        "often": lambda size=1: often(size, 20),
        "none": lambda: 3,
        "broken": lambda: (lambda: 1 // 0,),
    },
)
"""


def task(tmp_path, faster="once", than="often", at=None, **more):
    (tmp_path / "experiments").mkdir(exist_ok=True)
    (tmp_path / "experiments/speed.py").write_text(EXPERIMENT)
    pair = {"faster": faster, "than": than, "at": at or {}, "done": [1, 1]}
    given = {"experiment": "speed", "root": str(tmp_path), "precision": "float32", "blocks": 2, "process": 0}
    return given | {"pairs": [pair, {**pair, "than": faster, "done": [1, 4]}]} | more


class Fake:
    """A clock, and calls that take a while by it, longer and longer."""

    def __init__(self, drift=0.0):
        self.now, self.drift, self.calls = 0.0, drift, 0

    def lasting(self, seconds):
        def call():
            self.now += seconds * math.exp(self.drift * self.calls)
            self.calls += 1

        return call


@pytest.mark.parametrize("turned", [False, True])
def test_a_steady_drift_cancels_in_every_block(turned):
    fake = Fake(drift=0.05)
    theta, _ = log_ratio(fake.lasting(1.0), fake.lasting(3.0), blocks=5, turned=turned, clock=lambda: fake.now)
    assert theta == pytest.approx(math.log(3.0), abs=1e-12)


def test_short_calls_are_repeated_and_one_slow_block_changes_nothing():
    fake, blocks = Fake(), []

    def slow_in_the_second_block():
        fake.now += 2**-21 * (100 if len(blocks) == 1 else 1)
        fake.calls += 1

    theta, seconds = log_ratio(
        fake.lasting(2**-20),
        slow_in_the_second_block,
        blocks=7,
        clock=lambda: fake.now,
        tick=lambda: blocks.append(fake.calls),
    )
    assert len(blocks) == 7
    assert fake.calls > 7 * 4 * 1000  # 2 ms of calls a sample
    assert theta == pytest.approx(-math.log(2.0), abs=1e-9)
    assert seconds == pytest.approx((2**-20, 2**-21))


def test_a_process_times_pairs_and_says_on_what(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    given = task(tmp_path, at={"size": 3})
    found = in_process(given, tmp_path, scratch, 120.0)
    many, several = found["log_ratios"]
    assert many > math.log(2)  # twenty additions against one
    assert several == pytest.approx(math.log(4), abs=1.0)
    assert found["machine"] | machine() == found["machine"]
    assert {"jax", "jaxlib", "device", "flags"} <= set(found["machine"])
    assert all(0 < first < second for first, second in found["seconds"])
    (kept,) = tmp_path.glob("*.json")
    kept.write_text(json.dumps({**found, "load": 7}))
    assert in_process(given, tmp_path, scratch, 0.0)["load"] == 7  # a finished process is not begun again
    with pytest.raises(TrialError, match="longer than 0 s"):
        in_process({**given, "process": 1}, tmp_path, scratch, 0.0)


@pytest.mark.parametrize(
    ("faster", "at", "message"),
    [
        ("none", None, r"must return a function and its arguments, .* got 3"),
        ("once", {"width": 1}, "cannot be made with"),
    ],
)
def test_what_cannot_be_timed_is_named(tmp_path, faster, at, message):
    with pytest.raises(TrialError, match=message):
        measure(task(tmp_path, faster, at=at))


@pytest.fixture
def sleeping(tmp_path, monkeypatch):
    """Processes that write down who they are and sleep; one that is asked to fail says so."""
    script = tmp_path / "python"
    script.write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/pid\nps -o sess= -p $$ > {tmp_path}/session\n"
        f"[ -e {tmp_path}/fail ] && echo 'error: why' >&2 && exit 2\nexec sleep 60\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setattr(sys, "executable", str(script))
    return tmp_path


def gone(folder):
    pid = int((folder / "pid").read_text())
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_a_process_that_takes_too_long_is_ended(sleeping):
    with pytest.raises(TrialError, match=r"a process took longer than 0.3 s. Time less"):
        in_process(task(sleeping), sleeping, sleeping, 0.3)
    assert gone(sleeping)


def test_a_process_that_fails_says_why(sleeping):
    (sleeping / "fail").touch()
    with pytest.raises(TrialError, match="timing 'once' against 'often': a process failed: why"):
        in_process(task(sleeping), sleeping, sleeping, 60.0)


def test_ctrl_c_ends_the_process_and_the_run(sleeping):
    over = threading.Event()

    def press() -> None:
        while not over.wait(1.0):  # again, should the first fall into a finaliser, which swallows it
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    threading.Thread(target=press, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            in_process(task(sleeping), sleeping, sleeping, 60.0)
    finally:
        over.set()
        signal.signal(signal.SIGINT, before)
    assert gone(sleeping)
    assert (sleeping / "pid").read_text().split() == (
        sleeping / "session"
    ).read_text().split()  # a terminal's stays out


def test_controls_time_the_faster_one_against_itself_and_against_more_than_the_margin():
    claim = TimingClaim.model_validate(
        {
            "kind": "timing",
            "statement": "one is faster than the other",
            "faster": "a",
            "than": "b",
            "over": {"n": [1, 2], "m": [3]},
            "margin": {"factor": 3.0, "reason": "three times as fast"},
        }
    )
    *cells, (negative, role, _), (positive, _, name) = _pairs(claim)
    assert [pair["at"] for pair, _, _ in cells] == [{"n": 1, "m": 3}, {"n": 2, "m": 3}]
    assert (negative["than"], negative["done"], role) == ("a", [1, 1], "negative control")
    assert (positive["than"], positive["done"], name) == ("a", [1, 5], "a once against 5 times")


def test_fewer_than_sixteen_processes_are_for_smoke_runs():
    from jaxml.claims.given import Grid
    from jaxml.errors import ConfigError

    TimingKind().check(None, Grid((), looks=(16,)), "claims.Y6")
    TimingKind().check(None, Grid((), looks=(2,), smoke=True), "claims.Y6")
    with pytest.raises(ConfigError, match=r"claims\.Y6: a timing takes at least 16 processes"):
        TimingKind().check(None, Grid((), looks=(8, 15)), "claims.Y6")
