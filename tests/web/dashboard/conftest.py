"""People in front of the dashboard, over HTTP: they follow forms as a browser without JavaScript does."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import delete, insert
from werkzeug.serving import make_server

from tts_service.accounts.account import hashed
from tts_service.accounts.invitations import Invitations
from tts_service.accounts.sessions import Sessions
from tts_service.app import close_app, create_app
from tts_service.clients.sealing import Sealer
from tts_service.clients.store import ClientStore
from tts_service.database import tables
from tts_service.database.engine import Database
from tts_service.settings import load

NAME, PASSWORD = "ada", "correct horse battery"
ACCOUNT_ID = "6d1b3c52-8a54-4c1b-9d0e-2b7f3a6c5d41"
SECRET_KEY = "a-secret-key-of-the-tests"


class Fields(HTMLParser):
    """What a browser would send for the form whose action ends in `action`, untouched."""

    def __init__(self, html: str, action: str) -> None:
        super().__init__()
        self._action = action
        self._inside = False
        self._area = self._select = ""
        self.values: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = at.get("action", "").endswith(self._action)
        if not self._inside:
            return
        if (
            tag == "input"
            and "name" in at
            and (at.get("type") not in ("checkbox", "radio") or "checked" in at)
        ):
            self.values[at["name"]] = at.get("value", "on" if at.get("type") == "checkbox" else "")
        elif tag == "textarea":
            self._area = at.get("name", "")
            self.values[self._area] = ""
        elif tag == "select":
            self._select = at["name"]
        elif tag == "option" and self._select and ("selected" in at or self._select not in self.values):
            self.values[self._select] = at.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._area:
            # A line end right after the tag is not part of the text (HTML, "The textarea element").
            begins = not self.values[self._area]
            self.values[self._area] += data.removeprefix("\n") if begins else data

    def handle_endtag(self, tag: str) -> None:
        self._area = "" if tag == "textarea" else self._area
        self._select = "" if tag == "select" else self._select
        self._inside = self._inside and tag != "form"


@dataclass(frozen=True)
class Page:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def location(self) -> str:
        return self.headers["Location"] or ""


@dataclass
class Person:
    """A browser: one address, one jar of cookies."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    page: Page | None = None

    def send(self, method: str, path: str, body: str | None = None, **headers: str) -> Page:
        sent = {"Accept": "text/html", "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body and body.encode(), sent)
            response = connection.getresponse()
            self.page = Page(response.status, response.headers, response.read().decode())
        finally:
            connection.close()
        for cookie in self.page.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return self.page

    def opens(self, path: str, **headers: str) -> Page:
        return self.send("GET", path, **headers)

    def posts(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.origin}
        return self.send("POST", path, urlencode(fields), **(kind | headers))

    def submits(self, path: str, action: str | None = None, **changes: str | None) -> Page:
        """Opens the page at `path`, changes fields of its form, and sends it. None unticks a box."""
        self.opens(path)
        where = action or path.partition("?")[0]
        fields = self.form(where) | changes
        return self.posts(where, {name: value for name, value in fields.items() if value is not None})

    def form(self, action: str) -> dict[str, str]:
        """The fields of the page's form that goes to `action`, as they stand there."""
        assert self.page is not None
        return Fields(self.page.text, action).values

    def follows(self) -> Page:
        assert self.page is not None
        assert self.page.status in (302, 303), self.page.text
        return self.opens(self.page.location)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def signs_in(self, name: str = NAME, password: str = PASSWORD) -> Page:
        return self.submits("/dashboard/sign-in", name=name, password=password)


@dataclass
class Office:
    """A service with a dashboard and one account."""

    app: Flask
    port: int
    database: Database
    store: ClientStore

    def visitor(self) -> Person:
        return Person(self.port)

    def invite(self, name: str | None = None) -> str:
        return Invitations(self.database).issue(name)

    def signed_in(self) -> Person:
        return Person(self.port, {"tts_session": Sessions(self.database).open(ACCOUNT_ID)})


@contextmanager
def opened(folder: Path, **changes: str) -> Iterator[Office]:
    env = {
        "TTS_INSTANCE": str(folder),
        "DATABASE_URL": f"sqlite:///{folder}/tts.db",
        "SECRET_KEY": SECRET_KEY,
        "XAI_API_KEY": "xai-canary-of-the-operator",
        "XAI_BASE_URL": "http://127.0.0.1:9/v1",  # nobody listens there
    }
    settings = load(env | changes)
    with ExitStack() as running:
        app = create_app(settings)
        running.callback(close_app, app)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        running.callback(server.server_close)
        running.callback(thread.join)
        running.callback(server.shutdown)
        database = Database(settings.database_url)
        running.callback(database.close)
        yield Office(app, server.server_port, database, ClientStore(database, Sealer(settings.secret_keys)))


@pytest.fixture
def open_office(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Opens one without accounts, with settings of its own: `open_office(ENV="production")`."""
    with ExitStack() as running:
        yield lambda **changes: running.enter_context(opened(tmp_path, **changes))


@pytest.fixture(scope="session")
def _office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with opened(tmp_path_factory.mktemp("office")) as office:
        yield office


@pytest.fixture(scope="session")
def _password_hash() -> str:
    """Made once: it takes its time on purpose."""
    return hashed(PASSWORD, NAME)


@pytest.fixture
def office(_office: Office, _password_hash: str) -> Office:
    """With one account and nothing else. All tests share one service."""
    begin_anew(_office.database, _password_hash)
    return _office


def begin_anew(database: Database, password_hash: str) -> None:
    ada = {"account_id": ACCOUNT_ID, "name": NAME, "password_hash": password_hash, "created_at": 0}
    with database.writing() as connection:
        for table in tables.metadata.tables.values():
            connection.execute(delete(table))
        connection.execute(insert(tables.accounts).values(ada))


@pytest.fixture
def ada(office: Office) -> Person:
    """Somebody who is signed in."""
    return office.signed_in()
