"""`timing`: one callable is faster than another by a factor, on this machine; a process is the unit of replication."""

import itertools
import math
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from jaxml.claims.finding import Check, Finding
from jaxml.claims.given import Given, Grid
from jaxml.claims.kind import Bench, Kind
from jaxml.claims.launch import in_process
from jaxml.claims.spec import Claim, Margin, Quantifier, Value
from jaxml.claims.timing_words import UNIT, came_out, told_of
from jaxml.claims.told import Told
from jaxml.claims.verdict import ClaimVerdict
from jaxml.claims.words import phrase
from jaxml.errors import ConfigError, nearest

if TYPE_CHECKING:
    from jaxml.claims.asking import Asked
    from jaxml.claims.verdict import Decision

LEAST_PROCESSES, SMOKE_BLOCKS = 16, 2


class TimingClaim(Claim):
    """What a config says of a timing."""

    kind: Literal["timing"]
    faster: str
    than: str
    margin: Margin
    over: dict[str, Annotated[tuple[Value, ...], Field(min_length=1, strict=False)]] = Field(default_factory=dict)
    quantifier: Quantifier = "all"
    blocks: Annotated[int, Field(ge=2, le=10_000)] = 20
    time_limit: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=False)] = 300.0

    @model_validator(mode="after")
    def _apart(self) -> "TimingClaim":
        if self.faster == self.than:
            raise ValueError("'faster' and 'than' name the same timing; the claim is timed against itself as a control")
        if self.quantifier == "reference" and math.prod(map(len, self.over.values())) > 1:
            raise ValueError("a timing over several settings is about all, most or some of them")
        return self

    @property
    def settings(self) -> list[dict[str, Value]]:
        """The cells: every combination of the values of `over`."""
        return [dict(zip(self.over, values, strict=True)) for values in itertools.product(*self.over.values())]


