"""Runs in these tests behave as a user's do, with a private cache of programs."""

import os

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def as_users_run_it(tmp_path_factory):
    os.environ["JAXML_CACHE"] = str(tmp_path_factory.getbasetemp() / "cache")
    names = ("jax_enable_x64", "jax_numpy_dtype_promotion", "jax_numpy_rank_promotion")
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_numpy_dtype_promotion", "standard")
    jax.config.update("jax_numpy_rank_promotion", "allow")
    yield
    del os.environ["JAXML_CACHE"]
    for name, value in before.items():
        jax.config.update(name, value)
