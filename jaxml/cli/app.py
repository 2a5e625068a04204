"""The commands. Exit codes: 0 done, 1 a strict check failed, 2 bad usage or config, 3 the run failed, 130 stopped."""

import atexit
import contextlib
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from jaxml.cli import inspect
from jaxml.cli import ledger as ledger_commands
from jaxml.cli.certify import certify as certify_finished
from jaxml.cli.describe import describe as describe_network
from jaxml.cli.failure import describe_failure
from jaxml.cli.falsify import falsify as falsify_claims
from jaxml.cli.judge import judge as judge_given
from jaxml.cli.output import Json, LedgerOption, NobodyReads, RunArgument, Runs, echo, find, prepare_streams, print_json
from jaxml.errors import ConfigError, JaxmlError, TrialError, users_lines

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="a YAML file, or a name: l1_sparsity, see jaxml list --gallery")
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="overrides: seeds=32 lam=1e-3,1e-2 n=range(50,200,50)"),
]


def _print_version(asked: bool) -> None:
    if asked:
        import jaxml

        echo(f"jaxml {jaxml.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Put machine-learning claims to the test: one YAML file, one compiled program, one verdict."""


@app.command()
def run(
    config: Config,
    overrides: Overrides = None,
    runs: Runs = Path("runs"),
    smoke: Annotated[bool, typer.Option("--smoke", help="a few seeds only; exploratory, without a verdict")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit 1 when a claim is not supported")] = False,
    against: Annotated[
        Path | None, typer.Option("--against", help="exit 1 when a verdict differs from this verdicts.json")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="do not continue a run that was cut short")] = False,
    certify: Annotated[
        bool, typer.Option("--certify", help="decide again under other settings and another master key; slow")
    ] = False,
    maps: Annotated[bool, typer.Option("--map/--no-map", help="fill the config's maps after the verdicts")] = True,
    extend: Annotated[
        Path | None, typer.Option("--extend", help="take over this run's trials, compute new ones; exploratory")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="even where a claim can never be supported, or never refuted")
    ] = False,
    executor: Annotated[str | None, typer.Option("--executor", help="processes, or ray; threads by default")] = None,
    address: Annotated[str | None, typer.Option("--address", help="the Ray cluster, such as auto")] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="chunks at once; one for each core")] = None,
    shared_store: Annotated[
        bool, typer.Option("--shared-store", help="workers reach the run directory and write there themselves")
    ] = False,
    ledger: LedgerOption = None,
    as_json: Json = False,
) -> None:
    """Decide the claims of a config."""
    from jaxml.claims.certificate import marked
    from jaxml.claims.labels import named_maps, named_verdicts, read_labels
    from jaxml.claims.mapped import read_maps
    from jaxml.claims.verdict import STATUSES
    from jaxml.cli.progress import live
    from jaxml.cli.tables import print_certificate, print_maps, print_verdicts
    from jaxml.explore.certify import certify as certify_run
    from jaxml.pipeline import run as run_config
    from jaxml.runs.comparison import changed_verdicts, read_verdicts
    from jaxml.sweep.compute import Compute
    from jaxml.watch import Watch

    if certify and smoke:
        raise ConfigError("run: --certify needs a verdict, and a --smoke run has none.")
    extend = None if extend is None else find(extend, runs).path
    before = None if against is None else read_verdicts(against)
    with live(quiet=as_json) as display:
        done = run_config(
            config,
            overrides or (),
            runs=runs,
            smoke=smoke,
            fresh=fresh,
            maps=maps,
            extend=extend,
            anyway=anyway,
            compute=Compute(executor, address, workers, shared_store),
            watch=Watch(display.notify, display.progress),
            ledger=ledger,
        )
        certificate = certify_run(config, overrides or (), done.directory, notify=display.notify) if certify else None
    verdicts = marked(done.verdicts, certificate)
    if as_json:
        found = {"run": str(done.path), **verdicts.to_json()}
        print_json(found | ({"certificate": certificate.to_json()} if certificate else {}))
    else:
        labels = read_labels(done.path)
        shown = named_verdicts(verdicts, labels)
        print_verdicts(shown)
        print_certificate(certificate)
        print_maps(named_maps(read_maps(done.path), labels), shown)
        echo(f"report: {done.path / 'report.html'}")
    changed = changed_verdicts(before, done.verdicts) if before is not None else {}
    for claim, (old, new) in changed.items():
        echo(f"changed: {claim} was {old}, is {new}", to_stderr=True)
    if changed:
        raise typer.Exit(1)
    if strict and any(word != "supported" and word not in STATUSES for word in done.verdicts.words.values()):
        raise typer.Exit(1)


