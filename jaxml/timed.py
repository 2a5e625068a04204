"""One process of a timing claim: ``python -m jaxml.timed TASK.json`` times the pairs of a task.

A process of its own, begun from nothing, so that memory layout, compiled code and the order of compilation are drawn
anew. It ends when whoever began it is gone.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxml.claims.stopwatch import load, log_ratio, machine
from jaxml.errors import JaxmlError, TrialError


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """Time every pair of a task.

    Args:
        task: ``experiment`` and ``root``, ``precision``, ``blocks``, ``process`` (its number), and ``pairs``, each with
            ``faster``, ``than``, their settings ``at``, and how often a call of each is ``done``.

    Returns:
        The log ratio and the seconds of each pair, load average, machine.

    Raises:
        TrialError: when a timing gives no function with its arguments.
    """
    began, alive = load(), _orphaned(os.getppid())
    import jax
    import jaxlib

    from jaxml.backend import prepare_backend
    from jaxml.experiment import contained, load_experiment

    prepare_backend(task["precision"])
    jax.config.update("jax_enable_compilation_cache", False)  # a kept program would be one draw for all processes
    experiment = load_experiment(task["experiment"], Path(task["root"]))
    number, pairs = task["process"], task["pairs"]
    found: list[Any] = [None] * len(pairs)
    for step in range(len(pairs)):
        place = (step + number) % len(pairs)  # no pair always comes first
        pair = pairs[place]
        calls = [
            _call(experiment.timings[pair[side]], pair[side], pair["at"], times)
            for side, times in zip(("faster", "than"), pair["done"], strict=True)
        ]
        with contained(f"timing '{pair['faster']}' against '{pair['than']}'"):
            found[place] = log_ratio(*calls, blocks=task["blocks"], turned=bool(number % 2), tick=alive)
    device = jax.devices()[0]
    return {
        "log_ratios": [ratio for ratio, _ in found],
        "seconds": [list(seconds) for _, seconds in found],
        "load": began,
        "machine": machine()
        | {"device": device.device_kind, "jax": jax.__version__, "jaxlib": jaxlib.version.__version__}
        | {"flags": os.environ.get("XLA_FLAGS", "")},
    }


def _call(make: Callable[..., Any], name: str, at: dict[str, Any], times: int) -> Callable[[], Any]:
    """One call as it is timed: done when its result is there."""
    import jax

    try:
        made = make(**at)
    except TypeError as error:
        raise TrialError(f"timing '{name}' cannot be made with {at}: {error}") from None
    if not isinstance(made, tuple) or not made or not callable(made[0]):
        raise TrialError(f"timing '{name}' must return a function and its arguments, (f, x, ...), got {made!r}.")
    function, *arguments = made

    def once() -> Any:
        return jax.block_until_ready(function(*arguments))

    def several() -> None:
        for _ in range(times):
            once()

    return once if times == 1 else several


def _orphaned(parent: int) -> Callable[[], None]:
    """Ends this process once the one that began it is gone."""

    def check() -> None:
        if os.getppid() != parent:
            os._exit(1)

    return check


def main() -> None:
    """Read the task, write the outcome beside it whole or not at all."""
    path = Path(sys.argv[1])
    task = json.loads(path.read_text(encoding="utf-8"))
    try:
        found = measure(task)
    except JaxmlError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    target = Path(task["out"])
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(found), encoding="utf-8")
    os.replace(partial, target)


if __name__ == "__main__":
    main()
