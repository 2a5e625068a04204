"""Exact claims of a config: its suites are run in float64, and their reports kept in the run directory."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from jaxml.claims.card import SuiteCard
from jaxml.config import LoadedConfig
from jaxml.errors import ConfigError, RunError, TrialError, nearest
from jaxml.experiment import Experiment
from jaxml.runs.directory import RunDirectory

FILE = "suites.json"


def check_suites(loaded: LoadedConfig, experiment: Experiment) -> None:
    """Check that the experiment has every suite that is named.

    Raises:
        ConfigError: naming the one it lacks.
    """
    for name, spec in loaded.config.suites.items():
        if spec.suite not in experiment.suites:
            place = loaded.document.place(["suites", name, "suite"])
            raise ConfigError(
                f"{place}: the experiment has no '{spec.suite}'. {nearest(spec.suite, experiment.suites)}"
            )


def run_suites(
    loaded: LoadedConfig,
    experiment: Experiment,
    directory: RunDirectory,
    notify: Callable[[str], None] = lambda message: None,
) -> list[SuiteCard]:
    """Decide the exact claims of a config and write their cards.

    Raises:
        TrialError: when a suite breaks its contract.
    """
    import jax

    from jaxml.claims.exact import Suite, run_suite

    cards = []
    for name, spec in loaded.config.suites.items():
        notify(f"suite {spec.suite}: {spec.cases} cases")
        with jax.enable_x64(True):
            suite = experiment.suites[spec.suite]()
            if not isinstance(suite, Suite):
                raise TrialError(f"suite '{spec.suite}' must be a function that returns a jaxml.Suite, got {suite!r}.")
            try:
                report = run_suite(suite, cases=spec.cases, seed=_seed(loaded.config.master_key))
            except ValueError as error:
                raise TrialError(f"suite '{spec.suite}': {error}") from None
        fields = {"suite": spec.suite, "cases": spec.cases, "source": spec.source}
        cards.append(SuiteCard(id=name, statement=spec.statement, report=report, **fields))
    directory.write_json(FILE, {"suites": [card.to_json() for card in cards]})
    return cards


def _seed(master_key: str) -> int:
    """Of the random cases: another master key draws others, as it does for seeds."""
    return int.from_bytes(hashlib.sha256(master_key.encode()).digest()[:8])


def read_suites(directory: RunDirectory) -> list[SuiteCard]:
    """The cards of a run's exact claims; none when it has none.

    Raises:
        RunError: when they cannot be read.
    """
    path: Path = directory.path / FILE
    if not path.is_file():
        return []
    try:
        return [SuiteCard.from_json(card) for card in directory.read_json(FILE)["suites"]]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read: {error}. Run the config again.") from None
