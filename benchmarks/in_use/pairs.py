"""How the in-use benchmarks measure: ops where users call them, under the settings that users have.

Default malloc, default dispatch, default flags. Ours, the peer in JAX and the peer in torch take turns, one call each,
and the least of each one's times counts: what runs beside them on the machine slows them all. "MiB" are the temporaries
of our compiled program, and "x arrays" is that over the bytes of what the op itself takes and returns; neither depends
on the load. "x alone" is our time over that of the op alone, where it has a row of its own.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

HEAD = ("op", "use", "ours ms", "compile s", "MiB", "x arrays", "x alone", "torch ms", "ratio", "jax peer", "ratio")
FORMAT = "{:<26} {:<22}" + " {:>9}" * 9
MOST_PAIRS, SECONDS = 9, 2.0


class Peer:
    """A process in the peers' environment that times its programs one call at a time, when asked."""

    def __init__(self, python: str | None, script: str) -> None:
        command = [python or "", script, "--serve"]
        self.process = subprocess.Popen(command, stdin=-1, stdout=-1, text=True) if python else None
        self.versions = self.process.stdout.readline().strip() if self.process else "no --peer-python"

    def milliseconds(self, name: str) -> float | None:
        """One call of a program; None where there is no such program."""
        if self.process is None:
            return None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        return float(answer) if answer else None

    def close(self) -> None:
        if self.process:
            self.process.stdin.close()
            self.process.wait()


def serve(programs: dict[str, Callable[[], Any]]) -> None:
    """The peer's side: a name comes in, milliseconds go out."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    print("torch", torch.__version__, flush=True)
    for line in sys.stdin:
        run = programs.get(line.strip())
        print(once(run) if run else "", flush=True)


def once(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


def table(cases: Callable[[], Any], peers: Callable[[], dict], script: str) -> None:
    """Print one row for each case: (op, use, program, arguments, bytes of the op's arrays, peer in JAX or None)."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="python of an environment with torchvision")
    parser.add_argument("--only", default="", help="the ops whose names contain this")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(peers())
    import jax
    import optax

    peer = Peer(options.peer_python, script)
    print(f"jax {jax.__version__}, optax {optax.__version__}, {peer.versions}; default malloc, dispatch and flags")
    print(f"load {os.getloadavg()[0]:.1f} at the start on {len(os.sched_getaffinity(0))} cores: compare ratios")
    print(FORMAT.format(*HEAD))
    alone: dict[str, float] = {}
    for op, use, program, args, arrays, beside in cases():
        if options.only not in op:
            continue
        start = time.perf_counter()
        compiled = jax.jit(program).lower(*args).compile()
        seconds = time.perf_counter() - start
        memory = compiled.memory_analysis().temp_size_in_bytes
        runs = {"ours": lambda c=compiled, a=args: jax.block_until_ready(c(*a))}
        if beside:
            other = jax.jit(beside)
            runs["jax"] = lambda c=other, a=args: jax.block_until_ready(c(*a))
        found = turns(runs, lambda name=f"{op}, {use}": peer.milliseconds(name))
        ours = found["ours"]
        alone |= {op: ours} if use == "alone" else {}
        against = [f"{ours / alone[op]:.1f}"] if op in alone and use != "alone" else [""]
        for name in ("torch", "jax"):
            against += [f"{found[name]:.1f}", f"{found[name] / ours:.2f}"] if name in found else ["", ""]
        cells = (f"{ours:.1f}", f"{seconds:.1f}", f"{memory / 2**20:.1f}", f"{memory / arrays:.2f}")
        print(FORMAT.format(op, use, *cells, *against).rstrip(), flush=True)
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    peer.close()
    return None


def turns(runs: dict[str, Callable[[], Any]], ask: Callable[[], float | None]) -> dict[str, float]:
    """The least milliseconds of each, taking turns, after a first call of each."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    if ask() is not None:
        times["torch"] = []
    start = time.perf_counter()
    while len(times["ours"]) < 2 or (len(times["ours"]) < MOST_PAIRS and time.perf_counter() - start < SECONDS):
        for name, taken in times.items():
            taken.append(ask() if name == "torch" else once(runs[name]))
    return {name: min(taken) for name, taken in times.items()}
