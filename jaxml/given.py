"""Claims held against results that were made elsewhere: a table or a labelled data set, decided by the same rule.

There is no kind of its own for this: every claim that is decided from seeds is decided here as it is in a run. What a
run vouches for, and nobody can here, is said with every verdict: that seeds are independent, and none is left out.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
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
            for each trial, as a `pandas.DataFrame`, a mapping of columns, or the path of a CSV, TSV, JSON lines,
            Parquet (with pyarrow), NetCDF or zarr, or of the database of an MLflow store.
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


def Claim(*, statement: str, kind: str = "contrast", **said: Any) -> Spec:
    """A claim, with the keys that it has in a config; `relation` stands for ``as``, which Python keeps for itself.

    Args:
        statement: what is claimed, in words.
        kind: of claim, a name in `jaxml.claims.kinds.KINDS`.
        **said: whatever else a claim of this kind says, see docs/writing-a-claim.md.

    Returns:
        The object that a config makes of the same claim: the two are equal, ``repr`` is this call, and ``str`` is what
        a config says.

    Raises:
        ConfigError: naming the key, what was expected and what arrived.

    >>> claim = Claim(
    ...     statement="Arm a has the larger loss.",
    ...     quantifier="reference",
    ...     metric="loss",
    ...     arms={"claimed": {"arm": "a"}, "against": {"arm": "b"}},
    ...     margin={"value": 0.5, "reason": "half a unit of loss"},
    ...     controls={
    ...         "negative": [{"name": "another loss", "metric": "other_loss"}],
    ...         "positive": [{"name": "less is asked", "margin": {"value": 0.1, "reason": "a tenth of a unit"}}],
    ...     },
    ... )
    >>> print(claim)
    statement: Arm a has the larger loss.
    quantifier: reference
    metric: loss
    arms:
      claimed: {arm: a}
      against: {arm: b}
    margin: {value: 0.5, reason: half a unit of loss}
    controls:
      negative:
      - {name: another loss, metric: other_loss}
      positive:
      - name: less is asked
        margin: {value: 0.1, reason: a tenth of a unit}
    >>> eval(repr(claim)) == claim
    True
    """
    if "relation" in said:
        said["as"] = said.pop("relation")
    whole = {"statement": statement, **({} if kind == "contrast" else {"kind": kind}), **said}
    try:
        config, _ = read_claims({"claims": {"claim": whole}}, ())
    except ConfigError as error:
        raise ConfigError(str(error).replace("claims: claims.claim", "Claim")) from None
    return config.claims["claim"]


def decide(
    results: Any,
    claims: Mapping[str, Any],
    *,
    registered: str = "",
    seed: str = "seed",
    axes: Sequence[str] = (),
    looks: Sequence[int] | None = None,
    alpha: float = 0.05,
    population: Any = (),
) -> Verdicts:
    """Decide claims on labelled results, those of `sweep` or of anything else; `judge` does it with a file of claims.

    Args:
        results: as for `judge`.
        claims: by id, each made by `Claim` or a mapping of what one would say.
        registered: where and when the claims were fixed, before the results were seen; without it the outcome is
            exploratory, with effects and intervals and no verdict.
        seed: the dimension or the column of seeds.
        axes: the columns that are settings, where those that claims name are not all.
        looks: after how many seeds it may be decided; once, after all of them, by default.
        alpha: the error rate.
        population: where seeds draw from one data set, as in a config.

    Returns:
        What was found of every claim.

    Raises:
        ConfigError: as `judge`.

    >>> rows = range(128)
    >>> results = {"arm": ["a", "b"] * 64, "seed": [i // 2 for i in rows], "noise": [i * 7 % 11 / 11 for i in rows]}
    >>> results["loss"] = [2.0 * (i % 2 == 0) + i % 3 for i in rows]
    >>> claim = Claim(
    ...     statement="Arm a has the larger loss.",
    ...     quantifier="reference",
    ...     metric="loss",
    ...     arms={"claimed": {"arm": "a"}, "against": {"arm": "b"}},
    ...     margin={"value": 0.5, "reason": "half a unit of loss"},
    ...     controls={
    ...         "negative": [{"name": "noise", "metric": "noise"}],
    ...         "positive": [{"name": "less is asked", "margin": {"value": 0.1, "reason": "a tenth of a unit"}}],
    ...     },
    ... )
    >>> decide(results, {"A1": claim}, registered="notebook of 1 March 2026")
    Verdicts(confirmatory: A1 supported)
    """
    if not isinstance(claims, Mapping) or not claims:
        raise ConfigError(f"claims: expected claims by their ids, such as {{'A1': jaxml.Claim(...)}}, got {claims!r}.")
    said = {
        "claims": dict(claims),
        "registered": registered,
        "seed": seed if seed != "seed" else None,
        "axes": list(axes),
        "looks": list(looks) if looks else None,
        "alpha": alpha,
        "population": population,
    }
    return judge(results, {key: value for key, value in said.items() if value})  # what is unsaid is no part of the hash


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
