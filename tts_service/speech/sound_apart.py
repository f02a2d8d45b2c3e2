"""Messages of a provider as JSON, whose long runs of sound never become text. Pure but for one random word.

Nearly all of an audio delta is base64 in one string, 8 kB for 100 ms. Parsed as JSON it would be checked,
copied and made a str, only to be decoded from that again: two thirds of the work of hearing it.
"""

from __future__ import annotations

import secrets
from typing import Any

import orjson

AUDIO_DELTAS = ("response.output_audio.delta", "response.audio.delta", "audio.delta")  # a type may be no str

_KEY = b'"delta":"'  # within a string its quotes would be escaped, so where it stands it is a member
_LONG_BYTES = 1024
# Stands where the sound was, so that the member it was taken from is known again; nobody sends it by chance.
_HOLE = secrets.token_hex(8)


def loads(payload: bytes | bytearray) -> Any:
    """As orjson.loads, except that the `delta` of an audio delta may be bytes instead of a str.

    Raises orjson.JSONDecodeError.
    """
    if len(payload) > _LONG_BYTES and (at := payload.find(_KEY)) >= 0:
        start = at + len(_KEY)
        end = payload.find(b'"', start)
        if end - start > _LONG_BYTES // 2 and payload.find(b"\\", start, end) < 0:
            try:
                event = orjson.loads(payload[:start] + _HOLE.encode() + payload[end:])
            except orjson.JSONDecodeError:
                event = None
            # Whatever else that string may be, such as a transcript or part of another member, is for orjson.
            if type(event) is dict and event.get("delta") == _HOLE and event.get("type") in AUDIO_DELTAS:
                event["delta"] = payload[start:end]
                return event
    return orjson.loads(payload)