class TimingKind(Kind[TimingClaim]):
    """A log ratio of times for each process goes to the rule as a seed's effect does."""

    name: ClassVar[str] = "timing"
    Claim = TimingClaim
    of_this_machine: ClassVar[bool] = True

    def check(self, claim: TimingClaim, grid: Grid, where: str) -> None:
        """Check that there will be enough processes."""
        if grid.looks[-1] < LEAST_PROCESSES and not grid.smoke:
            raise ConfigError(
                f"{where}: a timing takes at least {LEAST_PROCESSES} processes, one for each seed, and the last look "
                f"is at {grid.looks[-1]}. Raise 'seeds' and 'looks'."
            )

    def check_experiment(self, claim: TimingClaim, experiment: Any, where: str) -> None:
        """Check that the experiment has both timings."""
        for side in ("faster", "than"):
            if getattr(claim, side) not in experiment.timings:
                near = nearest(getattr(claim, side), experiment.timings)
                raise ConfigError(f"{where}.{side}: the experiment has no timing '{getattr(claim, side)}'. {near}")

    def smoke(self, claim: TimingClaim) -> tuple[TimingClaim, str]:
        """Two blocks a process; the processes go down with the seeds."""
        if claim.blocks <= SMOKE_BLOCKS:
            return claim, ""
        return claim.model_copy(update={"blocks": SMOKE_BLOCKS}), f"blocks of a timing {claim.blocks} -> {SMOKE_BLOCKS}"

    def plan(self, claim: TimingClaim, grid: Grid, where: str) -> dict[str, Any]:
        """What is timed, how often."""
        return {
            "faster": claim.faster,
            "than": claim.than,
            "quantifier": claim.quantifier,
            "cells": len(claim.settings),
            "margin": claim.margin.value,
            "processes": grid.looks[-1],
            "blocks": claim.blocks,
            "controls": 2,
        }

    def planned(self, plan: Mapping[str, Any]) -> str:
        """In one line."""
        cells = f"{plan['cells']} settings, " if plan["cells"] > 1 else ""
        return (
            f"{plan['faster']} against {plan['than']}, {cells}margin {UNIT.shown(plan['margin'])}, "
            f"{plan['processes']} processes of {plan['blocks']} blocks, on this machine"
        )

    def collect(self, claim: TimingClaim, bench: Bench) -> dict[str, Any]:
        """Time everything in one process after the other; those that an interrupted run finished are kept."""
        task = {
            "experiment": bench.name,
            "root": str(bench.root.resolve()),
            "precision": bench.precision,
            "blocks": claim.blocks,
            "pairs": [pair for pair, _, _ in _pairs(claim)],
        }
        with tempfile.TemporaryDirectory(prefix="jaxml-timing-") as scratch:
            keep = bench.keep or Path(scratch)
            keep.mkdir(parents=True, exist_ok=True)
            done = []
            for i in range(bench.seeds):
                bench.notify(f"timing {claim.faster} against {claim.than}: process {i + 1} of {bench.seeds}")
                done.append(in_process({**task, "process": i}, keep, Path(scratch), claim.time_limit))
        machines = [each.pop("machine") for each in done]
        return {"machine": machines[0], "processes": done}

    def measure(self, id: str, claim: TimingClaim, given: Given) -> "list[Asked]":
        """One hypothesis for each setting, and the two controls."""
        import numpy as np

        from jaxml.claims.asking import Asked
        from jaxml.claims.measure import Effects
        from jaxml.claims.rule.hypothesis import Hypothesis, at_least

        asked = []
        for k, (pair, role, name) in enumerate(_pairs(claim)):
            theta = np.asarray([process["log_ratios"][k] for process in given.evidence[id]["processes"]])
            hypothesis = Hypothesis(
                claim=f"claims.{id}",
                at=pair["at"],
                rows=theta[None],
                region=at_least(claim.margin.value),
                difference=True,
                control=None if role is None else "negative" if role == "negative control" else "positive",
            )
            effects = Effects(theta, np.zeros((2, len(theta)), bool))
            asked.append(Asked(at=pair["at"], effects=effects, hypothesis=hypothesis, role=role, name=name))
        return asked

    def conclude(
        self, id: str, claim: TimingClaim, given: Given, decided: "Sequence[tuple[Asked, Decision]]"
    ) -> Finding:
        """The quantifier over the settings; a stopwatch that fails a control says nothing."""
        from jaxml.claims.rule.quantifier import decide_claim

        cells = [asked.result(decision) for asked, decision in decided if asked.role is None]
        checks = [
            Check(
                name=asked.name,
                role=asked.role,
                passed=decision.verdict == ("supported" if asked.role == "positive control" else "refuted"),
                reason=decision.reason,
                cell=asked.result(decision),
            )
            for asked, decision in decided
            if asked.role is not None
        ]
        reference = 0 if claim.quantifier == "reference" else None
        verdict = decide_claim([c.decision for c in cells], quantifier=claim.quantifier, reference=reference)
        broken = [f"{check.name!r} came out {came_out(check)}" for check in checks if not check.passed]
        if broken:
            reason = f"{'; '.join(broken)}: the stopwatch cannot be trusted on this machine"
            verdict = ClaimVerdict(**{**verdict.to_json(), "verdict": "invalid", "label": None, "reason": reason})
        evidence = given.evidence[id]
        seconds = zip(*(process["seconds"] for process in evidence["processes"]), strict=True)
        loads = [process["load"] for process in evidence["processes"] if process["load"] is not None]
        return Finding(
            id=id,
            kind=self.name,
            statement=claim.statement,
            source=claim.source,
            verdict=verdict,
            cells=cells,
            checks=checks,
            detail={
                "faster": claim.faster,
                "than": claim.than,
                "margin": claim.margin.value,
                "margin_reason": claim.margin.reason,
                "machine": evidence["machine"],
                "load": [min(loads), max(loads)] if loads else None,
                "seconds": [[statistics.median(side) for side in zip(*pair, strict=True)] for pair in seconds],
            },
        )

    def tell(self, finding: Finding, decided: bool) -> Told:
        """How many times as fast, setting by setting, and on which machine."""
        return told_of(finding, decided)


def _pairs(claim: TimingClaim) -> list[tuple[dict[str, Any], Any, str]]:
    """What each process times, with the role and the name of a control.

    The controls time the faster one at the first setting: against itself, where no margin may be reached, and done once
    against several times in a row, which takes several times as long whatever it does.
    """
    timed = [
        ({"faster": claim.faster, "than": claim.than, "at": at, "done": [1, 1]}, None, "") for at in claim.settings
    ]
    times = max(2, math.ceil(1.5 * math.exp(claim.margin.value)))
    itself = {"faster": claim.faster, "than": claim.faster, "at": claim.settings[0]}
    return [
        *timed,
        ({**itself, "done": [1, 1]}, "negative control", f"{phrase(claim.faster)} against itself"),
        ({**itself, "done": [1, times]}, "positive control", f"{phrase(claim.faster)} once against {times} times"),
    ]
