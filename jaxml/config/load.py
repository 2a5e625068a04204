"""From a YAML file and overrides to a `Study` checked against the trial it runs; nothing is imported or run."""

import copy
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jaxml.claims.cells import cell_axes, matches
from jaxml.claims.kinds import KINDS
from jaxml.claims.spec import Claim, Seeded
from jaxml.config.document import Document, read_document
from jaxml.config.explain import explained
from jaxml.config.models import RunConfig
from jaxml.config.overrides import apply_overrides
from jaxml.config.study import Study
from jaxml.errors import ConfigError, nearest
from jaxml.experiment import check_name, project_root, read_schema
from jaxml.gallery import config_path
from jaxml.sweep.plan import Plan, check_precision, make_plan
from jaxml.sweep.signature import NO_TRIAL, Schema

MOST_TRIALS, MOST_PROGRAMS, MOST_CELLS = 10**9, 10_000, 100_000
"""What one run may compute, compile, and decide for one claim."""
MOST_EXTENDED = 16
"""Configs that one may extend, each the next."""
SMOKE_SEEDS = 2
"""Seeds of a smoke run, as many as an interval needs, tuning seeds likewise."""


def load_study(path: str | Path, overrides: Sequence[str] = (), *, smoke: bool = False, maps: bool = True) -> Study:
    """Read a config, apply overrides, and check it against the trial's signature; nothing is imported or run.

    Args:
        path: the YAML file, or the name of one in ``configs/`` or in the gallery, see `jaxml.gallery`.
        overrides: ``key=value`` as on the command line, see `jaxml.overrides`.
        smoke: keep at most 2 seeds, 2 tuning seeds and what each kind of claim needs at least, and no map, and set
            what the config's `smoke` says, to see that everything works; such a run is exploratory.
        maps: keep the config's maps.

    Raises:
        ConfigError: naming file, line, path, value, and what is allowed.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ConfigError(f"config: expected the path of a YAML file, got {path!r}. Write the config to a file.")
    path = config_path(Path(path))
    document = read_document(path)
    raw = _extended(document, path)
    check_name(path.stem, str(path))
    raw.setdefault("name", path.stem)
    check_name(raw["name"], document.place(["name"]))
    if not isinstance(raw.get("experiment"), str):
        raise ConfigError(f"{document.name}: 'experiment' names a file in experiments/, got {raw.get('experiment')!r}.")
    root = project_root(path)
    with document.placed(RunConfig.model_fields):
        schema = read_schema(raw["experiment"], root)
    declared = _validate(raw, document)
    with document.placed(RunConfig.model_fields):
        declared.check_smoke(schema)
    if smoke:
        raw["data"] = {name: value for name, value in declared.data.items() if name not in declared.smoke}
        raw["fixed"] = {**declared.fixed, **declared.smoke}
    changed = apply_overrides(raw, overrides, fields=list(RunConfig.model_fields), parameters=list(schema))
    if smoke:
        raw["seeds"] = min(raw.get("seeds", declared.seeds), SMOKE_SEEDS)
        raw["tuning_seeds"] = min(raw.get("tuning_seeds", declared.tuning_seeds), SMOKE_SEEDS)
    config = _validate(raw, document) if changed or smoke else declared
    changes_spec = _spec_part(config) != _spec_part(declared)
    if changes_spec:
        looks = tuple(n for n in config.looks if n <= config.seeds) or (max(config.seeds, 2),)
        config = config.model_copy(update={"looks": looks})
    elif config.looks[-1] > config.seeds and "looks" not in raw:
        raise ConfigError(
            f"{document.place(['seeds'])}: the looks are {list(config.looks)} seeds where none are given, and there "
            f"are {config.seeds}. Write 'looks: [{config.seeds}]', or raise 'seeds'."
        )
    elif config.looks[-1] > config.seeds:
        raise ConfigError(
            f"{document.place(['looks'])}: the last look needs {config.looks[-1]} seeds, there are "
            f"{config.seeds}. Raise 'seeds' or drop the look."
        )
    plan = _plan(config, schema, document)
    study = Study(config, plan, document, root, tuple(overrides), changes_spec)
    with document.placed(RunConfig.model_fields):
        for i, each in enumerate(config.population):
            matches(plan.axes, each.where, f"population.{i}.where")
        for name, claim in config.claims.items():
            _check_cells(claim, plan, f"claims.{name}")
            KINDS[claim.kind].check(claim, replace(study.grid, smoke=smoke), f"claims.{name}")
        _ = study.lineages, study.maps, study.domains
    if not smoke and (maps or not config.map):
        return study
    config = config.model_copy(update={"map": {}})
    if not smoke:
        return replace(study, config=config)
    small = {name: KINDS[claim.kind].smoke(claim) for name, claim in config.claims.items()}
    config = config.model_copy(update={"claims": {name: claim for name, (claim, _) in small.items()}})
    cuts = list(dict.fromkeys(words for _, words in small.values() if words))
    return replace(study, config=config, cut=_what_is_cut(declared, config, schema, cuts))


def _check_cells(claim: Claim, plan: Plan, where: str) -> None:
    """Count the cells of a claim before they are listed."""
    if not isinstance(claim, Seeded) or claim.quantifier == "reference":
        return
    free = cell_axes(plan.axes, claim.arms, claim.tune, where)
    cells = math.prod(
        min(
            [
                len(axis),
                *(len(claim.where[n]) for n in axis.parameters if n in claim.where and len(axis.parameters) == 1),
            ]
        )
        for axis in free
    )
    if cells > MOST_CELLS:
        raise ConfigError(
            f"{where}: these are {cells:,} cells; a claim has at most {MOST_CELLS:,}. Choose some by 'where'."
        )


def _what_is_cut(declared: RunConfig, config: RunConfig, schema: Schema, cuts: Sequence[str]) -> str:
    """What a smoke run changes, such as ``seeds 64 -> 2, steps 300 -> 10, cases of a suite 1000 -> 100``.

    Never empty: it is this text that marks a smoke run, and none may decide anything.
    """
    before = {"seeds": declared.seeds, "tuning_seeds": declared.tuning_seeds}
    before |= {name: {**declared.data, **declared.fixed}.get(name, schema[name].default) for name in declared.smoke}
    after = {"seeds": config.seeds, "tuning_seeds": config.tuning_seeds, **config.fixed}
    smaller = [f"{n} {value} -> {after[n]}" for n, value in before.items() if after.get(n, value) != value]
    return ", ".join([*smaller, *cuts, *["no map"] * bool(declared.map)]) or "it is small already"


def _spec_part(config: RunConfig) -> dict[str, Any]:
    return config.model_dump(exclude={"lanes", "title", "about", "map", "domain", "smoke"})


def _extended(document: Document, path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The values of a config laid over those of the config it extends."""
    if not isinstance(document.value, dict):
        raise ConfigError(f"{document.name}: a config is a mapping of keys to values, got {document.value!r}.")
    raw = copy.deepcopy(document.value)
    base = raw.pop("extends", None)
    if base is None:
        return raw
    where = document.place(["extends"])
    if not isinstance(base, str) or Path(base).name != base:
        raise ConfigError(f"{where}: {base!r} must be the name of a file in the same folder.")
    parent = path.parent / base
    if parent in (*seen, path):
        raise ConfigError(f"{where}: circular 'extends': {base} extends this config.")
    if len(seen) == MOST_EXTENDED:
        raise ConfigError(f"{where}: a config extends at most {MOST_EXTENDED} others, one after another.")
    return _merge(_extended(read_document(parent), parent, (*seen, path)), raw)


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        below[key] = _merge(below[key], value) if both else value
    return below


