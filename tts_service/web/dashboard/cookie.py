"""The cookie that holds a session's token."""

from __future__ import annotations

from flask import Request, Response

from tts_service.accounts.sessions import LONGEST_S


class SessionCookie:
    """`__Host-`: browsers take it over HTTPS only, for this host alone and every path. On a developer's own
    machine there is no HTTPS, so the name and the Secure attribute are for production."""

    def __init__(self, production: bool) -> None:
        self._production = production
        self.name = "__Host-tts_session" if production else "tts_session"

    def read(self, request: Request) -> str:
        return request.cookies.get(self.name, "")

    def write(self, response: Response, token: str) -> None:
        self._write(response, token, LONGEST_S)

    def clear(self, response: Response) -> None:
        self._write(response, "", 0)

    def _write(self, response: Response, token: str, age_s: int) -> None:
        response.set_cookie(
            self.name, token, max_age=age_s, path="/", secure=self._production, httponly=True, samesite="Lax"
        )
