"""Who follows long work: how far it is, and what it does now."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxml.sweep.execute import Progress


def _ignore(news: object) -> None:
    pass


@dataclass(frozen=True)
class Watch:
    """Two functions that are called while a run goes on.

    Args:
        notify: given one sentence at each stage.
        progress: given a `jaxml.sweep.execute.Progress` after every compilation and chunk.

    >>> Watch(notify=print).notify("judging")
    judging
    """

    notify: Callable[[str], None] = _ignore
    progress: "Callable[[Progress], None]" = _ignore


NOBODY = Watch()
