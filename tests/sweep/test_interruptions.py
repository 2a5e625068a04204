"""Sweeps that are killed, stopped, starved or doubled: what is on disk stays, and only the rest is computed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxml import linspace, sweep
from jaxml.errors import StoreError
from jaxml.sweep import signals as stopping
from jaxml.sweep.fingerprint import fingerprint
from jaxml.sweep.layout import Lock
from jaxml.sweep.plan import make_plan
from jaxml.sweep.signature import schema_of
from jaxml.sweep.store import ZarrStore, open_results
from jaxml.sweep.trace import master_key, trace
from tests.sweep import sweep_process
from tests.sweep.stored import GRID, assert_same, cells_in, trial

PROCESS = [sys.executable, str(Path(__file__).with_name("sweep_process.py"))]


def start(store, *options):
    return subprocess.Popen(
        [*PROCESS, str(store), *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_cells(process, cells):
    """Read the process's progress until it has written that many cells."""
    for line in process.stdout:
        if int(line) >= cells:
            return
    raise AssertionError(process.stderr.read())


def test_kill_minus_nine_loses_nothing(tmp_path):
    store = tmp_path / "results.zarr"
    process = start(store, "--slow", 0.3)
    wait_for_cells(process, 12)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    held, seen = cells_in(store), []
    assert 12 <= held < 48
    grid = {"seeds": 4, "lanes": 4, "lam": linspace(0.0, 2.0, 6), "power": [1, 2]}
    done = sweep(sweep_process.trial, store=store, progress=seen.append, **grid)
    assert seen[0].done >= held
    assert seen[-1].done == 48
    assert_same(done, sweep(sweep_process.trial, **grid))
    assert_same(open_results(store), done)


@pytest.mark.parametrize(("signals", "said"), [(1, "stopped by SIGTERM"), (2, "stopped at once by a second SIGTERM")])
def test_a_signal_finishes_the_chunk_in_hand_and_a_second_one_stops_at_once(tmp_path, monkeypatch, signals, said):
    monkeypatch.setattr(stopping, "_GRACE_SECONDS", 1.0)
    sent = []

    def progress(state):
        while state.done and len(sent) < signals:
            sent.append(state.done)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt, match=said):
        sweep(trial, store=tmp_path / "results.zarr", progress=progress, **{**GRID, "seeds": 40})
    assert cells_in(tmp_path / "results.zarr") % 4 == 0
    assert 4 <= cells_in(tmp_path / "results.zarr") < 40 * 8
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    time.sleep(1.5 * (signals - 1))  # who catches the interruption goes on living


def test_two_writers_on_one_store(store):
    held = Lock(store)
    with pytest.raises(StoreError, match="another process is writing here"):
        sweep(trial, store=store, **GRID)
    held.release()
    assert sweep(trial, store=store, **GRID).attrs["compiles"] == 0


def test_a_store_that_appears_while_programs_compile(tmp_path):
    path, plan = tmp_path / "results.zarr", make_plan(schema_of(trial), {"lam": [1.0]}, 1)
    traced = trace(trial, plan, plan.programs()[0], master_key("jaxml"))
    identity = fingerprint(plan, [traced], "jaxml")
    stores = [ZarrStore(path, plan, traced.outputs, lambda: identity, {}) for _ in range(2)]
    stores[0].open()
    stores[0].close()
    with pytest.raises(StoreError, match="another process began to write here meanwhile"):
        stores[1].open()


def test_a_full_disk_is_named_and_what_was_written_is_kept(tmp_path):
    store = tmp_path / "results.zarr"
    process = start(store, "--seeds", 200, "--lanes", 400, "--limit", 9000)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3, errors
    assert "could not be written: File too large" in errors
    held = cells_in(store)
    grid = {"seeds": 200, "lanes": 400, "lam": linspace(0.0, 2.0, 6), "power": [1, 2]}
    sweep(sweep_process.trial, store=store, **grid)
    assert 0 <= held < cells_in(store) == 200 * 6 * 2
