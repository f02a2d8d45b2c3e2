"""The admin API over HTTP: rows 97 to 105 of faults.md 5, threats 10 and 11."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

TOKEN = "admin-canary-token=with=signs/9876543210"  # of conftest.py
KEY = "xai-canary-key-of-a-client-abcd"
PATH = "/api/clients"
Start = Callable[..., Any]


class Admin:
    """Talks to the admin API of a running service."""

    def __init__(self, service: Any) -> None:
        self.service = service

    def send(self, method: str, path: str = PATH, body: Any = None, **headers: str) -> Any:
        sent = {"Authorization": f"Bearer {TOKEN}"}
        if body is not None:
            sent["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.service.send(method, path, body, sent)

    def add(self, **fields: Any) -> dict[str, Any]:
        answer = self.send("POST", body={"name": "Acme"} | fields)
        assert answer.status == 201, answer.body
        return dict(answer.json)


@pytest.fixture(scope="module")
def admin(start_once: Start) -> Admin:
    return Admin(start_once(ADMIN_TOKEN=TOKEN))


def of(client: dict[str, Any]) -> str:
    return f"{PATH}/{client['client_id']}"


# The door


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN}0"},
        {"Authorization": f"Bearer {TOKEN.upper()}"},
        {"X-API-Key": TOKEN},
        {"Cookie": f"token={TOKEN}; Authorization=Bearer {TOKEN}; session={TOKEN}"},
        {"Proxy-Authorization": f"Bearer {TOKEN}"},
        {"X-Authorization": f"Bearer {TOKEN}"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_only_the_token_in_the_authorization_header_opens_the_door(
    admin: Admin, headers: dict[str, str], method: str
) -> None:
    answer = admin.service.send(method, f"{PATH}?token={TOKEN}&api_key={TOKEN}", headers=headers)
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert b"canary" not in answer.body


def test_every_route_and_method_is_behind_the_door(admin: Admin) -> None:
    client = admin.add()
    for method, path in (
        ("GET", PATH),
        ("HEAD", PATH),
        ("POST", PATH),
        ("GET", of(client)),
        ("PATCH", of(client)),
        ("DELETE", of(client)),
    ):
        assert admin.service.send(method, path).status == 401
    assert admin.send("GET", of(client)).status == 200


def test_the_scheme_is_read_in_any_case(admin: Admin) -> None:
    assert admin.send("GET", Authorization=f"bearer {TOKEN}").status == 200


def test_without_an_admin_token_there_is_no_admin_api(start: Start) -> None:
    service = start()
    for path in (PATH, f"{PATH}/{service.clients['open']}"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            for authorization in ("", "Bearer ", "Bearer None"):
                answer = service.send(method, path, headers={"Authorization": authorization})
                assert (answer.status, answer.code) == (404, "not_found")


def test_a_token_cannot_be_guessed_and_a_guesser_is_told_to_wait(start: Start) -> None:
    admin = Admin(start(ADMIN_TOKEN=TOKEN))
    for guess in range(10):
        assert admin.send("GET", Authorization=f"Bearer guess-{guess}").status == 401
    answer = admin.send("GET", Authorization="Bearer guess-11")
    assert (answer.status, answer.code) == (429, "rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert admin.send("GET").status == 429  # else a guess would show that it is right


def test_a_request_without_a_token_shuts_nobody_out(admin: Admin) -> None:
    for _ in range(15):
        assert admin.service.send("GET", PATH).status == 401
    assert admin.send("GET").status == 200


def test_no_page_of_another_origin_may_call(admin: Admin) -> None:
    service = admin.service  # it has clients that allow this origin, and every one
    asked = {"Origin": "https://www.acme.com", "Access-Control-Request-Method": "POST"}
    asked |= {"Access-Control-Request-Headers": "authorization"}
    for answer in (
        service.send("OPTIONS", PATH, headers=asked),
        Admin(service).send("GET", Origin="https://www.acme.com"),
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


# Clients


def test_a_client_is_made_read_changed_listed_and_deleted(admin: Admin) -> None:
    made = admin.send("POST", body={"name": "Acme", "voice": "Rex", "allowed_origins": ["HTTPS://A.com"]})
    client = made.json
    assert (made.status, made.headers["Location"]) == (201, of(client))
    assert (client["voice"], client["allowed_origins"]) == ("rex", ["https://a.com"])
    read = admin.send("GET", of(client))
    assert (read.status, read.json, read.headers["ETag"]) == (200, client, made.headers["ETag"])
    changed = admin.send("PATCH", of(client), {"voice": "eve", "daily_limit": 2})
    assert (changed.status, changed.json) == (200, client | {"voice": "eve", "daily_limit": 2.0})
    assert admin.send("GET", f"{PATH}?search={client['client_id']}").json["clients"] == [changed.json]
    gone = admin.send("DELETE", of(client))
    assert (gone.status, gone.body) == (204, b"")
    assert admin.send("GET", of(client)).code == "client_not_found"
    assert admin.send("DELETE", of(client)).code == "client_not_found"


def test_a_change_holds_for_the_next_turn(start: Start) -> None:
    service = start(ADMIN_TOKEN=TOKEN)
    admin = Admin(service)
    path = f"{PATH}/{service.clients['open']}"
    assert service.ask(client="open").status == 200
    admin.send("PATCH", path, {"enabled": False})
    assert service.ask(client="open").code == "client_disabled"
    admin.send("DELETE", path)
    assert service.ask(client="open").code == "client_not_found"


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({}, 400, "invalid_request", "name"),
        ({"voice": "rex"}, 400, "invalid_request", "name"),
        *[({"name": v}, 422, "invalid_value", "name") for v in ("", " ", None, 7, "x" * 101, "\0", "\ud800")],
        *[
            ({"name": "97", field: 1}, 400, "unknown_field", field)
            for field in ("tenant_id", "is_admin", "spent_today", "client_id", "has_api_key", "sample_rate")
        ],
        *[
            ({"name": "97", field: 1}, 400, "unknown_field", None)
            for field in ("key_last4", "base_url_vouched1", "__Proto__", KEY)
        ],
        ({"name": "97", "base_url_vouched": True}, 400, "unknown_field", "base_url_vouched"),
        ({"name": "97", "ai_api_key_sealed": "v1.x"}, 400, "unknown_field", "ai_api_key_sealed"),
        *[
            ({"name": "99", "ai_api_key": key}, 422, "invalid_value", "ai_api_key")
            for key in (f"{KEY}\n", f"a {KEY}", f"ü{KEY}", KEY * 400, "", 5)
        ],
        *[
            ({"name": "100", "allowed_origins": [entry]}, 422, "invalid_value", "allowed_origins")
            for entry in ("*.com", "https://a.com/path", "null", "", 1)
        ],
        ({"name": "101", "voice": "a b"}, 422, "invalid_value", "voice"),
        ({"name": "101", "speech_engine": "loud"}, 422, "invalid_value", "speech_engine"),
        ({"name": "101", "retention_days": -1}, 422, "invalid_value", "retention_days"),
        ({"name": "x", "ai_base_url": "https://a.com/v1"}, 422, "invalid_value", "ai_base_url"),
        ({"name": "x", "ai_provider": "compatible"}, 422, "invalid_value", "ai_base_url"),
    ],
)  # fmt: skip
def test_a_field_that_does_not_fit_is_named_and_never_repeated(
    admin: Admin, fields: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    before = admin.send("GET").json["total"]
    answers = [admin.send("POST", body=fields)]
    if "name" in fields:
        answers.append(admin.send("PATCH", f"{PATH}/{admin.service.clients['open']}", fields))
    for answer in answers:
        assert (answer.status, answer.code, answer.json["error"].get("param")) == (status, code, param)
        assert b"canary" not in answer.body
    assert admin.send("GET").json["total"] == before


def test_100_a_plain_http_origin_is_refused_in_production(start: Start) -> None:
    admin = Admin(start(ADMIN_TOKEN=TOKEN, ENV="production", without=("acme",)))
    answer = admin.send("POST", body={"name": "Acme", "allowed_origins": ["http://a.com"]})
    assert (answer.status, answer.json["error"]["param"]) == (422, "allowed_origins")


def test_102_a_prompt_of_a_megabyte_is_too_large(admin: Admin) -> None:
    answer = admin.send("POST", body={"name": "Acme", "system_prompt": "x" * 1_000_000})
    assert (answer.status, answer.code) == (413, "body_too_large")


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "<svg onload=alert(1)>", "' OR 1=1--", "{{7*7}}"])
def test_103_a_name_that_would_be_code_elsewhere_is_kept_as_text(admin: Admin, name: str) -> None:
    client = admin.add(name=name)
    answer = admin.send("GET", of(client))
    assert answer.json["name"] == name
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"[]", "invalid_request"),
        (b"null", "invalid_request"),
        (b'{"name": "a", "name": "b"}', "duplicate_key"),
        (b'{"name": "a", "speed": NaN}', "invalid_json"),
        (b'{"name": ' + b"[" * 30_000, "json_too_deep"),
    ],
)
def test_the_body_is_read_as_strictly_as_everywhere(admin: Admin, body: bytes, code: str) -> None:
    for answer in (
        admin.send("POST", body=body),
        admin.send("PATCH", f"{PATH}/{admin.service.clients['open']}", body),
    ):
        assert (answer.status, answer.code) == (400, code)
    form = admin.send("POST", body=b"name=a", Content_Type="application/x-www-form-urlencoded")
    assert (form.status, form.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("x", "invalid_client_id"),
        ("%00", "invalid_client_id"),
        ("00000000-0000-0000-0000-000000000000", "invalid_client_id"),
        ("70B56483-1842-4444-8EA3-097A370B4295", "invalid_client_id"),
        ("%7B6727a3b2-f265-464a-8f53-e7e0e9fa74f3%7D", "invalid_client_id"),
        ("cfb47ac7-c108-4e6f-9cdd-20c509ad2397", "client_not_found"),
    ],
)
def test_96_an_id_of_nobody_s_is_refused_or_not_found(admin: Admin, spelling: str, code: str) -> None:
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert admin.send(method, f"{PATH}/{spelling}", body).code == code


# Lists


def test_a_list_is_searched_and_paged(admin: Admin) -> None:
    for name in ("Paged C", "paged b", "Paged A"):
        admin.add(name=name)
    assert len(admin.send("GET").json["clients"]) == admin.send("GET").json["total"] >= 3
    first = admin.send("GET", f"{PATH}?search=PAGED&limit=2").json
    assert ([c["name"] for c in first["clients"]], first["total"]) == (["Paged A", "paged b"], 3)
    rest = admin.send("GET", f"{PATH}?search=PAGED&limit=200&cursor={first['next_cursor']}").json
    assert ([c["name"] for c in rest["clients"]], rest["next_cursor"]) == (["Paged C"], None)


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        *[(f"limit={v}", 422, "limit") for v in ("0", "201", "-1", "x", "", "1.5", "%D9%A1", "9" * 5000)],
        ("search=%00", 422, "search"),
        ("search=" + "x" * 101, 422, "search"),
        ("cursor=x", 422, "cursor"),
        ("limit=1&limit=2", 422, "limit"),
        ("serach=acme", 400, None),
    ],
)
def test_a_list_asked_for_in_a_wrong_way_is_not_the_list_of_everybody(
    admin: Admin, query: str, status: int, param: str | None
) -> None:
    answer = admin.send("GET", f"{PATH}?{query[:3000]}")
    assert (answer.status, answer.json["error"].get("param")) == (status, param)


# Lost updates


def test_an_unchanged_client_is_not_sent_again(admin: Admin) -> None:
    client = admin.add()
    etag = admin.send("GET", of(client)).headers["ETag"]
    again = admin.send("GET", of(client), If_None_Match=f'"x", W/{etag}')
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)
    admin.send("PATCH", of(client), {"voice": "rex"})
    assert admin.send("GET", of(client), If_None_Match=etag).status == 200


@pytest.mark.parametrize("if_match", ['"stale"', "", 'W/"{}"', "nonsense, more", '"'])
def test_105_an_edit_with_a_stale_etag_is_refused(admin: Admin, if_match: str) -> None:
    client = admin.add()
    etag = admin.send("GET", of(client)).headers["ETag"].strip('"')
    for method, body in (("PATCH", {"voice": "rex"}), ("DELETE", None)):
        answer = admin.send(method, of(client), body, If_Match=if_match.format(etag))
        assert (answer.status, answer.code) == (412, "edit_conflict")
    assert admin.send("GET", of(client)).json == client


def test_an_edit_with_the_present_etag_or_any_goes_through(admin: Admin) -> None:
    client = admin.add()
    etag = admin.send("GET", of(client)).headers["ETag"]
    changed = admin.send("PATCH", of(client), {"voice": "rex"}, If_Match=f'"older", {etag}')
    assert changed.status == 200
    assert admin.send("PATCH", of(client), {"voice": "eve"}, If_Match="*").status == 200
    assert admin.send("DELETE", of(client), If_Match=changed.headers["ETag"]).status == 412
    assert admin.send("DELETE", of(client)).status == 204


# Under gunicorn


def test_105_of_edits_at_once_exactly_one_wins(service: Any) -> None:
    admin = Admin(service)
    client = admin.add()
    etag = admin.send("GET", of(client)).headers["ETag"]
    gate = threading.Barrier(8)

    def edit(voice: str) -> int:
        gate.wait(10)
        return int(admin.send("PATCH", of(client), {"voice": voice}, If_Match=etag).status)

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(edit, [f"voice{i}" for i in range(8)]))
    assert sorted(statuses) == [200] + [412] * 7
    assert admin.send("GET", of(client)).json["voice"] == f"voice{statuses.index(200)}"


def test_104_no_answer_no_log_and_no_file_holds_a_key_or_the_token(service: Any) -> None:
    admin = Admin(service)
    answers = [admin.send("POST", body={"name": "keyed", "ai_api_key": KEY})]
    client = answers[0].json
    assert (client["has_api_key"], client["key_last4"]) == (True, KEY[-4:])
    answers += [
        admin.send("GET", of(client)),
        admin.send("GET", f"{PATH}?search=keyed"),
        admin.send("PATCH", of(client), {"ai_api_key": KEY + "2"}),
        admin.send("PATCH", of(client), {"ai_api_key": KEY + "\n"}),
        admin.send("PATCH", of(client), {KEY: 1}),
        admin.send("PATCH", of(client), b'{"ai_api_key": "' + KEY.encode()),
        admin.send("GET", f"{PATH}/{KEY}"),
        admin.send("GET", f"{PATH}?{KEY}={KEY}"),
        admin.send("GET", Authorization=f"Bearer {KEY}"),
        admin.send("GET", Authorization=f"Token {TOKEN}"),
        service.send("GET", "/openapi.json"),
        service.send("GET", "/health"),
    ]
    for answer in answers:
        assert b"canary" not in answer.body
        assert "canary" not in str(answer.headers)
    for path in service.folder.iterdir():
        assert b"canary" not in path.read_bytes(), path.name
    assert client["client_id"] in service.log()  # who was changed
