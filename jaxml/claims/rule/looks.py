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
