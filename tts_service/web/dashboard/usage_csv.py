"""A report as CSV (RFC 4180), a day a row. Pure."""

from __future__ import annotations

import csv
import io

from tts_service.usage.report import Day, Report

CONTENT_TYPE = "text/csv; charset=utf-8; header=present"
COLUMNS = (
    "day",
    "client",
    "turns",
    "spoken_turns",
    "speech_s",
    "cached_share",
    "characters",
    "failures",
    "failures_by_code",
    "p50_ms",
    "p95_ms",
    "estimated_usd",
)
# A spreadsheet runs what begins like this as a formula (faults 5-103).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(client_name: str, report: Report) -> str:
    """Days are UTC; what has no value on a day is empty."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for day in report.days:
        writer.writerow(_defused(cell) for cell in _row(client_name, day))
    return out.getvalue()


def _row(client_name: str, day: Day) -> list[str]:
    usage = day.usage
    return [
        day.day.isoformat(),
        client_name,
        str(usage.turns),
        str(usage.spoken_turns),
        f"{usage.speech_s:.3f}",
        "" if usage.cached_share is None else f"{usage.cached_share:.4f}",
        str(usage.characters),
        str(usage.failed),
        " ".join(f"{code}={count}" for code, count in usage.failures.items()),
        "" if usage.p50_ms is None else f"{usage.p50_ms:.0f}",
        "" if usage.p95_ms is None else f"{usage.p95_ms:.0f}",
        f"{usage.dollars:.6f}",
    ]


def _defused(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
