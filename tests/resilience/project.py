"""A small project whose runs pass every stage, the command that runs it, and what makes two runs equal to the bit."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxml.runs.directory import RunDirectory, find_runs

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from jaxml.cli import command; command()"]
EXPERIMENT = '''
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxml import Experiment, Figure, Metric, curve


def trial(key: jax.Array, *, x: float, y: float = 0.0, arm: Literal["a", "b"] = "a") -> dict[str, Any]:
    """One arm grows with x and y; some work, so that there is time to be killed."""
    noise = jax.random.normal(key, (64,))
    work = jax.lax.fori_loop(0, 20_000, lambda _, held: jnp.sin(held) + 1.0, noise)
    value = noise.mean() + (x + y + 0.1 * noise[0] if arm == "a" else 0.0)
    return {"value": value, "hits": (noise > x).sum(), "path": curve(jnp.cumsum(work), "step")}


experiment = Experiment(
    trial=trial,
    metrics={"double": Metric(lambda here: 2.0 * here.value)},
    figures=(Figure("Value", y="value", x="x", lines="arm"),),
)
'''
CONFIG = """experiment: toy
title: A toy
sweep: {arm: [a, b], x: {linspace: [0.0, 2.0, 8]}, y: [0.0]}
seeds: 16
looks: [16]
lanes: 32
claims:
  grows:
    statement: One arm grows with x, and the other does not.
    quantifier: all
    where: {x: [2.0]}
    metric: double
    arms: {claimed: {arm: a}, against: {arm: b}}
    margin: {value: 0.5, reason: An eighth of the largest effect.}
    controls:
      negative: [{name: nothing is added, where: {x: 0.0}}]
      positive: [{name: much is added, where: {x: 2.0}}]
map:
  grows:
    axes: {x: {linspace: [0.0, 1.0, 9]}, y: {linspace: [0.0, 1.0, 9]}}
    stride: 4
"""


@dataclass
class Count:
    """One kind of trouble: how often it was tried, how it ended, and what went wrong."""

    name: str
    tried: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def add(self, end: str) -> None:
        self.tried += 1
        self.ends[end] = self.ends.get(end, 0) + 1

    def fail(self, what: str) -> None:
        self.tried += 1
        self.wrong.append(what)
        print(f"WRONG  {self.name}: {what}", flush=True)


@dataclass(frozen=True)
class Project:
    """A folder with an experiment and a config."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> "Project":
        for name, text in (("experiments/toy.py", EXPERIMENT), ("configs/toy.yaml", CONFIG)):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return cls(root)

    def start(self, *options: str, cache: str = "cache", before: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Begin ``jaxml run``."""
        command = [*before, *COMMAND, "run", "configs/toy.yaml", *options]
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment(cache),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environment(self, cache: str = "cache") -> dict[str, str]:
        """Compiled programs are kept in the project; an empty cache makes a cold start."""
        return {**os.environ, "JAXML_CACHE": str(self.root / cache), "PYTHONPATH": str(ROOT)}

    def run(self, *options: str, **how: Any) -> tuple[int, str]:
        """The exit code of ``jaxml run``, and what it said."""
        process = self.start(*options, **how)
        said = process.communicate(timeout=600)[1]
        return process.returncode, said

    def the_run(self, runs: str) -> RunDirectory:
        """The only run in a folder."""
        (found,) = find_runs(self.root / runs)
        return found


def kill(process: subprocess.Popen[str], stage: str, delay: float) -> str:
    """Kill a process some time after it said that a stage began; the stage it was in, empty when it ended before."""
    assert process.stderr is not None
    last = ""
    for line in process.stderr:
        last = re.sub(r"^ *[\d.]+ s +", "", line.strip())
        if stage in last:
            time.sleep(delay)
            break
    if process.poll() is not None:
        return ""
    process.send_signal(signal.SIGKILL)
    lines = [line for line in process.stderr.read().splitlines() if line.strip()]
    process.wait()
    return re.sub(r"^ *[\d.]+ s +", "", lines[-1].strip()) if lines else last


def differences(run: RunDirectory, reference: RunDirectory) -> list[str]:
    """Where two runs are not equal to the bit; the first is checked against its manifest too."""
    run.check()
    here, there = run.results(), reference.results()
    found = [
        str(name)
        for name in {*here.data_vars, *there.data_vars}
        if name not in here or name not in there or not _same(here[name].values, there[name].values)
    ]
    for name in ("verdicts.json", "map.json", "spec.json"):
        if (run.path / name).read_bytes() != (reference.path / name).read_bytes():
            found.append(name)
    return found


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
