"""The sandbox's own endpoints, which no provider has: faults, the record of calls, two pages."""

from __future__ import annotations

import html

import orjson
from aiohttp import hdrs, web

from tts_service.sandbox import fields
from tts_service.sandbox.faults import TABLE, Fault, UnknownFaultError, known, parse_all
from tts_service.sandbox.provider import PROVIDER
from tts_service.sandbox.refusals import RefusalError

_PUT = {
    "faults": fields.Field(
        "an array of strings such as realtime.http=429",
        lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
        required=True,
    ),
    "times": fields.whole(1, 1_000_000),
}


async def show_faults(request: web.Request) -> web.Response:
    """GET /sandbox/faults: what is in force for everybody, and everything there is."""
    board = request.app[PROVIDER].board
    return _json(
        {
            "standing": [spec.written for spec in board.standing],
            "faults": [spec.written for spec in board.asked],
            "times": board.times,
            "known": [describe(fault) for fault in TABLE],
        }
    )


async def put_faults(request: web.Request) -> web.Response:
    """PUT /sandbox/faults {"faults": [...], "times"?: n}: for the calls that follow."""
    try:
        body = fields.parse_object(request.content_type, await request.read())
        fields.check(body, _PUT, bad_status=400)
        asked = parse_all(body["faults"])
    except UnknownFaultError as error:
        return _json({"error": str(error), "known": known()}, 400)
    except RefusalError as error:
        return _json({"error": error.message}, error.status)
    request.app[PROVIDER].board.put(asked, body.get("times"))
    return await show_faults(request)


async def delete_faults(request: web.Request) -> web.Response:
    """DELETE /sandbox/faults: those of the command line stay."""
    request.app[PROVIDER].board.put((), None)
    return await show_faults(request)


async def show_calls(request: web.Request) -> web.Response:
    """GET /sandbox/calls: the last 1,000 calls and the counters."""
    return _json(request.app[PROVIDER].record.as_json())


async def delete_calls(request: web.Request) -> web.Response:
    """DELETE /sandbox/calls: starts counting anew."""
    request.app[PROVIDER].record.reset()
    return _json(request.app[PROVIDER].record.as_json())


async def landing(request: web.Request) -> web.Response:
    """Where `redirect` points: records whether a credential came along."""
    call = request.app[PROVIDER].record.begin("landing")
    carried = [
        name
        for name in (hdrs.AUTHORIZATION, hdrs.COOKIE, hdrs.SEC_WEBSOCKET_PROTOCOL)
        if name in request.headers
    ]
    call.credential = ", ".join(carried) or "none"
    call.status = 418
    call.end("answered")
    return _json({"error": "Redirects must not be followed."}, 418)


async def health(request: web.Request) -> web.Response:
    """GET /health."""
    return _json({"status": "ok", "voice": request.app[PROVIDER].speech.name})


async def front_page(request: web.Request) -> web.Response:
    """GET /: what this is, and how to ask for faults."""
    provider = request.app[PROVIDER]
    rows = "".join(
        f"<tr><td><code>{html.escape(row['spec'])}</code><td>{html.escape(row['surfaces'])}"
        f"<td>{html.escape(row['says'])}"
        for row in map(describe, TABLE)
    )
    page = _PAGE.format(
        base=html.escape(f"http://{request.host}/v1"),
        voice=html.escape(provider.speech.name),
        rows=rows,
    )
    return web.Response(text=page, content_type="text/html")


def describe(fault: Fault) -> dict[str, str]:
    """One row of the table, in words."""
    spec = fault.name
    if fault.takes:
        spec += f"={fault.takes}" if fault.default is None else f"[={fault.takes}]"
    return {"spec": spec, "surfaces": ", ".join(fault.surfaces), "says": fault.says}


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>The sandbox</title>
<style>body{{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}}
td{{padding:.2rem 1rem .2rem 0;vertical-align:top}}code{{white-space:nowrap}}</style>
<h1>The sandbox</h1>
<p>This is the stand-in for the voice provider: chat, realtime, speech and voices on one port,
with no account. The voice is {voice}.</p>
<p>Point a program at it with <code>XAI_BASE_URL={base}</code> and
<code>XAI_API_KEY=xai-sandbox</code>. A message that begins with <code>Say: </code> is answered
with exactly what follows.</p>
<p>What was asked of it: <a href="/sandbox/calls">/sandbox/calls</a>.</p>
<h2>Faults</h2>
<p>Ask for one in the key (<code>xai-sandbox+realtime.http=429,chat.pace=0</code>), for everybody
with <code>PUT /sandbox/faults {{"faults": ["realtime.silence"], "times": 1}}</code>, or with
<code>--fault</code> at the start. Write <code>surface.name</code>, or the name alone for every
surface it exists on.</p>
<table>{rows}</table></html>
"""