@app.command()
def plan(
    config: Config,
    overrides: Overrides = None,
    probe: Annotated[bool, typer.Option("--probe", help="compile one program and time one chunk")] = False,
    pilot: Annotated[
        bool, typer.Option("--pilot", help="run the trials on a few seeds that are never reported")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what a run would compute and what it can resolve."""
    from jaxml.cli.tables import print_plan
    from jaxml.runner.planning import describe

    description = describe(config, overrides or (), probe=probe, pilot=pilot)
    print_json(description) if as_json else print_plan(description)
    if description["cannot"]:
        raise ConfigError("\n".join(description["cannot"]))


@app.command()
def validate(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="a YAML file, or a name; further ones may follow")
    ] = None,
    overrides: Overrides = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="trace the trial and rehearse the verdicts on made-up numbers")
    ] = False,
    schema: Annotated[bool, typer.Option("--schema", help="print the JSON Schema of config files")] = False,
) -> None:
    """Check configs against their trials; nothing is run."""
    from jaxml.config import json_schema

    if schema:
        print_json(json_schema())
        return
    if config is None:
        raise ConfigError("validate: name a config, or ask for --schema.")
    given = overrides or []
    changes = [each for each in given if "=" in each or not each.endswith((".yaml", ".yml"))]
    wrong = []
    for each in (config, *(Path(each) for each in given if each not in changes)):
        try:
            _validate(each, changes, trace)
        except (ConfigError, TrialError) as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigError("\n".join(wrong))
    if not trace:
        echo("Read, not tried: what the trial and the metrics compute. jaxml validate --trace tries them.")


def _validate(config: Path, overrides: list[str], trace: bool) -> None:
    from jaxml.config import load_study
    from jaxml.config.source import check_source

    study = load_study(config, overrides)
    check_source(study)
    if trace:
        from jaxml.explore.mapping import check_maps
        from jaxml.runner.rehearsal import rehearse

        rehearse(study)
        check_maps(study)
    plan = study.plan
    grid = " x ".join(f"{len(axis)} {axis.name}" for axis in plan.axes) or "one point"
    trials = f"{grid} x {len(plan.seeds)} seeds = {plan.trials} trials" if plan.trials else "no trials"
    count = len(study.config.claims)
    claims = f"{count} claim{'' if count == 1 else 's'}"
    echo(f"{config}: good. {trials}, {claims}.")


@app.command("list")
def list_(
    runs: Runs = Path("runs"),
    gallery: Annotated[bool, typer.Option("--gallery", help="the configs that come with jaxml instead")] = False,
    as_json: Json = False,
) -> None:
    """List this project's configs and its runs, or the gallery."""
    from jaxml.cli.listing import list_configs, list_gallery, list_runs
    from jaxml.cli.tables import print_gallery, print_listing

    if gallery:
        held = list_gallery()
        print_json({"gallery": held}) if as_json else print_gallery(held)
        return
    listing = {"configs": list_configs(Path.cwd()), "runs": list_runs(runs)}
    print_json(listing) if as_json else print_listing(listing)


@app.command()
def show(
    run: RunArgument = None,
    cell: Annotated[str, typer.Option("--cell", help="one cell instead: lam=1e-2,seed=3")] = "",
    runs: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Show the verdicts of a run, or one of its cells."""
    from jaxml.claims.certificate import read_certificate
    from jaxml.claims.labels import coded, named_maps, named_verdicts, read_labels
    from jaxml.claims.mapped import read_maps
    from jaxml.cli.tables import print_certificate, print_maps, print_pairs, print_verdicts

    directory = find(run, runs)
    directory.check()
    if cell:
        from jaxml.runner.replay import cell_values, read_cell

        pins = coded(read_cell(cell), read_labels(directory.path))
        values = {name: value.tolist() for name, value in cell_values(directory, pins).items()}
        print_json(values) if as_json else print_pairs(values)
        return
    if as_json:
        maps = [held.summary for held in read_maps(directory.path)]
        found = {"run": str(directory.path), "status": directory.status, **directory.verdicts().to_json()}
        print_json(found | ({"maps": maps} if maps else {}))
        return
    echo(f"{directory.path}: {directory.status}")
    if directory.status == "finished":
        labels = read_labels(directory.path)
        shown = named_verdicts(directory.verdicts(), labels)
        print_verdicts(shown)
        print_certificate(read_certificate(directory.path))
        print_maps(named_maps(read_maps(directory.path), labels), shown)


@app.command()
def report(run: RunArgument = None, runs: Runs = Path("runs")) -> None:
    """Judge a run again and write its report anew."""
    from jaxml.report import write_report
    from jaxml.runner import judge_again

    directory = find(run, runs)
    judge_again(directory)
    write_report(directory.path)
    echo(f"report: {directory.path / 'report.html'}")


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="lower-case letters, digits and _")],
    like: Annotated[
        Path | None, typer.Option("--like", help="copy this config and its experiment, such as l1_sparsity")
    ] = None,
) -> None:
    """Write an experiment and a config to start from."""
    from jaxml.scaffold import copied, scaffold

    here = Path.cwd()
    for path in scaffold(name, here) if like is None else copied(name, like, here):
        echo(f"wrote {path.relative_to(here)}")
    echo(f"try: jaxml run configs/{name}.yaml")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Show devices, versions, the compile cache, and whether the compiler gets a known case right."""
    from jaxml.backend import probe_compiler
    from jaxml.cache import cache_folder
    from jaxml.cli.tables import print_pairs
    from jaxml.runs.environment import describe_environment

    folder = cache_folder("programs")
    files = [file for file in folder.rglob("*") if file.is_file()]
    found = describe_environment(Path.cwd())
    found.pop("git")
    cache = {"folder": str(folder), "programs": len(files), "bytes": sum(file.stat().st_size for file in files)}
    found["cache"] = cache
    found["compiler"] = probe_compiler()
    print_json(found) if as_json else print_pairs(found)


for each in (certify_finished, inspect.replay, inspect.compare, inspect.export, inspect.calibrate):
    app.command()(each)
app.command("describe")(describe_network)
app.command()(falsify_claims)
app.command()(judge_given)
app.command()(ledger_commands.ledger)
app.command()(ledger_commands.register)


def command() -> None:
    """The console script: `main`, left at once. Python would take most of a second to dismantle JAX."""
    code: int | str | None = 1
    try:
        main()
    except SystemExit as end:
        code = end.code
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # what a full disk or a closed pipe did not take
            stream.flush()
    os._exit(code if isinstance(code, int) else 0)


def main() -> None:
    """Entry point: a user's mistake is one clear message, never a traceback."""
    prepare_streams()
    logging.getLogger("jax._src.callback").disabled = True  # it logs the traceback of what is printed in short below
    warnings.showwarning = lambda message, *_, **__: echo(f"warning: {message}", to_stderr=True)
    try:
        code = app(standalone_mode=False)
    except JaxmlError as error:
        echo(f"error: {error}", to_stderr=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except NobodyReads:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except BaseException as error:  # whatever it is that an experiment raises
        if isinstance(error, SystemExit) and not users_lines(error):  # a shell has what it asked for, completions
            raise
        if type(error).__module__.split(".")[0] not in ("click", "typer"):
            echo(describe_failure(error), to_stderr=True)
            sys.exit(3)
        told = getattr(error, "format_message", lambda: error)()
        echo(f"error: {told}", to_stderr=True)
        sys.exit(2)
    if code == 130:  # also where typer has made an exit code of the interrupt
        echo("interrupted", to_stderr=True)
    sys.exit(code if isinstance(code, int) else 0)
