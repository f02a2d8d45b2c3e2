"""What every page of the dashboard does alike: be rendered in the frame, and lead on after a change."""

from __future__ import annotations

from typing import Any

from flask import g, redirect, render_template, url_for
from werkzeug.wrappers import Response as Redirect

from tts_service.web.dashboard.guard import Visit


def render(template: str, **values: Any) -> str:
    """A page for somebody who is signed in. In templates: `visit`, `notice`, and what `values` brings."""
    visit: Visit = g.visit
    g.notice_shown = visit.session.notice is not None
    return render_template(template, visit=visit, notice=visit.session.notice, **values)


def go(endpoint: str, notice: str | None = None, **values: Any) -> Redirect:
    """On to another page, which a reload then repeats instead of the change; `notice` is said there, once."""
    g.notice_left = notice
    return redirect(url_for(endpoint, **values), 303)
