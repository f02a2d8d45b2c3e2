"""The door every provider endpoint stands behind: who calls, which faults, what is written down."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence

import orjson
from aiohttp import hdrs, web

from tts_service.sandbox import faults, keys, refusals
from tts_service.sandbox.provider import PROVIDER, Provider, Visit
from tts_service.sandbox.record import Call
from tts_service.sandbox.refusals import RefusalError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Endpoint = Callable[[web.Request, Visit], Awaitable[web.StreamResponse]]
DRIP_S = 0.25

HTML = "<!doctype html><title>Bad gateway</title><h1>502 Bad gateway</h1><p>cloudfront</p>"


def behind(surface: str, endpoint: Endpoint) -> Handler:
    """The handler aiohttp calls for an endpoint of that surface."""

    async def handle(request: web.Request) -> web.StreamResponse:
        provider = request.app[PROVIDER]
        call = provider.record.begin(surface)
        dialect = keys.dialect_of(credential_of(request))
        try:
            visit = _admit(provider, call, surface, request)
            dialect = visit.caller.dialect
            answer = await _misbehave(request, visit) or await endpoint(request, visit)
            call.status = call.status or answer.status
            call.end("answered")
        except RefusalError as error:
            call.status = error.status
            call.end("refused")
            old = any(fault.startswith(("old_codes", f"{surface}.old_codes")) for fault in call.faults)
            return refusal(error, dialect, old_codes=old)
        except (asyncio.CancelledError, ConnectionError):
            call.end("the caller left")
            raise
        return answer

    return handle


def refusal(error: RefusalError, dialect: str, *, old_codes: bool = False) -> web.Response:
    """The HTTP response of a refusal."""
    return web.Response(
        status=error.status,
        body=orjson.dumps(error.body(dialect, old_codes=old_codes)),
        content_type="application/json",
        headers=error.headers,
    )


def offered_protocols(request: web.Request) -> list[str]:
    """The WebSocket subprotocols the client offers, in order."""
    lines = request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, [])
    return [one.strip() for line in lines for one in line.split(",") if one.strip()]


def credential_of(request: web.Request) -> str | None:
    """The bearer value, or the secret in the one subprotocol offered. A query is never read."""
    scheme, _, value = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    match offered_protocols(request):
        case [one] if one.startswith(keys.PROTOCOL_PREFIX):
            return one.removeprefix(keys.PROTOCOL_PREFIX)
    return None


def abort(request: web.Request) -> None:
    """Resets the TCP connection: the peer sees ECONNRESET, no close frame, no FIN."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def write_raw(request: web.Request, data: bytes) -> None:
    """Bytes straight onto the connection. Raises ConnectionResetError when it is gone."""
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the caller left")
    transport.write(data)
    await asyncio.sleep(0)


async def pause(seconds: float) -> None:
    """A wait that no pace shortens: part of a fault."""
    await asyncio.sleep(seconds)


async def drip(request: web.Request, data: bytes) -> None:
    """Bytes straight onto the connection, one every 250 ms."""
    for one in data:
        await write_raw(request, bytes((one,)))
        await asyncio.sleep(DRIP_S)


def _admit(provider: Provider, call: Call, surface: str, request: web.Request) -> Visit:
    caller = provider.keyring.identify(credential_of(request))
    call.credential = caller.kind
    specs: Sequence[faults.Spec] = provider.board.take(surface, caller.specs)
    call.faults = [spec.written for spec in specs]
    switches = faults.Switches(surface, specs)
    pace = switches.number("pace", provider.pace)
    return Visit(provider, caller, switches, call, pace)


async def _misbehave(request: web.Request, visit: Visit) -> web.StreamResponse | None:
    """The faults that every surface shares; None when the call goes on."""
    switches = visit.switches
    await asyncio.sleep(switches.number("delay_ms", 0) / 1000)
    if switches.on("http"):
        status = int(switches.number("http", 500))
        raise refusals.scripted(status, switches.text("retry_after"))
    if switches.on("html"):
        return web.Response(text=HTML, content_type="text/html")
    if switches.on("redirect"):
        # Another host name for the same machine: a client that follows must drop the key.
        host, port = request.url.host, request.url.port
        other = "localhost" if host == "127.0.0.1" else "127.0.0.1"
        target = f"http://{other}:{port}/sandbox/landing"
        return web.Response(status=302, headers={hdrs.LOCATION: target})
    if switches.on("big_body"):
        return web.Response(status=503, body=b"x" * int(switches.number("big_body", 0)))
    return await _break(request, visit)


async def _break(request: web.Request, visit: Visit) -> web.StreamResponse | None:
    switches = visit.switches
    if switches.on("reset"):
        abort(request)
        raise ConnectionResetError("asked for")
    if switches.on("hang"):
        await asyncio.Event().wait()
    if switches.on("drip_headers"):
        await drip(request, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"s" * 100_000)
    return None


def dialect_is_xai(visit: Visit) -> bool:
    """Whether this caller speaks xAI's dialect."""
    return visit.caller.dialect == refusals.XAI
