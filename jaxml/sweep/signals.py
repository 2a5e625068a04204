"""Signals: the first SIGINT or SIGTERM finishes the chunks already running, the second one stops at once.

A second SIGTERM ends the process where the sweep is not left within seconds: compiled code that never returns keeps
Python from running a handler, and from ending. A thread of its own reads the signals for this, and stays to see that
Python, once it wants to end, does: it joins every thread of a pool first, those that never return among them.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

_GRACE_SECONDS = 3.0
"""How long a sweep, or Python itself, may take to stop after a second SIGTERM."""


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

    read, write = os.pipe()
    os.set_blocking(write, False)
    threading.Thread(target=_end_at_the_second, args=(read,), daemon=True).start()
    woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken)
        os.close(write)


def _end_at_the_second(read: int) -> None:
    """End the process unless the sweep is left within the grace: then its caller decides what comes next."""
    seen, deadline = 0, None
    while True:
        left = None if deadline is None else max(deadline - time.monotonic(), 0)
        if not select.select([read], [], [], left)[0]:
            os._exit(128 + signal.SIGTERM)
        number = os.read(read, 1)
        if not number:
            break
        seen += number[0] in (signal.SIGINT, signal.SIGTERM)
        if seen > 1 and number[0] == signal.SIGTERM and deadline is None:
            deadline = time.monotonic() + _GRACE_SECONDS
    os.close(read)
    while deadline is not None:
        time.sleep(_GRACE_SECONDS if _ending() else 0.1)
        if _ending():
            os._exit(128 + signal.SIGTERM)


def _ending() -> bool:
    """Whether the main thread has left the program and waits for the others to end."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    return frame is None or (frame.f_code.co_name, frame.f_globals.get("__name__")) == ("_shutdown", "threading")
