"""POST /v1/realtime/calls, OpenAI's: an SDP offer in, an SDP answer out, no media (protocols 5)."""

from __future__ import annotations

import re
import secrets

import orjson
from aiohttp import BodyPartReader, hdrs, web

from tts_service.sandbox import fields
from tts_service.sandbox.door import dialect_is_xai
from tts_service.sandbox.provider import Visit
from tts_service.sandbox.refusals import RefusalError

_LARGEST_BYTES = 64 * 1024
_SESSION = {
    "type": fields.one_of("realtime", "transcription"),
    "model": fields.text(),
    "instructions": fields.text(),
    "output_modalities": fields.array(),
    "audio": fields.mapping(),
    "tools": fields.array(),
    "tool_choice": fields.Field("a string or an object", lambda value: isinstance(value, str | dict)),
    "max_output_tokens": fields.Field(
        "an integer or inf", lambda value: type(value) is int or value == "inf"
    ),
    "truncation": fields.Field("a string or an object", lambda v: isinstance(v, str | dict)),
    "tracing": fields.Field("a string or an object", lambda v: isinstance(v, str | dict)),
    "prompt": fields.mapping(),
    "reasoning": fields.mapping(),
    "parallel_tool_calls": fields.flag(),
    "include": fields.array(),
}


async def answer_call(request: web.Request, visit: Visit) -> web.Response:
    """The endpoint: multipart (sdp, session), raw SDP, or JSON {sdp, session}."""
    if dialect_is_xai(visit):
        raise RefusalError(404, "xAI has no WebRTC endpoint. Expected a key that begins with sk-sandbox.")
    if (request.content_length or 0) > _LARGEST_BYTES:
        raise RefusalError(413, f"Expected at most {_LARGEST_BYTES:,} bytes.", param="sdp")
    offer, session = await _read(request)
    _check_session(session, request)
    visit.call.model = session.get("model") or request.query.get("model")
    visit.call.voice = ((session.get("audio") or {}).get("output") or {}).get("voice")
    visit.call.heard(session.get("instructions") or "")
    headers = {hdrs.CONTENT_TYPE: "application/sdp"}
    if not visit.switches.on("no_location"):
        headers[hdrs.LOCATION] = f"/v1/realtime/calls/rtc_{secrets.token_hex(12)}"
    return web.Response(status=201, body=sdp_answer(offer).encode(), headers=headers)


async def _read(request: web.Request) -> tuple[str, fields.Json]:
    match request.content_type:
        case "application/sdp":
            return _offer(await request.text()), {}
        case "multipart/form-data":
            parts = await _parts(request)
            return _offer(parts.get("sdp")), _session(parts.get("session", "{}"))
        case "application/json":
            body = fields.parse_object(request.content_type, await request.read())
            known = {"sdp": fields.text(required=True), "session": fields.mapping()}
            fields.check(body, known, bad_status=400)
            return _offer(body["sdp"]), body.get("session") or {}
    raise RefusalError(
        415, "Expected multipart/form-data (parts sdp and session), application/sdp, or "
        "application/json {sdp, session}.",
    )  # fmt: skip


async def _parts(request: web.Request) -> dict[str, str]:
    parts: dict[str, str] = {}
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.name in ("sdp", "session"):
            parts[part.name] = await part.text()
    return parts


def _offer(sdp: str | None) -> str:
    if not sdp or not sdp.startswith("v=0") or "\nm=" not in sdp:
        raise RefusalError(
            400,
            "Invalid `sdp`: expected an SDP offer that begins with v=0 and has a media section.",
            param="sdp",
            openai_code="invalid_value" if sdp else "missing_required_parameter",
        )
    return sdp


def _session(text: str) -> fields.Json:
    try:
        session = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusalError(400, f"Invalid `session`: {error}.", param="session") from error
    if not isinstance(session, dict):
        raise RefusalError(400, "Invalid `session`: expected a JSON object.", param="session")
    return session


def _check_session(session: fields.Json, request: web.Request) -> None:
    if not session:
        return
    fields.check(session, _SESSION, within="session.", bad_status=400)
    if session.get("type") is None:
        raise RefusalError(
            400,
            'Missing field `session.type`: expected "realtime".',
            param="session.type",
            openai_code="missing_required_parameter",
        )


def sdp_answer(offer: str) -> str:
    """A well-formed answer to that offer: the same media in the same order, nobody behind it."""
    lines = offer.replace("\r\n", "\n").split("\n")
    fingerprint = ":".join(f"{one:02X}" for one in secrets.token_bytes(32))
    group = [line for line in lines if line.startswith("a=group:")]
    out = ["v=0", f"o=- {secrets.randbits(62)} 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=ice-lite"]
    out += group[:1]
    out.append("a=msid-semantic: WMS sandbox")
    sections = re.split(r"\n(?=m=)", "\n".join(lines))[1:]
    for section in sections:
        out += _media(section.split("\n"), fingerprint)
    return "\r\n".join(out) + "\r\n"


_KEPT = ("a=mid:", "a=rtcp-mux", "a=rtpmap:", "a=fmtp:", "a=sctp-port:", "a=rtcp-fb:", "a=extmap:")
_MIRRORED = {"a=sendonly": "a=recvonly", "a=recvonly": "a=sendonly"}


def _media(section: list[str], fingerprint: str) -> list[str]:
    directions = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")
    direction = next((line for line in section if line in directions), None)
    answer = [
        section[0],
        "c=IN IP4 127.0.0.1",
        f"a=ice-ufrag:{secrets.token_hex(4)}",
        f"a=ice-pwd:{secrets.token_hex(12)}",
        f"a=fingerprint:sha-256 {fingerprint}",
        "a=setup:passive",
        *(line for line in section if line.startswith(_KEPT)),
    ]
    if section[0].startswith("m=audio"):
        answer.append(_MIRRORED.get(direction or "a=sendrecv", direction or "a=sendrecv"))
    return answer
