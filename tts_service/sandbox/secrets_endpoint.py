"""POST /v1/realtime/client_secrets, in xAI's flat shape and in OpenAI's (protocols 2, 5)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tts_service.sandbox import fields, keys
from tts_service.sandbox.door import dialect_is_xai
from tts_service.sandbox.provider import Visit
from tts_service.sandbox.realtime.items import new_id

_DEFAULT_S = 600
_XAI_AFTER = {"seconds": fields.whole(1, 3600)}
_OPENAI_AFTER = {"anchor": fields.one_of("created_at"), "seconds": fields.whole(10, 7200)}
_BODY = {"expires_after": fields.mapping(), "session": fields.mapping()}


async def mint(request: web.Request, visit: Visit) -> web.Response:
    """The endpoint. The body may be `{}`; `session` is ignored unless the tester asks otherwise."""
    body = fields.parse_object(request.content_type, await request.read())
    fields.check(body, _BODY, bad_status=400)
    xai = dialect_is_xai(visit)
    after = body.get("expires_after") or {}
    # xAI has no `anchor` (protocols 2): an unknown field there.
    fields.check(after, _XAI_AFTER if xai else _OPENAI_AFTER, within="expires_after.", bad_status=400)
    session = body.get("session") or {}
    model = session.get("model") if visit.switches.on("bind_session") else None
    secret = visit.provider.keyring.issue(visit.caller, after.get("seconds", _DEFAULT_S), model)
    answer: dict[str, Any] = {"value": secret.value, "expires_at": secret.expires_at}
    if not xai:
        answer["session"] = session | {"id": new_id("sess"), "object": "realtime.session"}
    return web.json_response(_distorted(answer, visit, secret))


def _distorted(answer: dict[str, Any], visit: Visit, secret: keys.Secret) -> dict[str, Any]:
    if visit.switches.on("no_value"):
        del answer["value"]
    bad_value = visit.switches.text("value")
    if bad_value is not None:
        answer["value"] = {
            "number": 42,
            "huge": "x" * 1_000_000,
            "control": "xai-realtime\r\nclient: secret",
            "empty": "",
        }[bad_value]
    bad_expiry = visit.switches.text("expires")
    if bad_expiry is not None:
        answer["expires_at"] = {
            "past": secret.expires_at - 7_200,
            "ms": secret.expires_at * 1000,
            "string": str(secret.expires_at),
        }[bad_expiry]
    return answer
