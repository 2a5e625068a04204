"""From a study to a run directory: computed and decided (`session`, `programs`, `evidence`, `judging`); before it
`planning` and `rehearsal`, beside it `continuing` and `extending`, after it `replay`.
"""

from jaxml.runner.judging import judge_again

__all__ = ["judge_again"]
