"""Which websites may call: the rules of rows 37 and 38 of faults.md 5. Pure.

The Origin header is compared exactly with the client's list. Browsers send origins in one form (lower case,
without the scheme's default port), and the list is stored in that form, so nothing is normalised here: upper
case, `:443`, a trailing dot, `null` and two origins in one header are all refused, also where `*` is allowed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tts_service.clients import origin as origins
from tts_service.errors import OriginNotAllowed


def permits(allowed: Collection[str], origin: str) -> bool:
    return (origin in allowed or origins.ANY in allowed) and _canonical(origin)


def check(allowed: Collection[str], headers: Mapping[str, str]) -> None:
    """Raises OriginNotAllowed unless the caller is an allowed website, or a program.

    Programs send no Origin and can forge one, so they are let through: against them stand the limits.
    A browser sends Origin with every POST, same-origin ones too; one whose Origin is missing although
    Sec-Fetch-* headers show a browser had it taken away on the road, and is refused.
    """
    origin = headers.get("Origin")
    if origin is not None:
        if not permits(allowed, origin):
            raise OriginNotAllowed
    elif any(name.lower().startswith("sec-fetch-") for name in headers):
        raise OriginNotAllowed("A browser's request must carry its Origin header; something removed it.")


def _canonical(origin: str) -> bool:
    try:
        return origins.serialised(origin) == origin
    except origins.NotAnOrigin:
        return False
