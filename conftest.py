"""Strictness for every test and doctest: no silent promotion of dtypes or ranks, types checked."""

import contextlib
import ctypes
import gc
import importlib.metadata
import os
import random
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# The suite's time goes into compiling programs that run once on a few numbers, and LLVM's optimiser and the fusion
# emitters more than double it; `XLA_FLAGS= make test` tests with the code that users run. Every flag needs its dashes:
# XLA ignores whatever follows a word without them.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 "
    # Two workers on two cores: a compilation that spreads over threads only fights its neighbour.
    "--xla_cpu_parallel_codegen_split_count=1 --xla_cpu_multi_thread_eigen=false"
    # Later versions stop at a flag that they no longer know.
    + (" --xla_cpu_use_fusion_emitters=false" if importlib.metadata.version("jaxlib") < "0.11" else ""),
)

import jax
import numpy as np
import pytest
from jaxtyping import config as jaxtyping_config
from jaxtyping import install_import_hook

gc.disable()  # until all is collected: modules are not garbage, and looking through them takes a fifth of the time

# Beartype looks at a random item of each list. It draws from a generator of its own: after a draw from Python's, a
# sweep traces its trial once more, to see whether that was the trial's doing.
with pytest.MonkeyPatch.context() as patch:
    patch.setattr(random, "getrandbits", random.Random(0).getrandbits)
    import beartype  # noqa: F401

collect_ignore_glob = [
    "tests/ops/golden/*.py",  # scripts that need torch; they made the golden files
    "tests/resilience/*.py",  # minutes of kills and damage: make resilience
]

install_import_hook(["jaxml.ops", "jaxml.learn", "jaxml.nn"], "beartype.beartype")

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# A frame of the stack behind each operation, ten deep by default, is a seventh of what it takes to compile a program.
jax.config.update("jax_traceback_in_locations_limit", 0)


@pytest.fixture
def unchecked_types():
    """Turn the run-time type checker off, so that a test meets the error message a user would meet."""
    jaxtyping_config.update("jaxtyping_disable", True)
    yield
    jaxtyping_config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def private_cache(tmp_path_factory):
    """Compiled programs are kept apart from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXML_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def x64():
    """Double precision for one test."""
    with jax.enable_x64(True):
        yield


MOST_RESIDENT = 2e9
"""Bytes of a worker after which what it compiled is dropped: two whole suites' worth fill a machine of 16 GB."""


def pytest_collection_finish():
    """Spare the collector what stays to the end: with its usual thresholds it takes a tenth of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


@pytest.fixture(autouse=True, scope="module")
def _bounded_memory():
    yield
    statm = Path("/proc/self/statm")
    if statm.exists() and int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") > MOST_RESIDENT:
        jax.clear_caches()
        gc.collect()
        # Else the C library keeps what is free, and from here on every module would compile everything anew.
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace):
    doctest_namespace["jax"] = jax
    doctest_namespace["jnp"] = jax.numpy
    doctest_namespace["np"] = np
