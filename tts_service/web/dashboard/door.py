"""In front of the guard: signing in, and the one-time links that set a password."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for

from tts_service.accounts.account import MAX_PASSWORD, MIN_PASSWORD
from tts_service.accounts.invitations import Invitations
from tts_service.accounts.sessions import Sessions
from tts_service.accounts.sign_in import SignIn
from tts_service.errors import InvalidValue, RateLimited, ServiceError, SignInFailed
from tts_service.web import body
from tts_service.web.dashboard import guard
from tts_service.web.dashboard.cookie import SessionCookie
from tts_service.web.dashboard.guard import Guard
from tts_service.web.limits import network_of


def blueprint(
    guarding: Guard, signing_in: SignIn, invitations: Invitations, sessions: Sessions, cookie: SessionCookie
) -> Blueprint:
    pages = Blueprint("door", __name__, url_prefix="/dashboard")
    pages.before_request(guarding.check_sender)

    def enter(account_id: str, path: str) -> Response:
        response = make_response(redirect(path, 303))
        cookie.write(response, sessions.open(account_id, cookie.read(request)))
        return response

    @pages.get("/sign-in")
    def sign_in() -> Any:
        if sessions.find(cookie.read(request)):
            return redirect(url_for("dashboard.home"))
        return _sign_in_page({"next": request.args.get("next", "")})

    @pages.post("/sign-in")
    def signed_in() -> Response:
        g.form = form = body.read_form(request)
        account_id = signing_in.attempt(
            form.get("name", ""), form.get("password", ""), network_of(request.remote_addr)
        )
        wanted = form.get("next", "")
        return enter(account_id, wanted if guard.is_own_path(wanted) else url_for("dashboard.home"))

    @pages.get("/welcome/<token>")
    def welcome(token: str) -> Response:
        return _welcome_page(token, invitations.look_up(token).account_name)

    @pages.post("/welcome/<token>")
    def welcomed(token: str) -> Response:
        g.form = form = body.read_form(request)
        g.invited_name = invitations.look_up(token).account_name
        account_id = invitations.redeem(token, form.get("name", ""), form.get("password", ""))
        return enter(account_id, url_for("dashboard.home"))

    @pages.errorhandler(SignInFailed)
    @pages.errorhandler(RateLimited)
    def refused(error: ServiceError) -> Response:
        response = make_response(_sign_in_page(g.form, error), error.status)
        if error.retry_after_s is not None:
            response.headers["Retry-After"] = str(error.retry_after_s)
        return response

    @pages.errorhandler(InvalidValue)
    def unfit(error: InvalidValue) -> Response:
        token = (request.view_args or {})["token"]
        return make_response(
            _welcome_page(token, g.invited_name, error, g.form.get("name", "")), error.status
        )

    return pages


def _sign_in_page(form: dict[str, str], error: ServiceError | None = None) -> str:
    """What was typed stays, but for the password."""
    name, wanted = form.get("name", "")[:200], form.get("next", "")
    return render_template(
        "dashboard/sign_in.html", name=name, next=wanted if guard.is_own_path(wanted) else "", error=error
    )


def _welcome_page(
    token: str, invited_name: str, error: InvalidValue | None = None, name: str = ""
) -> Response:
    html = render_template(
        "dashboard/welcome.html",
        token=token,
        invited_name=invited_name,
        name=name[:200],
        error=error,
        min_password=MIN_PASSWORD,
        max_password=MAX_PASSWORD,
    )
    response = make_response(html)
    response.headers["Referrer-Policy"] = "no-referrer"  # the address is the proof
    return response
