"""A finished store, computed once for all tests of stores."""

import shutil

import pytest

from jaxml import sweep
from tests.sweep.stored import GRID, trial


@pytest.fixture(scope="session")
def reference():
    return sweep(trial, **GRID)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished store, to be copied before it is hurt."""
    path = tmp_path_factory.mktemp("finished") / "results.zarr"
    sweep(trial, store=path, **GRID)
    return path


@pytest.fixture
def store(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "results.zarr")
    return tmp_path / "results.zarr"
