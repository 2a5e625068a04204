"""Shares against scipy."""

import numpy as np
import pytest
from scipy import stats

from jaxml.claims.rule.proportion import clopper_pearson


def test_clopper_pearson_is_scipys():
    k = np.arange(17)
    low, high = clopper_pearson(k, 16, level=0.1)
    for i in k:
        theirs = stats.binomtest(int(i), 16).proportion_ci(0.9, method="exact")
        assert (low[i], high[i]) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_rates_in_place_of_counts_are_refused():
    with pytest.raises(ValueError, match=r"'successes' must lie in \[0, trials\], got 5 of 4. Pass counts"):
        clopper_pearson(5, 4)
