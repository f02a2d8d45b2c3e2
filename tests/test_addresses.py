"""Which addresses are whose, in any spelling and on every Python."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tts_service.addresses import Reach, literal, may_name, may_reach

PUBLIC = ("8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450::1")
PRIVATE = (
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "172.16.0.1", "192.0.0.9", "192.0.2.1", "192.88.99.1",
    "192.168.0.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1",
    "2001:db8::1", "2002:808:808::1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00::1", "fec0::1",
    "ff02::1", "ff0e::1", "2606:4700:4700::1111%eth0",
)  # fmt: skip
NEVER = (
    "169.254.0.1", "169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fe80::1",
    "fe80::1%eth0", "fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254", "::169.254.169.254",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::", "2001:0:1:1::5601:5601",
)  # fmt: skip


@pytest.mark.parametrize(
    ("addresses", "public", "vouched"), [(PUBLIC, True, True), (PRIVATE, False, True), (NEVER, False, False)]
)
def test_an_address_is_for_everybody_for_operators_or_for_nobody(
    addresses: tuple[str, ...], public: bool, vouched: bool
) -> None:
    for address in addresses:
        assert may_reach(address, Reach.PUBLIC) is public, address
        assert may_reach(address, Reach.VOUCHED) is vouched, address
        assert may_reach(address, Reach.ANYWHERE), address


LOCAL = st.integers(0x7F000000, 0x7FFFFFFF) | st.integers(0x0A000000, 0x0AFFFFFF)
NEVER_V4 = st.integers(0xA9FE0000, 0xA9FEFFFF)
SPELLINGS = st.sampled_from(
    (
        lambda n: str(n),
        lambda n: hex(n),
        lambda n: f"0{n:o}",
        lambda n: f"{n >> 24}.{n & 0xFFFFFF}",
        lambda n: f"0x{n >> 24:x}.0{n >> 16 & 255:o}.{n & 0xFFFF}",
        lambda n: str(ipaddress.IPv4Address(n)),
        lambda n: f"{ipaddress.IPv4Address(n)}.",
        lambda n: f"::ffff:{ipaddress.IPv4Address(n)}",
        lambda n: f"64:ff9b::{ipaddress.IPv4Address(n)}",
    )
)


@given(LOCAL, SPELLINGS)
@settings(max_examples=200, deadline=None)
def test_no_spelling_makes_a_private_address_public(number: int, spelled: object) -> None:
    assert callable(spelled)
    assert not may_name(spelled(number), Reach.PUBLIC)


@given(NEVER_V4, SPELLINGS)
@settings(max_examples=200, deadline=None)
def test_no_spelling_makes_a_metadata_service_reachable(number: int, spelled: object) -> None:
    assert callable(spelled)
    assert not may_name(spelled(number), Reach.VOUCHED)


@given(st.text(max_size=70))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_the_check(host: str) -> None:
    may_name(host, Reach.PUBLIC)
    literal(host)
