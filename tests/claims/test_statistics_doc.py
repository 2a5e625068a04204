"""Every figure in docs/statistics.md is what its command prints."""

import doctest
from pathlib import Path


def test_figures_in_the_page():
    page = Path(__file__).parents[2] / "docs" / "statistics.md"
    outcome = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert outcome.attempted > 15
    assert outcome.failed == 0
