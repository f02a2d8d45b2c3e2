import pytest

from tts_service.errors import OriginNotAllowed
from tts_service.web import origins

ACME = "https://www.acme.com"


def verdict(allowed: tuple[str, ...], **headers: str) -> bool:
    try:
        origins.check(allowed, {name.replace("_", "-"): value for name, value in headers.items()})
    except OriginNotAllowed:
        return False
    return True


REFUSED = [
    "https://evil.example",
    "http://www.acme.com",
    "https://acme.com",
    "https://www.acme.com.evil.io",
    "https://evil-www.acme.com",
    "https://www.acme.com@evil.io",
    "https://www.acme.com:8443",
    "https://www.acme.com:443",
    "HTTPS://WWW.ACME.COM",
    "https://www.acme.com.",
    "https://www.acme.com/",
    "https://www.acme.com, https://evil.example",
    "https://www.acme.com https://www.acme.com",
    "null",
    "",
    "*",
    "https://" + "a" * 8_000,
    "https://www.\u0430cme.com",
]


@pytest.mark.parametrize("origin", REFUSED, ids=range(len(REFUSED)))
def test_only_the_exact_origin_is_allowed(origin: str) -> None:
    assert not verdict((ACME,), Origin=origin)


def test_the_exact_origin_is_allowed() -> None:
    assert verdict((ACME, "http://localhost:3000"), Origin=ACME)
    assert verdict((ACME, "http://localhost:3000"), Origin="http://localhost:3000")


def test_an_empty_list_closes_the_client_to_every_browser() -> None:
    assert not verdict((), Origin=ACME)


def test_a_star_allows_any_website_but_nothing_that_is_none() -> None:
    assert verdict(("*",), Origin="https://anything.example:8443")
    for origin in ("null", "*", "", "https://a, https://b", "file://", "https://" + "a" * 8_000):
        assert not verdict(("*",), Origin=origin)


@pytest.mark.parametrize("site", ["cross-site", "same-origin", "none"])
def test_a_browser_whose_origin_was_taken_away_is_refused(site: str) -> None:
    assert not verdict(("*",), Sec_Fetch_Site=site, Sec_Fetch_Mode="cors")


def test_a_program_that_sends_no_origin_is_let_through() -> None:
    assert verdict((), User_Agent="curl/8")
