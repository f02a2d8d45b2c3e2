"""Each line of the allowed origins, explained."""

from __future__ import annotations

import pytest

from tts_service.web.dashboard import origin_lines
from tts_service.web.dashboard.origin_lines import Line


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("https://acme.com/", "https://acme.com"),
        ("https://Acme.com:443/shop?a=b#c", "https://acme.com"),
        ("http://user:pw@acme.com:8080/x", "http://acme.com:8080"),
        ("www.acme.com", "https://www.acme.com"),
        ("localhost:3000", "https://localhost:3000"),
        ("*.acme.com", None),
        ("null", None),
        ("acme", None),
        ("https://", None),
        ("javascript:alert(1)", None),
    ],
)
def test_what_was_probably_meant_is_an_origin_or_nothing(typed: str, meant: str | None) -> None:
    (line,) = origin_lines.read(typed)
    assert line.mistake
    assert (line.kept, line.meant) == (None, meant)


def test_a_line_that_fits_is_told_as_it_will_be_kept_with_its_number() -> None:
    assert origin_lines.read("\n  HTTPS://Acme.com. \n\n") == [
        Line(2, "HTTPS://Acme.com.", "https://acme.com")
    ]


def test_a_star_stands_alone() -> None:
    assert origin_lines.read("*") == [Line(1, "*", "*")]
    star, other = origin_lines.read("*\nhttps://acme.com")
    assert star.mistake
    assert other.kept == "https://acme.com"


def test_100_plain_http_is_a_mistake_in_production_and_elsewhere_a_warning() -> None:
    (line,) = origin_lines.read("http://acme.com", production=True)
    assert (line.kept, line.meant) == (None, "https://acme.com")
    assert origin_lines.warnings(origin_lines.read("http://acme.com")) == [origin_lines.IN_THE_CLEAR]
    assert origin_lines.warnings(origin_lines.read("http://localhost:3000")) == []


def test_a_list_of_mistakes_is_not_told_to_be_empty() -> None:
    assert origin_lines.warnings(origin_lines.read("nonsense")) == []
    assert origin_lines.warnings([]) == [origin_lines.NOBODY]
