"""Small run directories, written by hand: what the report reads and nothing more."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from jaxml.claims.finding import CellResult, Check, Finding, Verdicts
from jaxml.claims.kinds import KINDS
from jaxml.claims.rule.quantifier import decide_claim
from jaxml.claims.told import Told
from jaxml.claims.verdict import Decision
from jaxml.runs.directory import RunDirectory

FIGURE = {"title": "Error", "y": "error", "x": "lam", "lines": "solver", "panels": None, "log_x": True, "log_y": False}
CONFIG = "experiment: toy\ntitle: A toy\n"
INTERVALS = {"supported": (0.3, 0.2, 0.4), "refuted": (0.02, -0.05, 0.08), "inconclusive": (0.1, -0.1, 0.3)}


def decision(verdict: str, **changes: Any) -> Decision:
    """A decision about a margin of 0.1."""
    estimate, low, high = INTERVALS.get(verdict, (None, None, None))
    label = "equivalent" if verdict == "refuted" else None
    given = {"verdict": verdict, "label": label, "estimate": estimate, "low": low, "high": high, "seeds": 16, "look": 1}
    return Decision(**{"reason": f"it is {verdict}", **given, **changes})


def cell(verdict: str, tuned: dict[str, Any] | None = None, /, **at: Any) -> CellResult:
    return CellResult(at=at, tuned=tuned or {}, theta=[0.0], decision=decision(verdict))


DETAIL = {
    "metric": "zero_fraction",
    "direction": "larger",
    "scale": "difference",
    "arms": {"claimed": {"solver": "prox"}, "against": {"solver": "l2"}},
    "margin": 0.1,
    "margin_reason": "Less is not seen.",
}


def card(cells: list[CellResult], **changes: Any) -> Finding:
    """A claim over some cells, with one control on each side."""
    detail = {name: changes.pop(name, value) for name, value in DETAIL.items()}
    quantifier = changes.pop("quantifier", "all")
    verdict = decide_claim([c.decision for c in cells], quantifier=quantifier, reference=0)
    given: dict[str, Any] = {
        "id": "T1",
        "statement": "Toys are larger than they seem.",
        "kind": "contrast",
        "source": "Toy (1999)",
        "verdict": verdict,
        "cells": cells,
        "checks": [
            control("negative", "refuted", metric=detail["metric"], scale=detail["scale"]),
            control("positive", "supported", metric=detail["metric"], scale=detail["scale"]),
        ],
        "detail": detail,
    }
    return Finding(**given | changes)


def told(finding: Finding, decided: bool = True) -> Told:
    return KINDS[finding.kind].tell(finding, decided)


def control(side: str, verdict: str, **detail: Any) -> Check:
    result = CellResult(at={"lam": 0.5}, tuned={}, theta=[0.0], decision=decision(verdict))
    passed = (verdict == "supported") == (side == "positive")
    role: Any = f"{side} control"
    return Check(name=f"the {side} one", role=role, passed=passed, reason="", detail={**DETAIL, **detail}, cell=result)


def results(seeds: int = 6, extra: dict[str, Any] | None = None) -> xarray.Dataset:
    """Errors: lam + solver's number, with a little noise; lam holds a 0; seed -1 is a tuning seed far away."""
    lam, solver = np.array([0.0, 0.01, 0.1, 1.0]), np.array(["prox", "l2"], np.dtypes.StringDType())
    seed = np.arange(-1, seeds)
    noise = 0.01 * np.cos(np.arange(seed.size))
    error = lam[:, None, None] + np.array([0.5, 2.0])[:, None] + noise
    error[..., 0] = 1e6
    dims = ("lam", "solver", "seed")
    status = np.ones(error.shape, np.uint8)
    data = {"error": (dims, error.astype("float32")), "status": (dims, status), **(extra or {})}
    return xarray.Dataset(data, {"lam": lam, "solver": solver, "seed": seed})


def make_run(
    path: Path,
    cards: list[Finding] | None = (),  # pyright: ignore[reportArgumentType]
    *,
    held: xarray.Dataset | None = None,
    figures: tuple[dict[str, Any], ...] = (),
    exploratory: str = "",
    status: tuple[str, str] = ("finished", ""),
    title: str = "A toy",
    config: str = CONFIG,
    **spec: Any,
) -> Path:
    """Write a run directory; without cards (None) it has no verdicts."""
    path.mkdir(parents=True, exist_ok=True)
    claims = {c.id: {"statement": c.statement} for c in cards or ()}
    held_spec = {
        "name": "toy",
        "axes": {"lam": [{"lam": v} for v in (0.0, 0.01, 0.1, 1.0)], "solver": [{"solver": s} for s in ("prox", "l2")]},
        "fixed": {"n": 100},
        "seeds": 6,
        "tuning_seeds": 1,
        "looks": [16, 32],
        "alpha": 0.05,
        "population": [],
        "claims": claims,
        **spec,
    }
    files = {
        "spec.json": {"sha256": "f" * 64, "spec": held_spec},
        "status.json": {"status": status[0], "why": status[1]},
        "environment.json": {"jaxml": "0.1.0", "packages": {"jax": "0.10.2"}, "command": "jaxml run configs/toy.yaml"},
        "cost.json": {"compiles": 2, "compile_seconds": 1.25, "run_seconds": 0.5, "lanes": 8},
        "figures.json": list(figures),
        "resolved.yaml": {"title": title, "about": "What the toy does."},
    }
    for name, value in files.items():
        (path / name).write_text(json.dumps(value), encoding="utf-8")
    (path / "config.yaml").write_text(config, encoding="utf-8")
    if cards is not None:
        state = "exploratory" if exploratory else "confirmatory"
        verdicts = Verdicts(status=state, why=exploratory, spec_sha256="f" * 64, findings=list(cards))
        (path / "verdicts.json").write_text(json.dumps(verdicts.to_json()), encoding="utf-8")
    if held is not None:
        held.to_zarr(path / "results.zarr", mode="w", consolidated=False, zarr_format=3)
    if status[0] == "finished":
        RunDirectory(path).seal()
    return path