def _plan(config: RunConfig, schema: Any, document: Document) -> Plan:
    swept = {name: axis for axis, spec in config.sweep.items() for name in spec.zip or (axis,)}
    twice = [n for n in swept if n in config.fixed or n in config.data] + [n for n in config.fixed if n in config.data]
    if twice:
        name, place = twice[0], document.name
        if name in swept:
            place = document.place(["sweep", swept[name], *(["zip", name] if config.sweep[swept[name]].zip else [])])
        raise ConfigError(f"{place}: '{name}' is given twice among data, fixed and sweep. Keep one.")
    with document.placed(RunConfig.model_fields):
        for section in ("data", "fixed"):
            for name, value in getattr(config, section).items():
                where, parameter = f"{section}.{name}", schema.find(name, f"{section}.{name}")
                parameter.check_precision(parameter.accept(value, where), config.precision, where)
        if schema is NO_TRIAL:
            return _no_trials(config)
        plan = make_plan(schema, config.entries, config.all_seeds, lanes=config.lanes)
        check_precision(plan, config.precision)
    _check_size(plan, document)
    return plan


def _no_trials(config: RunConfig) -> Plan:
    """The empty grid of an experiment that has no trial."""
    for name in config.sweep:
        NO_TRIAL.find(name, f"sweep.{name}")
    for name, claim in config.claims.items():
        if KINDS[claim.kind].seeded:
            raise ConfigError(
                f"claims.{name}: a claim of kind {claim.kind} is decided from trials, and "
                f"experiments/{config.experiment}.py has none."
            )
    return Plan(NO_TRIAL, (), {}, (), block=(1,))


def _check_size(plan: Plan, document: Document) -> None:
    """Refuse a grid that nobody means: each of its axes is small, their product is not."""
    statics = [
        [tuple(p[n] for n in axis.parameters if not plan.schema[n].traced) for p in axis.points] for axis in plan.axes
    ]
    programs = math.prod(len(set(points)) for points in statics)
    for what, count, most in (("trials", plan.trials, MOST_TRIALS), ("programs", programs, MOST_PROGRAMS)):
        if count > most:
            raise ConfigError(f"{document.place(['sweep'])}: these are {count:,} {what}; a run has at most {most:,}.")


def _validate(raw: Mapping[str, Any], document: Document) -> RunConfig:
    try:
        config = RunConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(explained(error, document, raw)[:5])) from None
    return config if config.master_key else config.model_copy(update={"master_key": config.name})


_CLAIMS_FILE = ("title", "about", "claims", "looks", "alpha", "population")


def read_claims(given: str | os.PathLike[str] | Mapping[str, Any], extra: Sequence[str]) -> tuple[RunConfig, Document]:
    """Claims without an experiment: a config's `claims`, and what it says of deciding them; nothing else of one.

    Args:
        given: a YAML file, or what would stand in it.
        extra: further keys that may stand in it, for the caller.

    Returns:
        A config of an experiment that there is not, and the document, whose value holds the further keys.

    Raises:
        ConfigError: naming file, line, path, value, and what is allowed.
    """
    document = Document(dict(given), "", "claims", {}) if isinstance(given, Mapping) else read_document(Path(given))
    if not isinstance(document.value, dict):
        raise ConfigError(f"{document.name}: a file of claims is a mapping of keys to values, got {document.value!r}.")
    known = [*_CLAIMS_FILE, *extra]
    for key in document.value:
        if key not in known:
            raise ConfigError(f"{document.place([key])}: unknown key. {nearest(key, known)}")
    raw = {key: value for key, value in document.value.items() if key in _CLAIMS_FILE}
    if not raw.get("claims"):
        raise ConfigError(f"{document.name}: 'claims' is missing. Write them as a config does.")
    return _validate({"title": "claims", **raw, "experiment": "given", "name": "given"}, document), document
