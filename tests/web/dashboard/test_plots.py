"""Plots: what is drawn is what was counted, and everybody can read it. The SVG is parsed."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ET
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from tts_service import web
from tts_service.usage.report import Day, Report, Usage
from tts_service.usage.scale import bucket_of
from tts_service.web.dashboard.axes import FRAME, scale_to
from tts_service.web.dashboard.plots import MAX_CODES, Plot, draw

LAST = date(2026, 3, 3)
TEMPLATES = Flask("tts_service.web").jinja_env


def a_report(*usages: Usage) -> Report:
    days = tuple(Day(LAST - timedelta(days=len(usages) - 1 - n), usage) for n, usage in enumerate(usages))
    failures: dict[str, int] = {}
    for usage in usages:
        for code, count in usage.failures.items():
            failures[code] = failures.get(code, 0) + count
    return Report(days, Usage(failures=dict(sorted(failures.items(), key=lambda item: -item[1]))))


def plots(*usages: Usage) -> dict[str, Plot]:
    return {plot.name: plot for plot in draw(a_report(*usages))}


def parsed(plot: Plot) -> ET.Element:
    module: Any = TEMPLATES.get_template("dashboard/plot.html").module
    return ET.fromstring(str(module.figure(plot, FRAME)))


def heights(figure: ET.Element) -> list[float]:
    bars = [rect for rect in figure.iterfind(".//g/rect") if rect.get("fill")]
    return [float(bar.get("height", "nan")) for bar in bars]


def test_bars_are_as_high_as_what_was_counted_and_days_without_are_zero() -> None:
    figure = parsed(plots(Usage(turns=50), Usage(), Usage(), Usage(turns=25), Usage(turns=100))["turns"])
    tall = FRAME.floor - FRAME.top
    assert heights(figure) == [pytest.approx(tall * part) for part in (0.5, 0.25, 1.0)]
    assert [title.text for title in figure.iterfind(".//g/title")] == [
        "27 Feb: 50 questions",
        "28 Feb: 0 questions",
        "1 Mar: 0 questions",
        "2 Mar: 25 questions",
        "3 Mar: 100 questions",
    ]


def test_the_table_says_the_same_as_the_picture() -> None:
    figure = parsed(plots(Usage(turns=1_200), Usage())["turns"])
    rows = [[cell.text for cell in row] for row in figure.iterfind(".//tbody/tr")]
    assert rows == [["2026-03-02", "1,200"], ["2026-03-03", "0"]]


def test_a_stack_of_failures_names_the_most_frequent_codes_and_sums_up_the_rest() -> None:
    codes = {f"speech_{n}": 10 - n for n in range(MAX_CODES + 3)}
    plot = plots(Usage(failures=codes), Usage())["failures"]
    assert plot.legend == ("speech_0", "speech_1", "speech_2", "speech_3", "other")
    assert plot.rows[0][1:] == ("10", "9", "8", "7", "15")
    bars = plot.slots[0].bars
    assert [bar.look for bar in bars] == [0, 1, 2, 3, 4]
    for below, above in itertools.pairwise(bars):
        assert above.y + above.height == pytest.approx(below.y, abs=0.02)
    assert "speech_3: 7 failures" in plot.slots[0].told


def test_looks_differ_in_pattern_and_not_in_colour_alone() -> None:
    module: Any = TEMPLATES.get_template("dashboard/plot.html").module
    patterns = ET.fromstring(str(module.patterns())).findall(".//pattern")
    drawn = {
        (
            pattern.get("patternTransform"),
            *((shape.tag, *shape.attrib.values()) for shape in list(pattern)[1:]),
        )
        for pattern in patterns
    }
    assert len(drawn) == len(patterns) == MAX_CODES + 1


def test_a_line_breaks_where_no_reply_came_and_a_lone_day_is_a_mark() -> None:
    one, two = Usage(times={bucket_of(1_000): 9}), Usage(times={bucket_of(2_000): 9})
    figure = parsed(plots(one, two, Usage(), one)["times"])
    assert len(figure.findall(".//svg[@role='img']/path")) == 2, "p50 and p95 of the first two days"
    assert len(figure.findall(".//svg[@role='img']/circle")) == 3
    assert [title.text for title in figure.iterfind(".//g/title")][2] == "2 Mar: no value"


@pytest.mark.parametrize(
    ("speech_ms", "unit", "cell"),
    [(90_000, "seconds", "90.0"), (600_000, "minutes", "10.0"), (7_200_000 * 2, "hours", "4.00")],
)
def test_speech_is_in_a_unit_that_people_use(speech_ms: int, unit: str, cell: str) -> None:
    plot = plots(Usage(speech_ms=speech_ms))["speech"]
    assert (plot.unit, plot.rows[0][1]) == (unit, cell)


def test_small_costs_are_in_cents_and_large_ones_in_dollars() -> None:
    small, large = plots(Usage(microdollars=4_500))["cost"], plots(Usage(microdollars=45_000_000))["cost"]
    assert (small.unit, small.rows[0][1]) == ("US cents", "0.45")
    assert (large.unit, large.rows[0][1]) == ("US dollars", "45.0")


def test_a_span_without_anything_says_so_in_words_and_draws_no_empty_axes() -> None:
    for plot in draw(a_report(*[Usage()] * 30)):
        figure = parsed(plot)
        assert figure.find(".//svg") is None
        assert "in this span." in "".join(figure.itertext())
    assert "No questions yet in this span." in "".join(parsed(plots(Usage())["turns"]).itertext())


@pytest.mark.parametrize("count", [7, 30, 90])
def test_axes_name_the_last_day_and_no_labels_touch(count: int) -> None:
    ticks = plots(*[Usage(turns=3)] * count)["turns"].x_ticks
    assert ticks[-1].label == "3 Mar"
    assert len(ticks) >= 4
    assert min(b.at - a.at for a, b in itertools.pairwise(ticks)) >= 50
    assert ticks[-1].at + 24 <= FRAME.width


@given(st.floats(1e-6, 1e9), st.booleans())
def test_a_scale_is_round_and_just_long_enough(most: float, whole: bool) -> None:
    most = max(1.0, round(most)) if whole else most
    scale = scale_to(most, whole=whole)
    assert most <= scale.top * 1.000_001
    assert scale.top - most < scale.step * 1.000_001
    assert 1 <= len(scale.ticks()) - 1 <= 5
    leading = scale.step / 10 ** math.floor(math.log10(scale.step) + 1e-9)
    assert round(leading, 6) in (1, 2, 5)
    assert not whole or scale.step >= 1
    labels = [tick.label for tick in scale.ticks()]
    assert len(set(labels)) == len(labels)


def test_labels_fit_beside_the_axis_for_usual_amounts() -> None:
    for most in (0.001, 0.04, 7, 60, 999, 45_000, 3_000_000):
        assert max(len(tick.label) for tick in scale_to(most, whole=False).ticks()) <= 6, most


def test_nothing_a_visitor_or_provider_wrote_becomes_markup() -> None:
    plot = plots(Usage(failures={"<script>": 3, '"><b>': 2}))["failures"]
    figure = parsed(plot)
    assert figure.find(".//script") is None
    assert "<script>: 3 failures" in "".join(figure.itertext())


def test_plots_have_no_style_and_no_script_of_their_own_and_every_class_is_defined() -> None:
    day = Usage(turns=3, speech_ms=9, cached_ms=3, failures={"a": 1, "b": 2}, times={60: 2}, microdollars=9)
    module: Any = TEMPLATES.get_template("dashboard/plot.html").module
    html = str(module.patterns()) + "".join(
        str(module.figure(plot, FRAME)) for plot in draw(a_report(day, day))
    )
    assert not re.search(r"\sstyle=|\son[a-z]+=|<script|<style", html)
    css = (Path(web.__file__).parent / "static" / "usage.css").read_text()
    for names in set(re.findall(r'class="([^"]+)"', html)):
        for name in names.split():
            assert re.search(rf"\.{name}\b", css), name


def test_each_picture_has_a_name_and_a_description_for_who_cannot_see_it() -> None:
    figure = parsed(plots(Usage(turns=3), Usage(turns=9))["turns"])
    svg = figure.find(".//svg[@role='img']")
    assert svg is not None
    named = [svg.find(f"*[@id='{name}']") for name in svg.get("aria-labelledby", "").split()]
    texts = [element.text for element in named if element is not None]
    assert texts == ["Questions a day, in questions", "Questions: at most 9 questions, on 3 Mar."]
