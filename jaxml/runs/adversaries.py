"""People who try to get a verdict that their data do not give, simulated: how often they succeed, and what stops them.

Each adversary is a list of tries on planted data. What the ledger makes of a try is asked of the ledger itself, on the
entries that the tries before it would have left; what the rule makes of it is simulated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxml.claims.attempt import Attempt
from jaxml.claims.rule.decide import decide_runs
from jaxml.records import Record
from jaxml.runs.history import attempts, why_amended

ALPHA = 0.05
MARGIN = 0.5
"""Of the first claim, in standard deviations of a seed."""


@dataclass(frozen=True)
class Try:
    """One run of an adversary.

    Attributes:
        key: of its draws; another key gives other draws.
        margin: in margins of the first claim.
        sign: -1 where the direction was turned.
        best: only the cells whose mean is at least a margin are kept.
        looks: seeds at each look.
        control: name of the negative control.
        name: of the claim and the config.
    """

    key: str = "a"
    margin: float = 1.0
    sign: int = 1
    best: bool = False
    looks: tuple[int, ...] = (16, 32, 64)
    control: str = "shuffled"
    name: str = "claim"


@dataclass(frozen=True)
class Adversary:
    """A way to bend a verdict.

    Attributes:
        does: what it is, in words.
        effects: of the cells, in margins: what was claimed first is not true of them.
        tries: in order, until one is supported.
        spoilt: the control that finds the effect too, so that verdicts beside it are invalid; empty for none.
    """

    does: str
    effects: tuple[float, ...]
    tries: tuple[Try, ...]
    spoilt: str = ""


@dataclass(frozen=True, kw_only=True)
class Bent(Record):
    """How an adversary fared.

    Attributes:
        does: what it tried.
        alone: how often the rule alone lets it come out supported.
        caught: how often it comes out supported and confirmatory, with a ledger.
        error: Monte Carlo standard error of `caught`.
        declared: what is allowed: alpha / 2 for one attempt, alpha for however many.
        why: what the ledger says of the last try.
        holds: `caught` exceeds `declared` by no more than three Monte Carlo errors.
    """

    does: str
    alone: float
    caught: float
    error: float
    declared: float
    why: str
    holds: bool


FIRST = Try()
ADVERSARIES = (
    Adversary("the margin is halved after the result was seen", (0.75,), (FIRST, Try(margin=0.5))),
    Adversary("the direction is turned after the result was seen", (-1.5,), (FIRST, Try(sign=-1))),
    Adversary("only the cells that came out well are kept", (0.0, 0.0, 2.0, 2.0), (FIRST, Try(best=True))),
    Adversary("a control that failed is replaced", (2.0,), (FIRST, Try(control="the same twice")), "shuffled"),
    Adversary(
        "seeds are added until it is supported", (1.0,), (FIRST, *(Try(looks=(16, 32, 64, n)) for n in (96, 128)))
    ),
    Adversary(
        "the project is copied, the claim renamed, its margin halved", (0.75,), (FIRST, Try(margin=0.5, name="copy"))
    ),
    Adversary("ten keys are tried until one supports it", (1.0,), tuple(Try(key=f"key {k}") for k in range(10))),
    Adversary(
        "ten designs on fresh draws: another set of looks each time",
        (1.0,),
        tuple(Try(key=f"key {k}", looks=(16, 32, 64 - k)) for k in range(10)),
    ),
)


def bend(adversary: Adversary, replications: int = 2_000, seed: int = 0) -> Bent:
    """Let an adversary try, on many planted data sets.

    Args:
        adversary: who.
        replications: how many data sets.
        seed: of the planted data.

    >>> bent = bend(ADVERSARIES[1], replications=200)
    >>> bent.alone > 0.3, bent.caught < 0.03
    (True, True)
    """
    generator, draws, entries = np.random.default_rng(seed), {}, []
    alone, caught, why = np.zeros(replications, bool), np.zeros(replications, bool), ""
    numbers, attempt = 1, Attempt()
    for number, each in enumerate(adversary.tries, 1):
        shape = (replications, len(adversary.effects), 128)
        theta = draws.setdefault(
            each.key, generator.normal(size=shape) + MARGIN * np.asarray(adversary.effects)[:, None]
        )
        spec = _spec(each, len(adversary.effects))
        why = why_amended(entries, spec)
        attempt = Attempt() if why else attempts(entries, spec, each.name, {})[each.name].attempt(f"numbers {number}")
        if adversary.spoilt != each.control:
            alone |= _supported(theta, each, 1.0)
            caught |= np.zeros(replications, bool) if why else _supported(theta, each, attempt.share)
        numbers = max(numbers, attempt.number)
        entries += _entries(each, spec, number, why)
    declared = ALPHA / 2 if numbers < 2 else ALPHA
    rate = float(caught.mean())
    error = float(np.sqrt(max(rate, declared) * (1 - max(rate, declared)) / replications))
    found = f"exploratory: {why}" if why else attempt.words(adversary.tries[-1].name)
    return Bent(
        does=adversary.does,
        alone=float(alone.mean()),
        caught=rate,
        error=error,
        declared=declared,
        why=found,
        holds=rate <= declared + 3 * error,
    )


def bend_all(replications: int = 2_000) -> list[Bent]:
    """Every adversary."""
    return [bend(each, replications, seed) for seed, each in enumerate(ADVERSARIES)]


def _supported(theta: np.ndarray, each: Try, share: float) -> np.ndarray:
    """In which data sets every cell that is left comes out supported, and some is left."""
    found = decide_runs(
        each.sign * theta[..., : each.looks[-1]], margin=each.margin * MARGIN, looks=each.looks, alpha=ALPHA * share
    )
    good = found["verdict"] == 1
    kept = theta.mean(-1) >= MARGIN if each.best else np.ones(good.shape, bool)
    return np.all(good | ~kept, 1) & kept.any(1)


def _spec(each: Try, cells: int) -> dict[str, Any]:
    """As a run would freeze it."""
    kept = range(cells // 2, cells) if each.best else range(cells)
    claim = {
        "statement": f"It is {'larger' if each.sign > 0 else 'smaller'}.",
        "metric": "score",
        "direction": "larger" if each.sign > 0 else "smaller",
        "arms": {"claimed": {"arm": "a"}, "against": {"arm": "b"}},
        "margin": {"value": each.margin * MARGIN},
        "controls": {"negative": [{"name": each.control}], "positive": [{"name": "planted"}]},
    }
    return {
        "experiment": "planted",
        "experiment_sha256": "0",
        "modules_sha256": {},
        "master_key": each.key,
        "precision": "float32",
        "fixed": {},
        "axes": {"arm": [{"arm": "a"}, {"arm": "b"}], "n": [{"n": n} for n in kept]},
        "looks": list(each.looks),
        "alpha": ALPHA,
        "tuning_seeds": 0,
        "population": [],
        "claims": {each.name: claim},
    }


def _entries(each: Try, spec: Mapping[str, Any], number: int, why: str) -> Sequence[dict[str, Any]]:
    """The lines that a run leaves."""
    run, time = f"run {number}", "2026-11-28T12:00:00"
    came = {each.name: {"verdict": "inconclusive", "numbers": f"numbers {number}"}}
    return [
        {"entry": "started", "run": run, "config": each.name, "why": why, "of": {}, "time": time, "spec": spec},
        {"entry": "ended", "run": run, "time": time, "claims": came},
    ]
