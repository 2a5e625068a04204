"""The report of a run: one HTML page that opens offline, written from the run directory alone."""

from jaxml.report.page import write_report

__all__ = ["write_report"]
