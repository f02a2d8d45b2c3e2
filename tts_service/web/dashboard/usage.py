"""What a client was used for: the page with its plots, and the same numbers as CSV."""

from __future__ import annotations

from flask import Blueprint, Response, request

from tts_service.clients.spending import utc_today
from tts_service.clients.store import ClientStore
from tts_service.database.engine import Database
from tts_service.errors import InvalidRequest
from tts_service.usage.report import read_report
from tts_service.web.dashboard import failures, plots, shell, usage_csv
from tts_service.web.dashboard.axes import FRAME

SPANS = (7, 30, 90)  # days, today with them
_USUAL_SPAN = 30


def blueprint(store: ClientStore, database: Database) -> Blueprint:
    pages = Blueprint("usage", __name__, url_prefix="/clients/<client_id>")

    @pages.get("/usage")
    def show(client_id: str) -> str:
        client, span = store.get(client_id), _span()
        report = read_report(database, client_id, utc_today(), span)
        return shell.render(
            "dashboard/client/usage.html",
            client=client,
            span=span,
            spans=SPANS,
            total=report.total,
            cost=_dollars(report.total.dollars),
            speech=_length(report.total.speech_s),
            plots=plots.draw(report),
            frame=FRAME,
            failures=failures.explained(report.total.failures),
        )

    @pages.get("/usage.csv")
    def as_csv(client_id: str) -> Response:
        client, span = store.get(client_id), _span()
        report = read_report(database, client_id, utc_today(), span)
        answer = Response(usage_csv.write(client.name, report), content_type=usage_csv.CONTENT_TYPE)
        name = f"usage-{client_id}-{report.days[0].day}-to-{report.days[-1].day}.csv"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    return pages


def _span() -> int:
    asked = request.args.get("days", str(_USUAL_SPAN))
    for span in SPANS:
        if asked == str(span):
            return span
    raise InvalidRequest("days must be 7, 30 or 90.", param="days")


def _dollars(value: float) -> str:
    """Below a dollar to the hundredth of a cent: a turn costs about half a cent."""
    return f"${value:,.{2 if value >= 1 or value == 0 else 4}f}"


def _length(seconds: float) -> str:
    """`41 s`, `12 min 5 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"
