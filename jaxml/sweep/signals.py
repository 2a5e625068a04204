"""Signals: the first SIGINT or SIGTERM lets the chunks in hand finish, the second one stops at once."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Stop:
    """Whether somebody asked the sweep to stop, and how urgently."""

    requested = False
    at_once = False
    name = ""

    def raise_if_requested(self) -> None:
        if self.requested:
            raise KeyboardInterrupt(f"stopped by {self.name}; every finished chunk is kept, run again to go on")


@contextlib.contextmanager
def finish_on_signal() -> Iterator[Stop]:
    """Watch for signals while the block runs; outside the main thread, where Python allows no handlers, do nothing."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: Any) -> None:
        stop.name = signal.Signals(number).name
        if stop.requested:
            stop.at_once = True
            raise KeyboardInterrupt(f"stopped at once by a second {stop.name}")
        stop.requested = True

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
