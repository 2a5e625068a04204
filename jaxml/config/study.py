"""A study: a config resolved once, with the grid it spans, its experiment, and what is frozen of it."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxml.claims.given import Grid
from jaxml.claims.kinds import KINDS
from jaxml.claims.lineage import Lineage, lineages
from jaxml.claims.posing import Posed, pose
from jaxml.claims.spec import Claim, Value, spec_hash
from jaxml.config.document import Document
from jaxml.config.identity import code_identity
from jaxml.config.models import DomainSpec, MapSpec, RunConfig
from jaxml.errors import ConfigError, nearest
from jaxml.experiment import experiment_path
from jaxml.gallery import spoken
from jaxml.sweep.grid import Axis
from jaxml.sweep.plan import Plan

if TYPE_CHECKING:
    from jaxml.experiment import Experiment


@dataclass(frozen=True)
class MapPlane:
    """One map that a config asks for: a claim over a fine grid of two parameters, the others at one setting."""

    claim: str
    at: Mapping[str, Value]
    spec: MapSpec
    axes: tuple[Axis, Axis]
    posed: Posed


@dataclass(frozen=True)
class Study:
    """What one command works on. Reading it imports no experiment; whatever is derived from it is derived once.

    Attributes:
        config: with overrides applied, and cut to size for a smoke run.
        plan: the grid; it has no trials where the experiment has no trial.
        document: the text of the config, for the lines that errors name.
        root: the project.
        overrides: as on the command line.
        changes_spec: whether they change what the config declares.
        cut: what a smoke run leaves out, in words; empty for any other run, and only then.
    """

    config: RunConfig
    plan: Plan
    document: Document
    root: Path
    overrides: tuple[str, ...] = ()
    changes_spec: bool = False
    cut: str = ""

    @property
    def path(self) -> Path:
        """The file of the experiment."""
        return experiment_path(self.config.experiment, self.root)

    @property
    def grid(self) -> Grid:
        """What the claims are held against."""
        config = self.config
        return Grid(self.plan.axes, config.tuning_seeds, config.looks, config.alpha, config.population)

    @cached_property
    def experiment(self) -> "Experiment":
        """The experiment, imported once JAX is set up for the precision of the config.

        Raises:
            TrialError: when the module cannot be imported or defines no experiment.
            ConfigError: when it lacks what a claim asks for.
        """
        from jaxml.backend import prepare_backend
        from jaxml.experiment import load_experiment

        prepare_backend(self.config.precision)
        experiment = load_experiment(self.config.experiment, self.root)
        for name, claim in self.config.claims.items():
            with self.document.placed(RunConfig.model_fields):
                KINDS[claim.kind].check_experiment(claim, experiment, f"claims.{name}")
        return experiment

    @cached_property
    def maps(self) -> list[MapPlane]:
        """The maps that the config asks for.

        Raises:
            ConfigError: naming the part of a map that does not fit its claim, the grid or the trial.
        """
        planes = []
        for name, spec in self.config.map.items():
            where = f"map.{name}"
            self._check_mappable(name, where)
            axes = spec.plane(self.plan.schema, where)
            for at in spec.places():
                free = self._posed(name, [axis.name for axis in axes], at, where)
                planes.append(MapPlane(name, at, spec, axes, free))
        return planes

    @cached_property
    def domains(self) -> dict[str, tuple[DomainSpec, Posed]]:
        """The domains that the config declares, by claim, and the claim with its sides free.

        Raises:
            ConfigError: naming the part of a domain that does not fit its claim, the grid or the trial.
        """
        found = {}
        for name, domain in self.config.domain.items():
            where = f"domain.{name}"
            self._check_mappable(name, where)
            domain.check(self.plan.schema, where)
            found[name] = domain, self._posed(name, list(domain.axes), domain.at, where)
        return found

    @cached_property
    def lineages(self) -> dict[str, Lineage]:
        """What each claim says of where it comes from, see `jaxml.claims.lineage`."""
        return lineages(self.config.claims, self.root)

    @cached_property
    def code(self) -> dict[str, Any]:
        """What identifies the code that the numbers come from, see `jaxml.config.identity`."""
        return code_identity(self.path, self.root)

    @cached_property
    def spec(self) -> dict[str, Any]:
        """What is frozen before the first trial: the claims, the whole grid, the seeds, the looks, the trial's code.

        With it, where there is one, the reason why nothing may be decided.
        """
        config, code = self.config, self.code
        spec = {
            "name": config.name,
            "experiment": config.experiment,
            "experiment_sha256": code["experiment"],
            "axes": {axis.name: [dict(point) for point in axis.points] for axis in self.plan.axes},
            "fixed": dict(self.plan.fixed),
            "seeds": config.seeds,
            "tuning_seeds": config.tuning_seeds,
            "master_key": config.master_key,
            "looks": list(config.looks),
            "alpha": config.alpha,
            "precision": config.precision,
            "population": [plain(each.model_dump(exclude_none=True)) for each in config.population],
            "claims": {name: _claim(claim) for name, claim in config.claims.items()},
        }
        optional = {"modules_sha256": code["modules"], "exploratory": self.why_exploratory}
        optional["without_trials"] = not self.plan.trials
        return spec | {name: value for name, value in optional.items() if value}

    @cached_property
    def spec_sha256(self) -> str:
        """The hash of the spec."""
        return spec_hash(self.spec)

    @property
    def why_exploratory(self) -> str:
        """Why nothing may be decided; empty where claims are."""
        if self.cut:
            return f"--smoke only shows that everything works ({self.cut})"
        return "the command line changed what the config file declares" if self.changes_spec else ""

    @property
    def command(self) -> str:
        """The command that repeats a run."""
        return shlex.join(["jaxml", "run", spoken(Path(self.document.name)), *self.overrides])

    def _check_mappable(self, name: str, where: str) -> None:
        """Refuse a map or a domain of a claim that no trial decides, or of none at all."""
        claims = self.config.claims
        if name not in claims:
            raise ConfigError(f"{where}: there is no claim '{name}'. {nearest(name, claims)}")
        if claims[name].kind != "contrast":
            raise ConfigError(
                f"{where}: '{name}' is a claim of kind {claims[name].kind}; only a contrast has one effect at each "
                "point, to be held against its margin. State a contrast for it."
            )
        if claims[name].applies_if or claims[name].cap is not None:
            raise ConfigError(f"{where}: '{name}' has a premise or a cap, which cannot be evaluated off the grid.")

    def _posed(self, claim: str, names: Sequence[str], at: Mapping[str, Any], where: str) -> Posed:
        """A claim with some of its parameters free, see `jaxml.claims.posing`."""
        return pose(
            self.config.claims[claim],
            names,
            dict(at),
            axes=self.plan.axes,
            fixed=self.plan.fixed,
            schema=self.plan.schema,
            population=self.config.population,
            where=where,
        )


def _claim(claim: Claim) -> dict[str, Any]:
    """A claim as plain values; a contrast, the kind that a config means where it names none, is left unsaid."""
    return {key: value for key, value in plain(claim.model_dump()).items() if (key, value) != ("kind", "contrast")}


def plain(value: Any) -> Any:
    """Tuples as lists, so that YAML and JSON read back what was written."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
