from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_service.clients import origin


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://acme.com", "https://acme.com"),
        ("HTTPS://ACME.COM", "https://acme.com"),
        ("https://acme.com:443", "https://acme.com"),
        ("http://acme.com:80", "http://acme.com"),
        ("http://acme.com:443", "http://acme.com:443"),
        ("https://acme.com.", "https://acme.com"),
        ("https://acme.com.:8443", "https://acme.com:8443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://xn--mller-kva.de", "https://xn--mller-kva.de"),
    ],
)
def test_two_spellings_of_one_origin_are_one(text: str, kept: str) -> None:
    assert origin.serialised(text) == kept


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "empty"),
        (" https://a.com", "spaces"),
        ("https://a.com\n", "spaces"),
        ("null", "sandboxed"),
        ("*", "wildcards"),
        ("*.com", "wildcards"),
        ("https://*.acme.com", "wildcards"),
        ("acme.com", "https://"),
        ("ftp://acme.com", "https://"),
        ("file:///etc/passwd", "https://"),
        ("javascript:alert(1)", "https://"),
        ("https://a.com/path", "no path"),
        ("https://a.com/", "no slash at the end"),
        ("https://a.com\\evil", "no path"),
        ("https://acme.com@evil.io", "user name"),
        ("https://user:pass@acme.com", "user name"),
        ("https://a.com?x", "query"),
        ("https://a.com#x", "query"),
        ("https://müller.de", "xn--"),
        ("https://a.com:", "not valid"),
        ("https://a.com:0", "65535"),
        ("https://a.com:65536", "65535"),
        ("https://a.com:x", "not valid"),
        ("https://", "not valid"),
        ("https://.", "not complete"),
        ("https://a..com", "not complete"),
        ("https://a.com, https://b.com", "no path"),
        ("https://a .com", "not valid"),
        ("https://" + "a" * 300, "longer"),
        ("https://acme.com..", "not complete"),
    ],
)
def test_what_is_no_origin_is_refused_with_the_mistake_named(text: str, mistake: str) -> None:
    with pytest.raises(origin.NotAnOrigin, match=mistake) as raised:
        origin.serialised(text)
    assert not text or text not in str(raised.value) or text in "*null"


def test_the_star_is_an_entry_of_its_own_and_no_origin() -> None:
    assert origin.allowed("*") == "*"


@pytest.mark.parametrize("other", ["https://evil-acme.com", "https://acme.com.evil.io", "http://acme.com"])
def test_a_lookalike_stays_another_origin(other: str) -> None:
    assert origin.serialised(other) != origin.serialised("https://acme.com")


@given(st.text() | st.from_regex(r"https?://[a-zA-Z0-9.:\[\]@/-]{0,30}", fullmatch=True))
def test_any_text_is_refused_or_comes_out_in_its_final_form(text: str) -> None:
    try:
        kept = origin.serialised(text)
    except origin.NotAnOrigin:
        return
    assert origin.serialised(kept) == kept
    assert kept.isascii()
    assert kept == kept.lower()
