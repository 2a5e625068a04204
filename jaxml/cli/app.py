"""The commands. Exit codes: 0 done, 1 a strict check failed, 2 bad usage or config, 3 the run failed, 130 stopped."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from jaxml.errors import ConfigError, JaxmlError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Put machine-learning claims to the test: one YAML file, one compiled program, one verdict.",
)

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="a YAML file, such as configs/l1_sparsity.yaml")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="overrides: seeds=32 lam=1e-3,1e-2 n=range(50,200,50)"),
]
RunArgument = Annotated[
    Path | None, typer.Argument(metavar="[RUN]", help="a run directory; the newest one if left out")
]
Runs = Annotated[Path, typer.Option("--runs", help="the folder of run directories")]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


@app.command()
def run(
    config: Config,
    overrides: Overrides = None,
    runs: Runs = Path("runs"),
    smoke: Annotated[bool, typer.Option("--smoke", help="a few seeds only; exploratory, without a verdict")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit 1 when a claim is not supported")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="do not continue a run that was cut short")] = False,
    as_json: Json = False,
) -> None:
    """Decide the claims of a config."""
    from jaxml.cli.progress import live
    from jaxml.cli.tables import print_verdicts
    from jaxml.runner import run as run_config

    with live(quiet=as_json) as display:
        done = run_config(
            config,
            overrides or (),
            runs=runs,
            smoke=smoke,
            fresh=fresh,
            progress=display.progress,
            notify=display.notify,
        )
    if as_json:
        _print_json({"run": str(done.path), **done.verdicts.to_json()})
    else:
        print_verdicts(done.verdicts)
        _echo(f"report: {done.path / 'report.html'}")
    if strict and any(done.verdicts.verdict_of(card) != "supported" for card in done.verdicts.claims):
        raise typer.Exit(1)


@app.command()
def plan(config: Config, overrides: Overrides = None, as_json: Json = False) -> None:
    """Say what a run would compute and what it can resolve."""
    from jaxml.cli.tables import print_plan
    from jaxml.planning import describe

    description = describe(config, overrides or ())
    _print_json(description) if as_json else print_plan(description)


@app.command()
def validate(
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="a YAML file")] = None,
    overrides: Overrides = None,
    schema: Annotated[bool, typer.Option("--schema", help="print the JSON Schema of config files")] = False,
) -> None:
    """Check a config against its trial; nothing is run."""
    from jaxml.config import json_schema, load_config

    if schema:
        _print_json(json_schema())
        return
    if config is None:
        raise ConfigError("validate: name a config, or ask for --schema.")
    loaded = load_config(config, overrides or ())
    plan = loaded.plan
    grid = " x ".join(f"{len(axis)} {axis.name}" for axis in plan.axes) or "one point"
    _echo(
        f"{config}: good. {grid} x {len(plan.seeds)} seeds = {plan.cells} trials, {len(loaded.config.claims)} claims."
    )


@app.command("list")
def list_(runs: Runs = Path("runs"), as_json: Json = False) -> None:
    """List this project's configs and its runs."""
    from jaxml.cli.tables import print_listing
    from jaxml.listing import list_configs, list_runs

    listing = {"configs": list_configs(Path.cwd()), "runs": list_runs(runs)}
    _print_json(listing) if as_json else print_listing(listing)


@app.command()
def show(run: RunArgument = None, runs: Runs = Path("runs"), as_json: Json = False) -> None:
    """Show the verdicts of a run."""
    from jaxml.cli.tables import print_verdicts

    directory = _find(run, runs)
    if as_json:
        _print_json({"run": str(directory.path), "status": directory.status, **directory.verdicts().to_json()})
        return
    _echo(f"{directory.path}: {directory.status}")
    if directory.status == "finished":
        print_verdicts(directory.verdicts())


@app.command()
def report(run: RunArgument = None, runs: Runs = Path("runs")) -> None:
    """Judge a run again and write its report anew."""
    from jaxml.report import write_report
    from jaxml.runner import judge_again

    directory = _find(run, runs)
    judge_again(directory)
    write_report(directory.path)
    _echo(f"report: {directory.path / 'report.html'}")


@app.command()
def new(name: Annotated[str, typer.Argument(metavar="NAME", help="lower-case letters, digits and _")]) -> None:
    """Write an experiment and a config to start from."""
    from jaxml.scaffold import scaffold

    for path in scaffold(name, Path.cwd()):
        _echo(f"wrote {path}")
    _echo(f"try: jaxml run configs/{name}.yaml")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Show devices, versions and the compile cache."""
    from jaxml.cli.tables import print_pairs
    from jaxml.environment import describe_environment
    from jaxml.runner import cache_folder

    folder = cache_folder()
    files = [file for file in folder.rglob("*") if file.is_file()]
    found = describe_environment(Path.cwd())
    found.pop("git")
    cache = {"folder": str(folder), "programs": len(files), "bytes": sum(file.stat().st_size for file in files)}
    found["cache"] = cache
    _print_json(found) if as_json else print_pairs(found)


def main() -> None:
    """Entry point: a user's mistake is one clear message, never a traceback."""
    try:
        code = app(standalone_mode=False)
    except JaxmlError as error:
        _echo(f"error: {error}", to_stderr=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _echo("interrupted", to_stderr=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("click", "typer"):
            raise
        _echo(f"error: {getattr(error, 'message', None) or error}", to_stderr=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


def _find(run: Path | None, runs: Path) -> Any:
    from jaxml.run_directory import RunDirectory, find_runs

    if run is not None:
        return RunDirectory.open(run)
    newest = next(find_runs(runs), None)
    if newest is None:
        raise ConfigError(f"{runs}: there are no runs here yet. Make one with: jaxml run configs/l1_sparsity.yaml")
    return newest


def _print_json(value: Any) -> None:
    _echo(json.dumps(value, indent=1, default=str))


def _echo(message: str, to_stderr: bool = False) -> None:
    typer.echo(message, err=to_stderr)
