"""Signing in and out, and the one-time links: faults 5-95 and T12."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tts_service.accounts.attempts import Attempts

GOOD = "correct horse battery"


def test_a_right_name_and_password_lead_in(office: Any) -> None:
    person = office.visitor()
    assert person.signs_in(name=" ADA ").location == "/dashboard"
    assert person.follows().location == "/dashboard/clients"
    assert "Signed in as" in person.follows().text
    assert person.opens("/dashboard/sign-in").location == "/dashboard", "no second sign-in is asked for"


def test_whoever_was_sent_to_sign_in_comes_back_to_their_page(office: Any) -> None:
    person = office.visitor()
    there = person.opens("/dashboard/clients").location
    assert there == "/dashboard/sign-in?next=/dashboard/clients"
    page = person.submits(there, "/dashboard/sign-in", name="ada", password=GOOD)
    assert page.location == "/dashboard/clients"


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example", "//evil.example", "/dashboard//evil", "/dashboard/../x", "/\\evil", "/"],
)
def test_signing_in_leads_to_no_other_website(office: Any, elsewhere: str) -> None:
    person = office.visitor()
    fields = {"name": "ada", "password": GOOD, "next": elsewhere}
    assert person.posts("/dashboard/sign-in", fields).location == "/dashboard"


def test_a_stolen_cookie_of_before_the_sign_in_is_worth_nothing(office: Any) -> None:
    """Session fixation: whoever planted a token, or read the old one, is not signed in with it."""
    person = office.visitor()
    person.cookies["tts_session"] = "planted-by-somebody-else"
    person.signs_in()
    first = person.cookies["tts_session"]
    assert first != "planted-by-somebody-else"
    person.posts("/dashboard/sign-in", {"name": "ada", "password": GOOD})
    thief = office.visitor()
    thief.cookies["tts_session"] = first
    assert thief.opens("/dashboard/clients").status == 302
    assert person.opens("/dashboard/clients").status == 200


def test_signing_out_ends_the_session_and_not_only_the_cookie(office: Any, ada: Any) -> None:
    thief = office.visitor()
    thief.cookies = dict(ada.cookies)
    assert ada.submits("/dashboard/clients", "/dashboard/sign-out").location == "/dashboard/sign-in"
    assert ada.cookies["tts_session"] == ""
    assert thief.opens("/dashboard/clients").status == 302


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(office: Any) -> None:
    cookie = office.visitor().signs_in().headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie, "browsers would not keep it on a developer's plain http"


def test_in_production_the_cookie_goes_over_https_only(open_office: Callable[..., Any]) -> None:
    office = open_office(ENV="production")
    person = office.visitor()
    link = f"/dashboard/welcome/{office.invite()}"
    cookie = person.submits(link, name="Ada", password=GOOD).headers["Set-Cookie"]
    assert cookie.startswith("__Host-tts_session=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


@pytest.mark.parametrize("name", ["ada", "nobody"])
def test_95_the_sixth_failure_has_to_wait_also_for_an_unknown_name(office: Any, name: str) -> None:
    attempts = Attempts(office.database)
    for _ in range(4):
        attempts.count(f"name {name} 127.0.0.1")
    person = office.visitor()
    fifth = person.signs_in(name, "wrong")
    assert fifth.status == 401
    assert "The name or the password is not right." in fifth.text
    sixth = person.signs_in(name, "wrong")
    assert sixth.status == 429
    assert 0 < int(sixth.headers["Retry-After"]) <= 900
    assert "You can try again in 15 min" in sixth.text
    assert person.signs_in(name, GOOD).status == 429


def test_95_known_and_unknown_names_are_answered_alike(office: Any) -> None:
    person = office.visitor()
    known, unknown = person.signs_in("ada", "wrong").text, person.signs_in("bob", "wrong").text
    assert known.replace("ada", "bob") == unknown


def test_a_password_is_never_sent_back(office: Any) -> None:
    page = office.visitor().signs_in("ada", "not-the-password-at-all")
    assert "not-the-password-at-all" not in page.text
    assert 'value="ada"' in page.text


def test_a_link_makes_an_account_once(office: Any) -> None:
    link = f"/dashboard/welcome/{office.invite()}"
    person = office.visitor()
    page = person.opens(link)
    assert (page.status, page.headers["Referrer-Policy"]) == (200, "no-referrer")
    assert person.submits(link, name="Ada L", password=GOOD).location == "/dashboard"
    person.follows()
    assert "ada l" in person.follows().text
    late = office.visitor().opens(link)
    assert late.status == 410
    assert "used already" in late.text
    assert office.visitor().posts(link, {"name": "eve", "password": GOOD}).status == 410


@pytest.mark.parametrize(
    ("name", "password", "field", "said"),
    [
        ("Ada", "too short", "password", "10 to 200 characters"),
        ("Ada", "x" * 201, "password", "10 to 200 characters"),
        ("Ada Lovelace", "ada lovelace", "password", "another one than the name"),
        (" ", GOOD, "name", "1 to 100 characters"),
        ("a" * 101, GOOD, "name", "1 to 100 characters"),
    ],
    ids=["short", "long", "is the name", "no name", "long name"],
)
def test_what_does_not_fit_is_said_at_its_field_and_the_link_stays_good(
    office: Any, name: str, password: str, field: str, said: str
) -> None:
    link = f"/dashboard/welcome/{office.invite()}"
    person = office.visitor()
    page = person.submits(link, name=name, password=password)
    assert page.status == 422
    assert said in page.text
    assert f'id="{field}-fault"' in page.text
    assert f'{field}-fault" aria-invalid="true"' in page.text
    assert f'href="#{field}"' in page.text
    assert password not in page.text or password == "x" * 201
    assert person.opens(link).status == 200


def test_a_name_that_is_taken_is_not_taken_over(office: Any) -> None:
    page = office.visitor().submits(
        f"/dashboard/welcome/{office.invite()}", name="ADA", password="another password"
    )
    assert page.status == 422
    assert "taken" in page.text
    assert office.visitor().signs_in().status == 303


def test_a_forgotten_password_is_set_anew_and_ends_what_the_old_one_opened(office: Any, ada: Any) -> None:
    link = f"/dashboard/welcome/{office.invite('Ada')}"
    page = office.visitor().submits(link, password="a better password")
    assert page.status == 303
    assert ada.opens("/dashboard/clients").status == 302
    assert office.visitor().signs_in(password="correct horse battery").status == 401
    assert office.visitor().signs_in(password="a better password").status == 303


def test_the_first_start_prints_one_link_that_works(
    open_office: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    office = open_office(PORT="8123")
    printed = capsys.readouterr().out
    assert printed.count("http://127.0.0.1:8123/dashboard/welcome/") == 1
    path = "/dashboard/welcome/" + printed.rpartition("/welcome/")[2].strip()
    assert office.visitor().submits(path, name="Ada", password=GOOD).status == 303


def test_a_link_reaches_no_log_line(office: Any, caplog: pytest.LogCaptureFixture) -> None:
    token = office.invite()
    with caplog.at_level("INFO"):
        office.visitor().opens(f"/dashboard/welcome/{token}")
    assert "route=/dashboard/welcome/<token>" in caplog.text
    assert not any(
        token in record.getMessage() for record in caplog.records if record.name.startswith("tts_service")
    )
