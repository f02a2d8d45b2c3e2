"""Who may see a page of the dashboard, and whether a change was really sent from it.

It stands before the parent blueprint, so that a page cannot be added without it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as Redirect

from tts_service.accounts.sessions import Session, Sessions
from tts_service.errors import SignInRequired
from tts_service.settings import Settings
from tts_service.web import body
from tts_service.web.dashboard import csrf
from tts_service.web.dashboard.cookie import SessionCookie

SAFE = ("GET", "HEAD", "OPTIONS")
_OWN_PATH = re.compile(r"/dashboard(/[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class Visit:
    """`g.visit`: who asks for a page, and the token that their forms carry."""

    session: Session
    form_token: str


class Guard:
    def __init__(self, sessions: Sessions, cookie: SessionCookie, settings: Settings) -> None:
        self._sessions = sessions
        self._cookie = cookie
        self._tokens = csrf.FormTokens(settings.secret_keys)
        self._settings = settings

    def stand_before(self, pages: Blueprint) -> None:
        pages.before_request(self._check)
        pages.after_request(self._keep_notice)

    def check_sender(self) -> None:
        """For the pages in front of the guard, too. Raises CsrfRejected."""
        if request.method not in SAFE:
            now = self._settings
            csrf.check_sender(dict(request.headers), request.host, now.public_url, now.production)

    def _check(self) -> Redirect | None:
        session = self._sessions.find(self._cookie.read(request))
        if session is None:
            return _to_sign_in()
        g.visit = Visit(session, self._tokens.make(session.digest))
        if request.method not in SAFE:
            self.check_sender()
            self._tokens.check(session.digest, _given_token())
        return None

    def _keep_notice(self, response: Response) -> Response:
        """A notice is left by the page that changed something and goes with the next one that showed it."""
        if g.get("notice_left") or g.get("notice_shown"):
            self._sessions.tell(g.visit.session, g.get("notice_left"))
        return response


def form() -> dict[str, str]:
    """The fields of the form that was sent; read once however often it is asked for."""
    if "form" not in g:
        g.form = body.read_form(request)
    fields: dict[str, str] = g.form
    return fields


def is_own_path(path: str) -> bool:
    """Whether it leads to a page of the dashboard, and nowhere else on the Web."""
    return _OWN_PATH.fullmatch(path) is not None


def _given_token() -> str:
    """Scripts send it as a header, forms as a field."""
    header = request.headers.get("X-CSRF-Token")
    if header is not None or request.mimetype != "application/x-www-form-urlencoded":
        return header or ""
    return form().get("csrf_token", "")


def _to_sign_in() -> Redirect:
    """A page sends its reader to sign in; a script and a form are told. Raises SignInRequired."""
    by_script = request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate"
    if (
        request.method not in ("GET", "HEAD")
        or by_script
        or request.accept_mimetypes.best == "application/json"
    ):
        raise SignInRequired
    asked: dict[str, Any] = {"next": request.path} if is_own_path(request.path) else {}
    return redirect(url_for("door.sign_in", **asked))
