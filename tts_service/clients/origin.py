"""Origins as browsers send them: scheme, host and port, nothing else.

Pure. Both sides of a comparison go through `serialised`, so that `HTTPS://ACME.COM:443` in a client's list
and `https://acme.com` in a header are one origin (faults 5-38). What is left after it is compared exactly:
no suffixes, no wildcards (faults T4).
"""

from __future__ import annotations

import re

ANY = "*"

_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII)
# The same for JSON Schema: in any case, and with the port held to its range as far as a pattern can.
PATTERN = (
    r"[Hh][Tt][Tt][Pp][Ss]?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?:[0-9]{1,4}|[0-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
)
_DEFAULT_PORT = {"http": "80", "https": "443"}
_LONGEST = 300  # a DNS name has at most 253 characters


class NotAnOrigin(ValueError):
    """`str()` of it says which mistake was made, never the text that was given."""


def serialised(text: str) -> str:
    """The origin in lower case, without the scheme's default port and without the host's trailing dot.

    Raises NotAnOrigin, also for `null` and `*`: the first is no website, the second no origin.
    """
    lowered = text.lower()
    match = _ORIGIN.fullmatch(lowered) if len(text) <= _LONGEST else None
    if match is None:
        raise NotAnOrigin(_mistake(lowered))
    scheme, host, port = match.groups()
    host = host.removesuffix(".")
    if not all(host.split(".")):
        raise NotAnOrigin("the host name is not complete")
    if port is None or int(port) == int(_DEFAULT_PORT[scheme]):
        return f"{scheme}://{host}"
    if not 1 <= int(port) <= 65535:
        raise NotAnOrigin("a port is a number from 1 to 65535")
    return f"{scheme}://{host}:{int(port)}"


def allowed(text: str) -> str:
    """An entry of a client's `allowed_origins`: an origin, or `*` for every website."""
    return ANY if text == ANY else serialised(text)


def meant(text: str) -> str | None:
    """The origin that somebody probably meant who typed `text`, as after copying a page's address."""
    lowered = text.strip().lower()
    scheme, separator, rest = lowered.partition("://")
    if not separator:
        scheme, rest = "https", lowered
    host = re.split(r"[/\\?#]", rest)[0].rpartition("@")[2]
    if "." not in host and not host.startswith("localhost"):
        return None
    try:
        return serialised(f"{scheme}://{host}")
    except NotAnOrigin:
        return None


def _mistake(text: str) -> str:
    """The likeliest reason why `text`, in lower case, is no origin."""
    rest = text.partition("://")[2]
    for applies, reason in (
        (len(text) > _LONGEST, "it is longer than any host name"),
        (text == "null", "null is what sandboxed pages and files send; it would let every one of them in"),
        (text != text.strip() or not text, "it is empty or has spaces around it"),
        ("*" in text, "wildcards are not supported inside an origin; list each host, or * alone for all"),
        (not text.startswith(("http://", "https://")), "it must begin with https:// or http://"),
        ("@" in rest, "it must have no user name"),
        ("/" in rest or "\\" in rest, "it must end after the host and port: no path and no slash at the end"),
        ("?" in rest or "#" in rest, "it must have no query and no fragment"),
        (not rest.isascii(), "write an international host name as browsers send it, beginning with xn--"),
    ):
        if applies:
            return reason
    return "the host or the port is not valid"
