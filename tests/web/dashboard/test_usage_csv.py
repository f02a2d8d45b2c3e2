"""The CSV reads back as what was counted, in a spreadsheet too."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest

from tts_service.usage.report import Day, Report, Usage
from tts_service.usage.scale import bucket_of
from tts_service.web.dashboard import usage_csv

BUSY = Usage(
    turns=3,
    spoken_turns=2,
    speech_ms=3_000,
    cached_ms=750,
    characters=120,
    microdollars=12_345,
    failures={"speech_timeout": 2, "upstream_auth": 1},
    times={bucket_of(1_000): 2},
)


def read(name: str, *usages: Usage) -> list[dict[str, str]]:
    days = tuple(Day(date(2026, 3, 1 + n), usage) for n, usage in enumerate(usages))
    return list(csv.DictReader(io.StringIO(usage_csv.write(name, Report(days, Usage())), newline="")))


def test_a_day_is_a_row_and_what_has_no_value_is_empty() -> None:
    busy, quiet = read("Acme", BUSY, Usage())
    assert tuple(busy) == usage_csv.COLUMNS
    assert busy | {"p50_ms": "", "p95_ms": ""} == {
        "day": "2026-03-01",
        "client": "Acme",
        "turns": "3",
        "spoken_turns": "2",
        "speech_s": "3.000",
        "cached_share": "0.2500",
        "characters": "120",
        "failures": "3",
        "failures_by_code": "speech_timeout=2 upstream_auth=1",
        "p50_ms": "",
        "p95_ms": "",
        "estimated_usd": "0.012345",
    }
    assert float(busy["p50_ms"]) == pytest.approx(1_000, rel=0.05)
    assert (quiet["turns"], quiet["cached_share"], quiet["p95_ms"]) == ("0", "", "")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://evil","x")', "\t=1"])
def test_103_a_name_never_becomes_a_formula(name: str) -> None:
    (row,) = read(name, BUSY)
    assert row["client"] == f"'{name}"


@pytest.mark.parametrize("name", ['Müller, "Söhne"\r\nGmbH', "日本", "O'Neill"])
def test_any_name_reads_back_as_it_is(name: str) -> None:
    (row,) = read(name, BUSY)
    assert row["client"] == name
