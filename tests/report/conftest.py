"""The script bundle is made once per session and kept out of the user's own cache."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def private_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXML_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
