"""The report of a run: one HTML page that opens offline, written from the run directory alone.

The page is imported when it is asked for: its words serve the terminal too, which has no use for templates.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxml.report.page import write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    if name != "write_report":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from jaxml.report.page import write_report

    return write_report
