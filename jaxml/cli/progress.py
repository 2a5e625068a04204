"""Progress of a run: a live line on a terminal, plain lines in a pipe, always on standard error."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jaxml.errors import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from jaxml.sweep.execute import Progress


class Display:
    """Plain lines: one per stage, one per compiled program, and one per tenth of the trials."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._tenth = 0
        self._compiled = 0
        self._first: Progress | None = None

    def notify(self, message: str) -> None:
        self._line(message)

    def progress(self, progress: "Progress") -> None:
        if progress.compiled > self._compiled:
            self._compiled = progress.compiled
            self._line(f"compiled {progress.compiled}/{progress.programs} programs")
        tenth = 10 * progress.done // max(progress.trials, 1)
        if tenth > self._tenth:
            self._tenth = tenth
            self._line(describe(progress, self.rate(progress)))

    def rate(self, progress: "Progress") -> float:
        """Cells per second since the first report; what an earlier process computed does not count."""
        if self._first is None:
            self._first = progress
        elapsed = progress.seconds - self._first.seconds
        return (progress.done - self._first.done) / elapsed if elapsed > 0 else 0.0

    def _line(self, message: str) -> None:
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):  # nobody listens any more; the run goes on
                print(f"{self._clock()}  {printable(message)}", file=sys.stderr, flush=True)

    def _clock(self) -> str:
        return f"{time.perf_counter() - self._started:6.1f} s"


class Silent(Display):
    """Nothing at all, for machines that read standard output."""

    def _line(self, message: str) -> None:
        return


class Live(Display):
    """Stages as lines, and below them one bar for compilation and one for trials, which rewrite themselves."""

    def __init__(self, bars: "Bars") -> None:
        super().__init__()
        self._bars = bars
        self._compile = bars.add_task("compiling", total=None, visible=False, detail="")
        self._cells = bars.add_task("computing", total=None, visible=False, detail="")

    def progress(self, progress: "Progress") -> None:
        rate = self.rate(progress)
        self._bars.update(
            self._compile,
            total=progress.programs,
            completed=progress.compiled,
            visible=True,
            detail=f"{progress.compiled}/{progress.programs} programs",
        )
        self._bars.update(
            self._cells,
            total=progress.trials,
            completed=progress.done,
            visible=True,
            detail=describe(progress, rate),
        )

    def _line(self, message: str) -> None:
        from rich.text import Text

        self._bars.console.print(Text.assemble((self._clock(), "dim"), f"  {printable(message)}"))


class _Listener:
    """Standard error as long as somebody listens: a terminal that is gone does not end a run."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def describe(progress: "Progress", rate: float) -> str:
    """``1,440/18,720 trials, 950 trials/s, 18 s left``."""
    text = f"{progress.done:,}/{progress.trials:,} trials"
    if rate:
        text += f", {rate:,.0f} trials/s, {(progress.trials - progress.done) / rate:,.0f} s left"
    return text


@contextlib.contextmanager
def live(quiet: bool = False) -> Iterator[Display]:
    """The display that suits where standard error goes."""
    if quiet:
        yield Silent()
        return
    if sys.stderr is None or not sys.stderr.isatty():
        yield Display()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:>9}"), BarColumn(bar_width=24), TextColumn("{task.fields[detail]}"))
    listener: Any = _Listener()
    with Bars(*columns, console=Console(file=listener, highlight=False), transient=True) as bars:
        yield Live(bars)
