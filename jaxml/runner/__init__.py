"""From a config to a run directory: what is frozen (`spec`), compiled (`programs`), done (`execute`) and decided
(`judging`); before it `planning`, beside it `evidence` and `extending`, after it `replay`.
"""

from jaxml.runner.execute import Run, run
from jaxml.runner.judging import judge_again

__all__ = ["Run", "judge_again", "run"]
