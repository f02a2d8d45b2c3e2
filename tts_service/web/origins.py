"""Which websites may call: the rules of rows 37 and 38 of faults.md 5. Pure.

The Origin header is compared exactly with the client's list. Browsers send origins in one form (lower case,
without the scheme's default port), and the list is stored in that form, so nothing is normalised here: upper
case, `:443`, a trailing dot, `null` and two origins in one header are all refused, also where `*` is allowed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from tts_service.clients import origin as origins
from tts_service.errors import OriginNotAllowed

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


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


def is_own(origin: str, host: str, public_url: str | None, production: bool) -> bool:
    """Whether `origin` is the service's own. `host` is the Host header: the address that the browser meant.

    Behind a proxy that ends TLS, only the name can be compared: the scheme here is not the browser's.
    """
    if public_url is not None and origin == _origin_of(public_url):
        return True
    scheme, _, name = origin.partition("://")
    is_here = name.rpartition(":")[0] in _LOOPBACK or name in _LOOPBACK
    safe = scheme == "https" or (scheme == "http" and (is_here or not production))
    return bool(name) and name == host.lower() and safe


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _canonical(origin: str) -> bool:
    try:
        return origins.serialised(origin) == origin
    except origins.NotAnOrigin:
        return False
