"""From a YAML file and overrides to a `RunConfig` checked against the trial it runs; nothing is imported or run."""

import contextlib
import copy
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from jaxml.claims.cells import cell_axes, matches
from jaxml.claims.kind import Grid
from jaxml.claims.kinds import KINDS
from jaxml.claims.lineage import lineages
from jaxml.claims.posing import Posed, pose
from jaxml.claims.spec import Claim, Seeded
from jaxml.config.document import Document, read_document
from jaxml.config.models import RunConfig
from jaxml.config.overrides import apply_overrides
from jaxml.errors import ConfigError, nearest
from jaxml.experiment import check_name, project_root, read_schema
from jaxml.sweep.plan import Plan, check_precision, make_plan
from jaxml.sweep.signature import Schema

MOST_TRIALS, MOST_PROGRAMS, MOST_CELLS = 10**9, 10_000, 100_000
"""What one run may compute, compile, and decide for one claim."""
SMOKE_SEEDS = 2
"""Seeds of a smoke run, as many as an interval needs, tuning seeds likewise."""


@dataclass(frozen=True)
class LoadedConfig:
    """A checked config together with where it came from."""

    config: RunConfig
    plan: Plan
    document: Document
    root: Path
    overrides: tuple[str, ...]
    changes_spec: bool
    cut: str = ""
    """What a smoke run leaves out, in words; empty for any other run, and only then."""

    @property
    def grid(self) -> Grid:
        """What the claims are held against."""
        config = self.config
        return Grid(self.plan.axes, config.tuning_seeds, config.looks, config.alpha, config.dependent_splits)


