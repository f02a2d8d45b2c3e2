"""Which addresses a connection may lead to (faults 2 row 7). Pure.

A client's `ai_base_url` is a stranger's wish to have this machine connect somewhere. `is_global` of the
standard library is not enough: it knows no metadata services, and calls addresses public that a gateway
translates into private ones (6to4, NAT64), differently from one Python to the next.
"""

from __future__ import annotations

import contextlib
import enum
import ipaddress
import re
import socket

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Reach(enum.Enum):
    """How far a connection may lead, by whose word the address is dialled."""

    ANYWHERE = "anywhere"  # the environment's: whoever sets it owns the machine
    VOUCHED = "vouched"  # an operator's, for a client: a model at home, but no service that gives out secrets
    PUBLIC = "public"  # anybody else's


_V4_NOT_PUBLIC = [
    ipaddress.IPv4Network(network)
    for network in (
        "100.64.0.0/10",  # CGNAT
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 was Oracle's metadata service
        "192.88.99.0/24",  # 6to4 relays
        "168.63.129.16/32",  # Azure's host
        "224.0.0.0/3",  # multicast and reserved
    )
]
_V6_GLOBAL = ipaddress.IPv6Network("2000::/3")  # all that was ever given out
_V6_NOT_PUBLIC = [
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
]
_NEVER_V4 = [
    ipaddress.IPv4Network(network)
    for network in (
        "169.254.0.0/16",  # link-local; 169.254.169.254 is the metadata service of most clouds
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle
    )
]
_NEVER_V6 = [
    ipaddress.IPv6Network(network)
    for network in (
        "fe80::/10",  # link-local
        "fd00:ec2::/32",  # Amazon: ::254 metadata, ::253 and ::123 its neighbours
        "fd20:ce::/32",  # Google
        "fd00:42::42/128",  # Scaleway
    )
]
_NAT64 = [ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48")]
_V4_COMPATIBLE = ipaddress.IPv6Network("::/96")

_NEVER_NAMES = ("metadata", "metadata.goog", "metadata.google.internal", "instance-data.ec2.internal")
# Names that only ever mean something inside: RFC 6761, 6762, 8375, ICANN's .internal, and custom.
_INSIDE = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa")
# No label of another shape is a name in DNS; %-escapes and digits of other scripts end here.
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


def may_reach(address: str, reach: Reach) -> bool:
    """`address` as a resolver gives it: four decimals, or IPv6 without brackets."""
    if reach is Reach.ANYWHERE:
        return True
    ip = ipaddress.ip_address(address)
    return _is_public(ip) if reach is Reach.PUBLIC else not _is_never(ip)


def may_name(host: str, reach: Reach) -> bool:
    """Whether `host` of a URL (lower case, no brackets) can be meant to lead that far, before any look-up.

    What a name resolves to is known only when it is dialled, and `may_reach` is asked then.
    """
    if reach is Reach.ANYWHERE:
        return True
    bare = host.removesuffix(".")
    if (ip := literal(bare)) is not None:
        return may_reach(str(ip), reach)
    if not _NAME.fullmatch(bare) or _NUMBER.fullmatch(bare.rpartition(".")[2]):
        return False
    if bare in _NEVER_NAMES:
        return False
    return reach is Reach.VOUCHED or ("." in bare and not _is_inside(bare))


def literal(host: str) -> IpAddress | None:
    """The address that `host` is another spelling of, such as 127.1, 0x7f000001 or 2130706433; else None."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host)
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        with contextlib.suppress(OSError):
            return ipaddress.IPv4Address(socket.inet_aton(host))
    return None


def _is_inside(name: str) -> bool:
    return any(name == zone or name.endswith(f".{zone}") for zone in _INSIDE)


def _is_public(ip: IpAddress) -> bool:
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not _within(ip, _V4_NOT_PUBLIC)
    if ip.scope_id is not None:
        return False
    return ip in _V6_GLOBAL and ip.is_global and not _within(ip, _V6_NOT_PUBLIC)


def _is_never(ip: IpAddress) -> bool:
    if isinstance(ip, ipaddress.IPv4Address):
        return _within(ip, _NEVER_V4)
    inner = _translated(ip)
    return _within(ip, _NEVER_V6) or (inner is not None and _within(inner, _NEVER_V4))


def _translated(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a host or a gateway makes of it."""
    if ip in _V4_COMPATIBLE or _within(ip, _NAT64):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


def _within(ip: IpAddress, networks: list[ipaddress.IPv4Network] | list[ipaddress.IPv6Network]) -> bool:
    return any(ip in network for network in networks)
