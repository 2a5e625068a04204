"""The command that decides a finished run again under other settings."""

from pathlib import Path
from typing import Annotated

import typer

from jaxml.cli.output import Json, Runs, print_json
from jaxml.errors import ConfigError


def certify(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="what was run, a YAML file or a name of the gallery")
    ],
    runs: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Decide the newest finished run of a config again under other settings and another master key."""
    from jaxml.cli.progress import live
    from jaxml.cli.tables import print_certificate
    from jaxml.config import load_study
    from jaxml.explore.certify import certify as certify_run
    from jaxml.explore.certify import finished
    from jaxml.gallery import config_path, spoken

    config = config_path(config)
    directory = finished(load_study(config), runs)
    if directory is None:
        raise ConfigError(
            f"certify: no finished run of {spoken(config)} as it is now in {runs}. Run it: jaxml run {spoken(config)}"
        )
    with live(quiet=as_json) as display:
        found = certify_run(config, (), directory, notify=display.notify)
    if as_json:
        print_json({"run": str(directory.path), "certificate": found.to_json()})
    else:
        print_certificate(found)
