"""The declared looks: at how many seeds a claim may be decided. Standard library only, for configs are checked fast."""

from collections.abc import Sequence
from itertools import pairwise


def check_looks(where: str, looks: Sequence[int]) -> tuple[int, ...]:
    """The declared looks as a tuple, if they are usable.

    Raises:
        ValueError: unless there is a look, each is at least 2 seeds and 10 % later than the one before.
    """
    given = tuple(int(look) for look in looks)
    if not given or given[0] < 2 or any(b < 1.1 * a for a, b in pairwise(given)):
        raise ValueError(
            f"{where}: 'looks' must be seed counts of at least 2, each at least 10 % above the one before, "
            f"got {list(looks)}. The usual ones are [16, 32, 64]."
        )
    return given


MANY, LATE = 8, 32
"""From so many cells on, no look before so many seeds: skew that one cell survives adds up over many."""


def looks_of(looks: tuple[int, ...], cells: int) -> tuple[int, ...]:
    """The declared looks that a run of so many cells takes.

    >>> looks_of((16, 32, 64), 7), looks_of((16, 32, 64), 8), looks_of((5, 10), 8)
    ((16, 32, 64), (32, 64), (10,))
    """
    if cells < MANY:
        return looks
    return tuple(seeds for seeds in looks if seeds >= LATE) or looks[-1:]
