"""Claims as tests: ``pytest --jaxml configs/`` makes of every claim of every config one test.

pytest imports this module wherever jaxml is installed, so that at its top it imports pytest alone.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from jaxml.pipeline import Run

_CONFIG = re.compile(r"^(experiment|extends):", re.MULTILINE)
RECORD = ".verdicts.json"
"""A config's verdicts on record lie beside it: ``NAME.verdicts.json`` for ``NAME.yaml``."""
_RUNS = pytest.StashKey[dict[Path, "Run | Exception"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options; without ``--jaxml`` the plugin does nothing."""
    group = parser.getgroup("jaxml", "claims as tests")
    group.addoption("--jaxml", action="store_true", help="collect the claims of jaxml's configs as tests")
    group.addoption(
        "--jaxml-full",
        action="store_true",
        help="decide every claim with all its seeds; by default a smoke run only shows that everything works",
    )
    group.addoption("--jaxml-runs", metavar="DIR", help="keep run directories there; by default in a temporary folder")
    group.addoption(
        "--jaxml-update", action="store_true", help="with --jaxml-full: put the verdicts on record beside each config"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "verdict(word): of a claim collected by --jaxml: the verdict that is expected")
    config.stash[_RUNS] = {}
    if config.getoption("--jaxml-update") and not config.getoption("--jaxml-full"):
        raise pytest.UsageError("--jaxml-update: a smoke run decides nothing to put on record. Add --jaxml-full.")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ConfigFile | None":
    """Every YAML file that is a config."""
    if not parent.config.getoption("--jaxml") or file_path.suffix not in (".yaml", ".yml"):
        return None
    text = file_path.read_text(encoding="utf-8", errors="replace")
    return ConfigFile.from_parent(parent, path=file_path) if _CONFIG.search(text) else None


class ConfigFile(pytest.File):
    """A config, which is run once for all its claims."""

    def collect(self) -> Iterator["ClaimItem"]:
        """One item for each claim; nothing is imported or run."""
        from jaxml.config import load_study
        from jaxml.errors import JaxmlError

        try:
            study = load_study(self.path)
        except JaxmlError as error:
            raise self.CollectError(str(error)) from None
        for id in study.config.claims:
            yield ClaimItem.from_parent(self, name=id)

    def run(self) -> "Run":
        """The run of this config in this session."""
        runs = self.config.stash[_RUNS]
        if self.path not in runs:
            try:
                runs[self.path] = self._run()
            except Exception as error:
                runs[self.path] = error
        found = runs[self.path]
        if isinstance(found, Exception):
            raise found
        return found

    def _run(self) -> "Run":
        from jaxml.pipeline import run

        full, folder = self.config.getoption("--jaxml-full"), self.config.getoption("--jaxml-runs")
        if folder is None:
            factory: pytest.TempPathFactory = self.config._tmp_path_factory  # pyright: ignore[reportAttributeAccessIssue]
            folder = factory.mktemp(self.path.stem) / "runs"
        done = run(self.path, runs=folder, smoke=not full, fresh=True, maps=False)
        if self.config.getoption("--jaxml-update"):
            text = json.dumps(done.verdicts.words, indent=1, ensure_ascii=False)
            self.path.with_suffix(RECORD).write_text(f"{text}\n", encoding="utf-8")
        return done

    def on_record(self) -> dict[str, str]:
        """The verdicts on record, by claim."""
        path = self.path.with_suffix(RECORD)
        if not path.is_file():
            return {}
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise pytest.fail.Exception(f"{path}: this is no JSON: {error}", pytrace=False) from None
        return held if isinstance(held, dict) else {}


class ClaimItem(pytest.Item):
    """One claim: in a smoke run it need only come through, in a full one its verdict must be the expected one."""

    def runtest(self) -> None:
        """Run the config, unless another of its claims has."""
        parent = self.parent
        assert isinstance(parent, ConfigFile)
        done = parent.run()
        if not self.config.getoption("--jaxml-full"):
            return
        word, (expected, why) = done.verdicts.words[self.name], self._expected(parent)
        if word != expected and not done.verdicts.finding(self.name).is_fact:
            raise UnexpectedVerdict(self, done, word, f"expected {expected}, {why}")

    def _expected(self, parent: ConfigFile) -> tuple[str, str]:
        marker = self.get_closest_marker("verdict")
        if marker is not None:
            return str(marker.args[0]), "as a marker says"
        held = parent.on_record()
        if self.name in held:
            return held[self.name], f"as {parent.path.with_suffix(RECORD).name} has it on record"
        return "supported", "since neither a marker nor a record says otherwise"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What a user must know: the verdict and its reason, or one clear message; no traceback of jaxml's own."""
        from jaxml.cli.failure import describe_failure
        from jaxml.errors import JaxmlError

        error = excinfo.value
        if isinstance(error, (UnexpectedVerdict, JaxmlError, pytest.fail.Exception)):
            return str(error)
        return describe_failure(error)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it lies, for the report."""
        return self.path, None, f"claim {self.name}"


class UnexpectedVerdict(AssertionError):
    """A claim that came out otherwise than expected."""

    def __init__(self, item: ClaimItem, done: "Run", word: str, expected: str):
        finding = done.verdicts.finding(item.name)
        super().__init__(
            f"{item.name}: {finding.statement}\n  {word}, {expected}\n  {finding.verdict.reason}\n"
            f"  report: {done.path / 'report.html'}"
        )
