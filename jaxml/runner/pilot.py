"""A pilot: the trials on a few seeds that are never reported, to see what the declared looks could decide."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxml.claims.given import Given
from jaxml.claims.kinds import KINDS
from jaxml.claims.spec import Seeded
from jaxml.claims.words import place
from jaxml.config import Study

if TYPE_CHECKING:
    import xarray

    from jaxml.claims.asking import Asked

SEEDS = 8
KNOWN = (2.5, 10.0)
"""Between so many margins the effect of a positive control should lie: less may be missed, more says little."""


def pilot(study: Study, seeds: int = SEEDS) -> list[dict[str, Any]]:
    """What each part of each seeded claim looks like on seeds below those for tuning, which no run reports.

    Args:
        study: what would be run.
        seeds: how many.

    Returns:
        For each claim, and each of its controls: ``cells``, how many; ``effect`` and ``sd`` of the cell that is hardest
        to decide, in margins; ``seeds`` that would decide it nine times in ten if the pilot is right, None where no
        number would; ``open``, how many cells need more seeds than are declared; ``notes``, what to think about.

    Note: no part of a run. Its draws are others, so a margin or a grid may be changed after a pilot.
    """
    results, grid = _results(study, seeds)
    claims = {id: claim for id, claim in study.config.claims.items() if isinstance(claim, Seeded)}
    given = Given(grid, _quantities(results))
    asked = {id: KINDS[claim.kind].measure(id, claim, given) for id, claim in claims.items()}
    cells = sum(each.role is None for several in asked.values() for each in several)
    level = study.config.alpha / max(cells, 1)
    rows = []
    for id, several in asked.items():
        own = [each for each in several if each.role is None]
        rows.append({"claim": id, "part": "", **_part(own, level, study.config.looks[-1])})
        for each in several:
            if each.role is not None:
                found = _part([each], study.config.alpha, study.config.looks[-1])
                rows.append({"claim": id, "part": f"{each.role}: {each.name}", **found})
    return rows


def _results(study: Study, seeds: int) -> "tuple[xarray.Dataset, Any]":
    """The pilot's results under the numbers of reported seeds, and the grid that goes with them."""
    from jaxml.runner.judging import derived_from
    from jaxml.sweep.plan import make_plan
    from jaxml.sweep.run import run

    config = study.config
    each = [claim.tune.per for claim in config.claims.values() if isinstance(claim, Seeded) and claim.tune]
    tuning = seeds * (config.tuning_seeds // config.seeds) if "seed" in each else config.tuning_seeds
    drawn = (*range(-config.tuning_seeds - seeds, -config.tuning_seeds), *range(-tuning, 0))
    plan = make_plan(study.plan.schema, config.entries, drawn, lanes=config.lanes)
    results = run(study.experiment.trial, plan, master=config.master_key)
    renamed = np.where(results.seed < -config.tuning_seeds, results.seed + config.tuning_seeds + seeds, results.seed)
    results = results.assign_coords(seed=renamed).sortby("seed")
    results = results.merge(derived_from(results, study.experiment))
    return results, replace(study.grid, tuning_seeds=tuning, looks=(seeds,))


def _quantities(results: "xarray.Dataset") -> Any:
    from jaxml.claims.quantities import Quantities

    return Quantities(results)


def _part(asked: "Sequence[Asked]", level: float, declared: int) -> dict[str, Any]:
    """The cell that is hardest to decide, and what is odd about it."""
    found = [_cell(each, level) for each in asked]
    needed = [np.inf if cell["seeds"] is None else cell["seeds"] for cell in found]
    hardest = found[int(np.argmax(needed))]
    notes = list(hardest["notes"])
    if asked[0].role is None and len(asked) > 1:
        notes = [f"at {place(hardest['at'])}", *notes]
    return {
        "cells": len(asked),
        **{name: hardest[name] for name in ("effect", "sd", "seeds")},
        "open": int(np.sum(np.asarray(needed) > declared)),
        "notes": notes,
    }


def _cell(asked: "Asked", level: float) -> dict[str, Any]:
    from jaxml.claims.rule.power import seeds_of_each

    hypothesis = asked.hypothesis
    values = np.asarray(hypothesis.levels or [hypothesis.region.value] * len(hypothesis.rows), float)
    means, sds = np.nanmean(hypothesis.rows, 1), np.nanstd(hypothesis.rows, 1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.abs(means) - values if hypothesis.region.kind == "within" else means - values
        away = np.where(sds > 0, np.abs(distance) / sds, np.inf)
    row = int(np.argmin(away))
    scale = abs(values[row]) or 1.0
    finite = np.isfinite(away[row])
    seeds = seeds_of_each([away[row]], level=level, correction=hypothesis.ratio)[0] if finite else 2
    effect, sd = means[row] / scale, sds[row] / scale
    return {
        "at": asked.at,
        "effect": float(effect),
        "sd": float(sd),
        "seeds": seeds,
        "notes": _notes(asked, effect, sd, _holds(hypothesis.region.kind, means[row], values[row])),
    }


def _holds(kind: str, mean: float, value: float) -> bool:
    return abs(mean) < value if kind == "within" else mean >= value if kind == "at_least" else mean <= value


def _notes(asked: "Asked", effect: float, sd: float, holds: bool) -> list[str]:
    """What a reader should think about before there are data; `holds` where the mean lies where the claim has it."""
    notes = [asked.left_out] if asked.left_out else []
    noted: Mapping[str, Any] = asked.effects.noted
    notes += [asked.effects.narrow] if asked.effects.narrow else noted.get("edge", [])
    if asked.role == "negative control" and sd == 0:
        notes.append("the same in every seed: it could not fail")
    if asked.role == "negative control" and holds:
        notes.append("the claim holds in it, which it must not")
    graded = asked.hypothesis.difference and asked.hypothesis.region.kind == "at_least"
    if (
        asked.role == "positive control"
        and graded
        and asked.hypothesis.difference
        and not KNOWN[0] <= effect <= KNOWN[1]
    ):
        notes.append(f"a known effect should be {KNOWN[0]:g} to {KNOWN[1]:g} margins")
    return notes
