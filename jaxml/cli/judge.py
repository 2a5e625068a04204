"""`jaxml judge`: claims held against results that were made elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from jaxml.cli.output import Json, echo, print_json


def judge(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="RESULTS",
            help="a table (.csv, .tsv, .jsonl, .parquet), data set (.nc, .zarr) or MLflow store (.db)",
        ),
    ],
    claims: Annotated[Path, typer.Argument(metavar="CLAIMS", help="a YAML file with claims, as a config has them")],
    strict: Annotated[bool, typer.Option("--strict", help="exit 1 when a claim is not supported")] = False,
    as_json: Json = False,
) -> None:
    """Decide claims from results that were made elsewhere."""
    from jaxml.cli.tables import print_verdicts
    from jaxml.given import judge as decide

    found = decide(results, claims)
    if as_json:
        print_json(found.to_json())
    else:
        print_verdicts(found)
        echo(f"claims {found.spec_sha256}: what a registration must hold")
    if strict and any(word != "supported" for word in found.words.values()):
        raise typer.Exit(1)
