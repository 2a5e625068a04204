"""Registering a config: its claims are fixed in the ledger, and in a note of the repository, before there is data."""

import json
import subprocess
from pathlib import Path

from jaxml.claims.spec import spec_hash
from jaxml.config import load_study
from jaxml.errors import ConfigError
from jaxml.runs import ledger
from jaxml.runs.chain import Entry, Ledger
from jaxml.runs.designs import share_trials
from jaxml.runs.history import that_showed_data

NOTES = "jaxml"
"""The notes are in refs/notes/jaxml: ``git log --notes=jaxml`` shows them, ``git push origin refs/notes/jaxml`` shares
them."""


def register(config: str | Path, path: Path, *, note: bool = True) -> tuple[Entry, str]:
    """Write a config's claims into the ledger before their data are seen.

    Args:
        config: the YAML file.
        path: the ledger.
        note: leave a note on the repository's HEAD, where there is one.

    Returns:
        The entry, and the commit that was noted; empty where none was.

    Raises:
        ConfigError: when the config is wrong, or its data were seen before.
    """
    study = load_study(config)
    spec = json.loads(json.dumps(study.spec))

    def entry(held: Ledger) -> Entry:
        if held.breaks:
            raise ConfigError(f"{path} is broken ({held.why_broken}). Record that first: jaxml ledger --mend")
        for each in that_showed_data(list(held.everything)):
            if each["entry"] == "started" and share_trials(each["spec"], spec):
                raise ConfigError(
                    f"{study.document.name}: its data were seen in {each['run']}, so that it is too late to register. "
                    "Set another master_key."
                )
        claims = {id: spec_hash(claim) for id, claim in spec["claims"].items()}
        sha256 = study.spec_sha256
        return {
            "entry": "registered",
            "config": study.config.name,
            "spec_sha256": sha256,
            "claims": claims,
            "spec": held.spec(spec, sha256),
        }

    written = ledger.append(path, entry) or {}
    return written, _noted(study.root, written) if note else ""


def _noted(root: Path, entry: Entry) -> str:
    """Leave a note on HEAD; the commit, empty where there is no repository or it takes none."""
    claims = "\n".join(f"{id} {digest}" for id, digest in entry["claims"].items())
    text = f"jaxml register {entry['config']}, {entry['time']}\nspec {entry['spec_sha256']}\n{claims}"
    try:
        head = subprocess.run(["git", "rev-parse", "--verify", "HEAD"], cwd=root, capture_output=True, text=True)
        noted = subprocess.run(
            ["git", "notes", f"--ref={NOTES}", "append", "-m", text, "HEAD"], cwd=root, capture_output=True
        )
    except OSError:
        return ""
    return head.stdout.strip() if head.returncode == 0 and noted.returncode == 0 else ""
