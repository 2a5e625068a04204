"""From the results of a run directory to its metrics and verdicts."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from jaxml.claims.certificate import marked, read_certificate
from jaxml.claims.finding import Verdicts
from jaxml.errors import RunError, TrialError
from jaxml.experiment import Experiment, contained
from jaxml.runs.directory import GIVEN, RunDirectory
from jaxml.runs.standing import Standing, read_standing
from jaxml.sweep.grid import Axis
from jaxml.sweep.names import trouble_with

if TYPE_CHECKING:
    import xarray

Count = Callable[[Standing, Mapping[str, str]], Standing]


def derive(results: "xarray.Dataset", experiment: Experiment, directory: RunDirectory) -> None:
    """Compute the experiment's metrics and keep them beside the results."""
    from jaxml.sweep.store import write_dataset

    if experiment.metrics:
        write_dataset(derived_from(results, experiment), directory.path / "metrics.zarr")


def derived_from(results: "xarray.Dataset", experiment: Experiment) -> "xarray.Dataset":
    """The experiment's metrics.

    Raises:
        RunError: when one is no array of numbers over the seeds.
    """
    import xarray

    derived = {}
    for name, metric in experiment.metrics.items():
        with contained(f"metric '{name}'"):
            try:
                values = metric(results)
            except TrialError as error:
                raise TrialError(f"'{name}': {error}") from None
        if not isinstance(values, xarray.DataArray) or "seed" not in values.dims:
            raise RunError(f"metric '{name}' must return an xarray.DataArray that keeps the axis 'seed'.")
        if values.dtype.kind not in "biufc":
            raise RunError(f"metric '{name}' must return numbers, got an array of {values.dtype}.")
        for dim in values.dims:
            if trouble := trouble_with(dim):
                raise RunError(f"metric '{name}' has an axis whose name {dim!r} {trouble}.")
        derived[name] = values.drop_vars([c for c in values.coords if c not in values.dims], errors="ignore")
    return xarray.Dataset(derived)


def judge_run(directory: RunDirectory, count: Count = lambda standing, numbers: standing) -> Verdicts:
    """Decide the claims of a run directory from what it holds, and write verdicts.json.

    Args:
        directory: a run whose results are complete.
        count: says which attempt each claim is, once the SHA-256 of its numbers is known; what the run directory says
            by default.
    """
    verdicts = marked(decided(directory, count), read_certificate(directory.path))
    directory.write_json("verdicts.json", verdicts.to_json())
    return verdicts


def decided(
    directory: RunDirectory, count: Count = lambda standing, numbers: standing, seeds: int | None = None
) -> Verdicts:
    """What a run directory decides; nothing is written.

    Args:
        directory: a run whose results are complete.
        count: as in `judge_run`.
        seeds: decide at the look of so many seeds alone, as if no later ones had been planned.
    """
    from jaxml.claims.given import Grid
    from jaxml.claims.judge import measure
    from jaxml.claims.kinds import KINDS
    from jaxml.claims.population import Population
    from jaxml.runner.evidence import read_evidence
    from jaxml.runner.extending import why_extended

    spec, (recorded, evidence) = directory.spec(), read_evidence(directory)
    standing = read_standing(directory)
    results = directory.results()
    recorded = str(results.attrs.get("spec_sha256", recorded))
    why = spec.get("exploratory", "") or why_extended(spec) or standing.why or directory.spec_is_frozen(recorded)
    claims = {
        name: KINDS[claim.get("kind", "contrast")].Claim.model_validate(claim, strict=False)
        for name, claim in spec["claims"].items()
    }
    if seeds is not None:
        results = results.isel(seed=results.seed.values < seeds)
    grid = Grid(
        axes=[Axis(name, tuple(points)) for name, points in spec["axes"].items()],
        tuning_seeds=spec["tuning_seeds"],
        looks=tuple(spec["looks"]) if seeds is None else (seeds,),
        alpha=spec["alpha"],
        population=[Population.model_validate(each) for each in spec["population"]],
    )
    measured = measure(claims, grid, results, evidence)
    attempts = count(standing, measured.numbers).attempts
    lineage = directory.lineage()
    findings = [
        dataclasses.replace(finding, lineage=lineage.get(finding.id), attempt=attempts.get(finding.id))
        for finding in measured.decided({id: each.share for id, each in attempts.items()})
    ]
    status = "exploratory" if why else "confirmatory"
    return Verdicts(status=status, why=why, spec_sha256=recorded, findings=findings)


def judge_again(directory: RunDirectory) -> Verdicts:
    """Decide a finished run anew from its directory, whatever its verdicts.json says.

    Raises:
        RunError: when the run never finished, or what its verdicts follow from is not as the run wrote it.
    """
    directory.check(GIVEN)
    if directory.status != "finished":
        raise RunError(f"{directory.path}: this run is {directory.status}; run its config to completion first.")
    verdicts = judge_run(directory)
    directory.seal_again("verdicts.json")
    return verdicts
