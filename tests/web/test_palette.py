"""The colours of all pages, read from the file that browsers read: WCAG 2.2, 1.4.3 and 1.4.11."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tts_service.web

PALETTE = (Path(tts_service.web.__file__).parent / "static" / "palette.css").read_text()
COLOURS = dict(
    (name, (light, dark))
    for name, light, dark in re.findall(r"--([a-z-]+): light-dark\((#\w+), (#\w+)\)", PALETTE)
)
PAIRS = [(text, ground, 4.5) for text in ("ink", "quiet", "accent", "alarm") for ground in ("paper", "card")]
PAIRS += [("on-accent", "accent", 4.5), ("alarm", "alarm-wash", 4.5), ("ink", "alarm-wash", 4.5)]
PAIRS += [("ink", "good-wash", 4.5), ("quiet", "good-wash", 4.5)]
PAIRS += [("edge", "paper", 3.0), ("edge", "card", 3.0)]


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(("text", "ground", "least"), PAIRS)
def test_what_is_written_can_be_read_in_light_and_dark(text: str, ground: str, least: float) -> None:
    for one, other in zip(COLOURS[text], COLOURS[ground], strict=True):
        dark, light = sorted((luminance(one), luminance(other)))
        assert (light + 0.05) / (dark + 0.05) >= least
