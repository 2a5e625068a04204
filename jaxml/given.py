"""Claims held against results that were made elsewhere: a table or a labelled data set, decided by the same rule.

There is no kind of its own for this: every claim that is decided from seeds is decided here as it is in a run. What a
run vouches for, and nobody can here, is said with every verdict: that seeds are independent, and none is left out.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxml.claims.finding import Verdicts
from jaxml.claims.given import Grid
from jaxml.claims.kinds import KINDS
from jaxml.claims.lineage import lineages
from jaxml.claims.spec import Spec, spec_hash
from jaxml.config.document import Document
from jaxml.config.load import read_claims
from jaxml.config.models import RunConfig
from jaxml.errors import ConfigError
from jaxml.labelled import axes_of, labelled

EXTRA = ("seed", "axes", "registered")
"""Keys of a file of claims besides those of a config."""
UNREGISTERED = (
    "nothing says that the claims were fixed before these results were seen; where they were, say where and when "
    "under 'registered'"
)


def judge(results: Any, claims: str | os.PathLike[str] | Mapping[str, Any]) -> Verdicts:
    """Decide claims from results that were made elsewhere.

    Args:
        results: an `xarray.Dataset` with a dimension of seeds, in which NaN is a failed trial; or a table with one row
            for each trial, as a `pandas.DataFrame`, a mapping of columns, or the path of a CSV, TSV, NetCDF or zarr.
        claims: a YAML file with the `claims` of a config, or what would stand in it. `looks`, `alpha` and
            `population` mean what they mean in a config; all seeds are looked at once by default. `seed` is the
            column of seeds, `axes` the columns that are settings where those that claims name are not all, and
            `registered` says where and when the claims were fixed, before the results were seen.

    Returns:
        What was found of every claim; exploratory, and without a verdict, where `registered` is missing.

    Raises:
        ConfigError: when the claims are wrong, or the results lack a setting, an outcome or a trial, or hold one twice.

    It does not look for what is wrong with the results: whether seeds are independent is the word of whoever gave them.

    >>> table = {"arm": ["a", "b"] * 16, "seed": [i // 2 for i in range(32)], "loss": [1.0 + i % 7 for i in range(32)]}
    >>> margin = {"value": 0.5, "reason": "half a unit of loss"}
    >>> control = {"name": "turned round", "arms": {"claimed": {"arm": "b"}, "against": {"arm": "a"}}}
    >>> claim = {
    ...     "statement": "arm a has the larger loss",
    ...     "quantifier": "reference",
    ...     "metric": "loss",
    ...     "arms": {"claimed": {"arm": "a"}, "against": {"arm": "b"}},
    ...     "margin": margin,
    ...     "controls": {"negative": [control], "positive": [control]},
    ... }
    >>> judge(table, {"claims": {"A1": claim}}).words
    {'A1': 'exploratory'}
    """
    from jaxml.claims.judge import judge as decide

    config, document = read_claims(claims, EXTRA)
    for id, claim in config.claims.items():
        if not KINDS[claim.kind].seeded:
            raise ConfigError(
                f"{document.place(['claims', id])}: a {claim.kind} is not decided from results. Decide it by a config."
            )
    extra = _extra(document)
    asked = [name for claim in config.claims.values() for _, name in KINDS[claim.kind].quantities(claim)]
    named = [name for claim in config.claims.values() for name in _names(claim)]
    held = labelled(results, list(dict.fromkeys(asked)), extra["seed"], extra["axes"], named)
    axes = axes_of(held)
    seeds = held.seed.values
    reported = int((seeds >= 0).sum())
    looks = config.looks if "looks" in document.value else (reported,)
    if reported < 2:
        raise ConfigError(f"results: at least 2 seeds are needed, got {reported}.")
    if looks[-1] > reported:
        place = document.place(["looks"])
        raise ConfigError(f"{place}: the last look needs {looks[-1]} seeds, the results hold {reported}.")
    grid = Grid(axes, len(seeds) - reported, looks, config.alpha, config.population)
    try:
        for id, claim in config.claims.items():
            KINDS[claim.kind].check(claim, grid, f"claims.{id}")
        root = Path.cwd() if isinstance(claims, Mapping) else Path(claims).resolve().parent
        lineage = lineages(config.claims, root)
        findings = decide(config.claims, grid, held)
    except ConfigError as error:
        head, _, rest = str(error).partition(": ")
        raise ConfigError(f"{document.place(head.split('.'))}: {rest}") from None
    registered = extra["registered"]
    note = f"{_name(results)}, made elsewhere; that its seeds are independent and none is left out is its giver's word"
    note += f". Registered before they were seen, by the giver's word: {registered}" if registered else ""
    return Verdicts(
        status="confirmatory" if registered else "exploratory",
        why="" if registered else UNREGISTERED,
        spec_sha256=_digest(config, document),
        findings=[dataclasses.replace(each, lineage=lineage.get(each.id), note=note) for each in findings],
    )


def _extra(document: Document) -> dict[str, Any]:
    found = {
        "seed": "seed",
        "axes": [],
        "registered": "",
        **{k: document.value[k] for k in EXTRA if k in document.value},
    }
    if not isinstance(found["axes"], (list, tuple)) or not all(isinstance(name, str) for name in found["axes"]):
        raise ConfigError(f"{document.place(['axes'])}: expected a list of columns, got {found['axes']!r}.")
    for key in ("seed", "registered"):
        if not isinstance(found[key], str):
            raise ConfigError(f"{document.place([key])}: expected text, got {found[key]!r}.")
    return found


def _digest(config: RunConfig, document: Document) -> str:
    """What a registration must hold: everything that decides, and nothing of the results."""
    said = {key: document.value.get(key) for key in ("looks", "seed", "axes")}
    claims = {id: claim.model_dump(mode="json") for id, claim in config.claims.items()}
    population = [each.model_dump(mode="json") for each in config.population]
    return spec_hash({**said, "alpha": config.alpha, "population": population, "claims": claims})


def _name(results: Any) -> str:
    if isinstance(results, (str, os.PathLike)):
        return f"From {Path(results).name}"
    return "From a table" if not hasattr(results, "data_vars") else "From a data set"


def _names(value: Any) -> Iterator[str]:
    """What a claim may name a column by: the keys of its pins, and its words."""
    if isinstance(value, Spec):
        for field in type(value).model_fields:
            yield from _names(getattr(value, field))
    elif isinstance(value, Mapping):
        yield from map(str, value)
        yield from _names(list(value.values()))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _names(item)
    elif isinstance(value, str):
        yield value