def load_config(
    path: str | Path, overrides: Sequence[str] = (), *, smoke: bool = False, maps: bool = True
) -> LoadedConfig:
    """Read a config, apply overrides, and check it against the trial's signature; nothing is imported or run.

    Args:
        path: the YAML file.
        overrides: ``key=value`` as on the command line, see `jaxml.overrides`.
        smoke: keep at most 2 seeds, 2 tuning seeds and what each kind of claim needs at least, and no map, and set
            what the config's `smoke` says, to see that everything works; such a run is exploratory.
        maps: keep the config's maps.

    Raises:
        ConfigError: naming file, line, path, value, and what is allowed.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ConfigError(f"config: expected the path of a YAML file, got {path!r}. Write the config to a file.")
    path = Path(path)
    document = read_document(path)
    raw = _extended(document, path)
    check_name(path.stem, str(path))
    raw.setdefault("name", path.stem)
    check_name(raw["name"], document.place(["name"]))
    if not isinstance(raw.get("experiment"), str):
        raise ConfigError(f"{document.name}: 'experiment' names a file in experiments/, got {raw.get('experiment')!r}.")
    root = project_root(path)
    with _placed(document):
        schema = read_schema(raw["experiment"], root)
    declared = _validate(raw, document)
    with _placed(document):
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
    elif config.looks[-1] > config.seeds:
        raise ConfigError(
            f"{document.place(['looks'])}: the last look needs {config.looks[-1]} seeds, there are "
            f"{config.seeds}. Raise 'seeds' or drop the look."
        )
    plan = _plan(config, schema, document)
    loaded = LoadedConfig(config, plan, document, root, tuple(overrides), changes_spec)
    with _placed(document):
        for i, split in enumerate(config.dependent_splits):
            matches(plan.axes, split.where, f"dependent_splits.{i}.where")
        for name, claim in config.claims.items():
            _check_cells(claim, plan, f"claims.{name}")
            KINDS[claim.kind].check(claim, replace(loaded.grid, smoke=smoke), f"claims.{name}")
        lineages(config.claims, root)
        check_beyond(config, plan)
    if smoke or not maps:
        config = config.model_copy(update={"map": {}})
    if not smoke:
        return replace(loaded, config=config)
    small = {name: KINDS[claim.kind].smoke(claim) for name, claim in config.claims.items()}
    config = config.model_copy(update={"claims": {name: claim for name, (claim, _) in small.items()}})
    cuts = list(dict.fromkeys(words for _, words in small.values() if words))
    return replace(loaded, config=config, cut=_what_is_cut(declared, config, schema, cuts))


def _check_cells(claim: Claim, plan: Plan, where: str) -> None:
    """Count the cells of a claim before they are listed."""
    if not isinstance(claim, Seeded) or claim.quantifier == "at_reference":
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


def check_beyond(config: RunConfig, plan: Plan) -> None:
    """Check that every map can be filled and every domain searched.

    Raises:
        ConfigError: naming the part of a map or a domain that does not fit its claim, the grid or the trial.
    """
    for name, spec in config.map.items():
        where = f"map.{name}"
        _check_seeded(config, name, where)
        axes = spec.plane(plan.schema, where)
        for at in spec.places():
            posed(config, plan, name, [axis.name for axis in axes], at, where)
    for name, domain in config.domain.items():
        where = f"domain.{name}"
        _check_seeded(config, name, where)
        domain.check(plan.schema, where)
        posed(config, plan, name, list(domain.axes), domain.at, where)


def _check_seeded(config: RunConfig, name: str, where: str) -> None:
    """Refuse a map or a domain of a claim that no trial decides, or of none at all."""
    if name not in config.claims:
        raise ConfigError(f"{where}: there is no claim '{name}'. {nearest(name, config.claims)}")
    if config.claims[name].kind != "contrast":
        raise ConfigError(f"{where}: '{name}' is a claim of kind {config.claims[name].kind}; only a contrast has one.")


def posed(config: RunConfig, plan: Plan, claim: str, names: Sequence[str], at: Mapping[str, Any], where: str) -> Posed:
    """A claim of a config with some of its parameters free, see `jaxml.claims.posing`."""
    return pose(
        config.claims[claim],
        names,
        dict(at),
        axes=plan.axes,
        fixed=plan.fixed,
        schema=plan.schema,
        splits=config.dependent_splits,
        where=where,
    )


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
    with _placed(document):
        for section in ("data", "fixed"):
            for name, value in getattr(config, section).items():
                where, parameter = f"{section}.{name}", schema.find(name, f"{section}.{name}")
                parameter.check_precision(parameter.accept(value, where), config.precision, where)
        plan = make_plan(schema, config.entries, config.all_seeds, lanes=config.lanes)
        check_precision(plan, config.precision)
    _check_size(plan, document)
    return plan


def _check_size(plan: Plan, document: Document) -> None:
    """Refuse a grid that nobody means: each of its axes is small, their product is not."""
    statics = [
        [tuple(p[n] for n in axis.parameters if not plan.schema[n].traced) for p in axis.points] for axis in plan.axes
    ]
    programs = math.prod(len(set(points)) for points in statics)
    for what, count, most in (("trials", plan.cells, MOST_TRIALS), ("programs", programs, MOST_PROGRAMS)):
        if count > most:
            raise ConfigError(f"{document.place(['sweep'])}: these are {count:,} {what}; a run has at most {most:,}.")


@contextlib.contextmanager
def _placed(document: Document) -> Iterator[None]:
    """Turn the dotted path that begins a ConfigError raised inside into file and line."""
    try:
        yield
    except ConfigError as error:
        head, _, rest = str(error).partition(": ")
        path = head.split(".")
        if path[0] not in RunConfig.model_fields:
            raise
        raise ConfigError(f"{document.place(path)}: {rest}") from None


def _validate(raw: Mapping[str, Any], document: Document) -> RunConfig:
    try:
        config = RunConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(_explained(error, document)[:5])) from None
    return config if config.master_key else config.model_copy(update={"master_key": config.name})


_BRANCHES = ("bool", "int", "float", "str")
"""How pydantic ends the place of an error in one of the types that a value may have."""
_EXPECTED = {"dict": "a mapping of names to values", "model": "a mapping of keys to values", "tuple": "a list"}
_EXPECTED |= {"int": "a whole number", "float": "a number", "string": "text", "bool": "true or false"}
_EXPECTED |= {"finite_number": "a finite number"}


def _explained(error: ValidationError, document: Document) -> list[str]:
    """The errors as sentences: one for each place, and none that only follows from another."""
    found: dict[Any, list[Any]] = {}
    for item in error.errors():
        loc = item["loc"][:-1] if item["loc"][-1:] and item["loc"][-1] in _BRANCHES else item["loc"]
        if item["type"] == "too_short" and len(item["input"]) >= item.get("ctx", {})["min_length"]:
            continue  # the values that are there are wrong, each with an error of its own
        found.setdefault((loc, item["type"] == "extra_forbidden"), []).append({**item, "loc": loc})
    lines = []
    for items in found.values():
        if len(items) > 1:  # one value, held against each type that it may have
            finite = any(item["type"] == "finite_number" for item in items)
            expected = "a finite number" if finite else "a number, text, true or false"
            lines.append(f"{_place(items[0], document)}: expected {expected}, got {_shown(items[0]['input'])}.")
        else:
            lines.append(_explain(items[0], document))
    return list(dict.fromkeys(lines))


def _place(item: Any, document: Document) -> str:
    """The place of an error, as far as the file itself holds it."""
    value: Any = document.value
    path: list[str | int] = []
    for part in item["loc"]:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(part)
    return document.place(path)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."


def _explain(item: Any, document: Document) -> str:
    """One pydantic error as one sentence: place, what was expected, what came, the nearest valid name."""
    where, kind = _place(item, document), item["type"]
    if kind == "extra_forbidden":
        if item["loc"] == ("suites",):
            return f"{where}: a suite is a claim like any other now. Move it under claims, with 'kind: suite'."
        return f"{where}: unknown key. {nearest(item['loc'][-1], _allowed(item['loc'][:-1]))}"
    if kind == "union_tag_invalid":
        tag = item["ctx"]["tag"]
        return f"{where}: there is no kind of claim called '{tag}'. {nearest(tag, KINDS)}"
    if kind == "missing":
        return f"{where}: '{item['loc'][-1]}' is missing.".replace(": :", ":")
    expected = _EXPECTED.get(kind.removesuffix("_type"))
    if kind == "too_short":
        expected = f"at least {item['ctx']['min_length']} value{'s' if item['ctx']['min_length'] > 1 else ''}"
    if expected:
        fractional = "range" in item["loc"] and isinstance(item["input"], float)
        advice = " For steps that are no whole numbers, use linspace: [first, last, count]." if fractional else ""
        return f"{where}: expected {expected}, got {_shown(item['input'])}.{advice}"
    message = item["msg"].removeprefix("Value error, ")
    got = "" if "got" in message else f"; got {_shown(item['input'])}."
    return f"{where}: {message[0].lower()}{message[1:]}{got}"


def _allowed(loc: Sequence[str | int]) -> list[str]:
    """The keys that the model at `loc` knows."""
    model: Any = RunConfig
    for part in loc:
        if part in KINDS and issubclass(model, Claim):
            model = KINDS[str(part)].Claim
            continue
        annotation = model.model_fields[part].annotation if _is_model(model) and part in model.model_fields else None
        models = [m for m in _models_in(annotation) if _is_model(m)]
        model = models[0] if models else model
    names = [field.alias or name for name, field in model.model_fields.items()] if _is_model(model) else []
    return [*names, *(["extends"] if model is RunConfig else [])]


def _is_model(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseModel)


def _models_in(annotation: Any) -> list[Any]:
    inner = [model for arg in getattr(annotation, "__args__", ()) for model in _models_in(arg)]
    return [annotation, *inner] if _is_model(annotation) else inner


_CLAIMS_FILE = ("title", "about", "claims", "looks", "alpha", "dependent_splits")


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
