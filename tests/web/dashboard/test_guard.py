"""No page of the dashboard without a session, and no change that was not sent from it: faults 5, 91 to 93."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from tts_service.errors import CsrfRejected
from tts_service.web.dashboard import csrf
from tts_service.web.dashboard.guard import SAFE

IN_FRONT = ("door.sign_in", "door.signed_in", "door.welcome", "door.welcomed")


def behind_the_guard(app: Flask) -> Iterator[tuple[str, str]]:
    """Every method and address of the dashboard but those in front of it, also ones made after this test."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/dashboard") and rule.endpoint not in IN_FRONT:
            for method in (rule.methods or set()) - {"HEAD"}:
                yield method, _address(rule)


def _address(rule: Rule) -> str:
    some = {name: str(uuid.uuid4()) for name in rule.arguments}
    return (
        rule.rule.replace("<string:", "<")
        .replace("<path:", "<")
        .replace("<", "{")
        .replace(">", "}")
        .format(**some)
    )


def test_91_every_page_refuses_whoever_is_not_signed_in(office: Any) -> None:
    seen = list(behind_the_guard(office.app))
    assert ("POST", "/dashboard/sign-out") in seen
    for method, address in seen:
        page = office.visitor().send(method, address)
        if method == "GET":
            assert page.status == 302, address
            assert page.location.startswith("/dashboard/sign-in")
        else:
            assert page.status == 401, (method, address)
        assert office.visitor().send(method, address, Accept="application/json").status == 401


def test_92_every_change_refuses_a_form_without_the_token_of_this_session(office: Any, ada: Any) -> None:
    foreign_token = _token(office.signed_in())
    seen = [(method, address) for method, address in behind_the_guard(office.app) if method not in SAFE]
    assert seen
    for method, address in seen:
        for fields in ({}, {"csrf_token": ""}, {"csrf_token": foreign_token}, {"csrf_token": "0" * 64}):
            assert ada.posts(address, fields).status == 403 if method == "POST" else True, address
        assert ada.send(method, address, "{}", Content_Type="application/json").status == 403, address


def _token(person: Any) -> str:
    text: str = person.opens("/dashboard/clients").text
    return text.partition('name="csrf_token" value="')[2].partition('"')[0]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
    ],
    ids=str,
)
def test_93_a_foreign_page_changes_nothing_even_with_cookie_and_token(
    ada: Any, headers: dict[str, str]
) -> None:
    page = ada.posts("/dashboard/sign-out", {"csrf_token": _token(ada)}, **headers)
    assert page.status == 403
    page = ada.posts("/dashboard/sign-out", {"csrf_token": _token(ada)}, Accept="application/json", **headers)
    assert '"csrf_rejected"' in page.text
    assert ada.opens("/dashboard/clients").status == 200, "she was signed out all the same"


def test_93_the_forms_in_front_of_the_guard_know_foreign_pages_too(office: Any) -> None:
    person = office.visitor()
    fields = {"name": "ada", "password": "correct horse battery"}
    assert person.posts("/dashboard/sign-in", fields, Origin="https://evil.example").status == 403
    assert person.cookies == {}


def test_a_script_of_ours_sends_the_token_as_a_header(ada: Any) -> None:
    headers = {"X_CSRF_Token": _token(ada), "Content_Type": "application/json"}
    assert ada.send("POST", "/dashboard/sign-out", "{}", **headers).status == 303


def test_a_page_without_a_referrer_policy_of_its_own_may_send_a_null_origin(office: Any) -> None:
    """Browsers write `null` there under no-referrer, and say same-origin in another header."""
    person = office.visitor()
    fields = {"name": "ada", "password": "correct horse battery"}
    page = person.posts("/dashboard/sign-in", fields, Origin="null", Sec_Fetch_Site="same-origin")
    assert page.status == 303


@pytest.mark.parametrize(
    ("host", "origin", "is_own"),
    [
        ("desk.example", "https://desk.example", True),
        ("desk.example", "http://desk.example", False),
        ("desk.example:8443", "https://desk.example:8443", True),
        ("10.0.0.1:8000", "https://voice.example", True),
        ("10.0.0.1:8000", "http://voice.example", False),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("[::1]:8000", "http://[::1]:8000", True),
        ("127.0.0.1:8000", "http://127.0.0.1:9000", False),
        ("", "https://", False),
    ],
)
def test_in_production_only_https_pages_and_this_machine_are_own(
    host: str, origin: str, is_own: bool
) -> None:
    def check() -> None:
        csrf.check_sender({"Origin": origin}, host, "https://voice.example/path", production=True)

    if is_own:
        check()
    else:
        with pytest.raises(CsrfRejected):
            check()


def test_a_page_that_is_not_there_looks_like_the_others(ada: Any) -> None:
    page = ada.opens("/dashboard/nothing")
    assert page.status == 404
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.headers["X-Request-ID"] in page.text
    assert '"not_found"' in ada.opens("/dashboard/nothing", Accept="application/json").text
    assert '"not_found"' in ada.opens("/nothing").text, "outside the dashboard, errors are JSON as ever"


def test_pages_run_and_show_nothing_that_is_not_ours(office: Any, ada: Any) -> None:
    for person, path in ((ada, "/dashboard/clients"), (office.visitor(), "/dashboard/sign-in")):
        page = person.opens(path)
        policy = page.headers["Content-Security-Policy"]
        for rule in ("default-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
            assert rule in policy
        assert "unsafe" not in policy
        assert page.headers["Cache-Control"] == "no-store"
        assert " style=" not in page.text
        assert " onclick=" not in page.text
        assert "<script>" not in page.text
