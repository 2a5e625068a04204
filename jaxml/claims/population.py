"""Whom the seeds tell of, where they draw from one data set: its rows, or the law that the rows come from."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from jaxml.claims.spec import Spec, Where

Rows = Annotated[int, Field(ge=2)]


class Population(Spec):
    r"""What a claim is about where seeds are splits or subsets of one data set.

    Given its N rows, seeds that draw from them are independent: a claim about the data set (`data_set`) needs no
    correction. One about the law behind them (`law`) does, for seeds share rows. With m of N rows drawn, s = m / N,
    two seeds correlate by s at most, whatever is learnt and measured, so that the variance of the mean is
    sd^2 (1/n + r) with

    .. math:: r = s / (1 - s).

    Where every seed uses all rows, part for training and part for testing, there is only a heuristic,
    r = n_test / n_train, for what is measured on the test rows.

    Reference: Hoeffding (1948), A class of statistics with asymptotically normal distribution, section 5; Nadeau and
    Bengio (2003), Inference for the generalization error.

    >>> Population(of="data_set", rows=569).ratio, Population(of="law", rows=500, drawn=100).ratio
    (0.0, 0.25)
    >>> Population(of="law", rows=500, drawn=500, test=100).words
    'about the law behind 500 rows, by a heuristic for test errors'
    """

    where: Where = Field(default={})
    of: Literal["data_set", "law"]
    rows: Rows
    drawn: Rows | None = None
    test: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Population":
        if self.of == "data_set":
            if self.drawn is not None or self.test is not None:
                raise ValueError("of a data set only its 'rows' matter; leave 'drawn' and 'test' out")
        elif self.drawn is None or self.drawn > self.rows:
            raise ValueError(f"of a law, 'drawn' says how many of the {self.rows} rows a seed uses")
        elif (self.test is None) == (self.drawn == self.rows) or (self.test or 0) >= self.rows:
            raise ValueError("'test' says how many rows a seed tests on, where it uses all of them, and only there")
        return self

    @property
    def ratio(self) -> float:
        """What is added to 1 / n in the variance of a mean, in variances of one seed."""
        if self.drawn is None:
            return 0.0
        if self.test is not None:
            return self.test / (self.rows - self.test)
        return self.drawn / (self.rows - self.drawn)

    @property
    def words(self) -> str:
        """Whom it tells of."""
        if self.drawn is None:
            return f"about these {self.rows} rows"
        if self.test is not None:
            return f"about the law behind {self.rows} rows, by a heuristic for test errors"
        return f"about the law behind {self.rows} rows, of which a seed uses {self.drawn}"
