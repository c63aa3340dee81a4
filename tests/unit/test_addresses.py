"""Which addresses are public: every family that hides a private one, and the tricks of spelling."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.domain.errors import ConfigurationError
from interlock.infra.addresses import allow_list, literal, parse_address, why_not_global

PUBLIC_V4 = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.0.1", "223.255.255.254"]
SPECIAL_V4 = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
]
PUBLIC_V6 = ["2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "64:ff9b::1.1.1.1", "::ffff:1.1.1.1"]
SPECIAL_V6 = [
    "::",
    "::1",
    "::127.0.0.1",
    "::1.1.1.1",
    "64:ff9b:1::1.1.1.1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:0101:0101::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "4000::1",
]


@pytest.mark.parametrize("text", PUBLIC_V4 + PUBLIC_V6)
def test_public(text: str) -> None:
    assert why_not_global(ip_address(text)) is None


@pytest.mark.parametrize("text", SPECIAL_V4 + SPECIAL_V6)
def test_not_public(text: str) -> None:
    assert why_not_global(ip_address(text))


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_as_itself(inner: IPv4Address) -> None:
    refused = why_not_global(inner)
    for prefix in ("::ffff:0:0", "64:ff9b::"):
        assert why_not_global(IPv6Address(int(IPv6Address(prefix)) | int(inner))) == refused
    for prefix, shift in (("2002::", 80), ("2001::", 0), ("64:ff9b:1::", 0), ("::", 0)):
        assert why_not_global(IPv6Address(int(IPv6Address(prefix)) | int(inner) << shift))
    for marker in (0x5EFE, 0x0200_5EFE):
        behind = int(IPv6Address("2606:4700::")) | marker << 32 | int(inner)
        assert why_not_global(IPv6Address(behind)) == "ISATAP"


@given(st.ip_addresses())
def test_never_laxer_than_the_standard_library(address: IPv4Address | IPv6Address) -> None:
    if why_not_global(address) is None and not str(address).startswith("64:ff9b:"):
        assert address.is_global or (isinstance(address, IPv6Address) and address.ipv4_mapped)
        assert not address.is_multicast


@pytest.mark.parametrize(
    "host", ["example.com", "example.com.", "a_b.example", "xn--bcher-kva.example", "1.example", "0x1.a"]
)
def test_names(host: str) -> None:
    assert literal(host) is None


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "127.0.0.1"), ("127.0.0.1.", "127.0.0.1"), ("::1", "::1"), ("::ffff:7f00:1", "::ffff:127.0.0.1")],
)
def test_addresses_in_their_usual_spelling(host: str, address: str) -> None:
    assert literal(host) == ip_address(address)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.1",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "127.0.0.0x1",
        "127.0.0.01",
        "1.1.1.1.1",
        "256.1.1.1",
        "example.0x",
        "fe80::1%eth0",
        "::1::",
        "exa mple.com",
        "example..com",
        "-a.example",
        "127.0.0.1%00.example.com",
        "bücher.example",
        "127。0。0。1",
        "a" * 64 + ".example",
        ".".join(["a" * 60] * 5),
        "",
        ".",
    ],
)
def test_spellings_that_readers_disagree_on(host: str) -> None:
    with pytest.raises(ValueError):
        literal(host)


@given(st.ip_addresses(v=4))
def test_no_numeric_spelling_becomes_a_name(address: IPv4Address) -> None:
    number = int(address)
    a, b, c, d = address.packed
    spellings = [str(number), hex(number), f"0{number:o}", f"{a}.{number & 0xFFFFFF}", f"{a}.{b}.{c << 8 | d}"]
    for text in (*spellings, f"{a}.{b}.{c}.0x{d:x}", f"0{a:o}.{b}.{c}.{d}", f"{a}.{b}.{c}.0{d:o}"):
        with pytest.raises(ValueError):
            literal(text)


@pytest.mark.parametrize("text", ["fe80::1%2", "localhost", "", "1.2.3"])
def test_what_a_resolver_should_not_give(text: str) -> None:
    with pytest.raises(ValueError):
        parse_address(text)


@pytest.mark.parametrize(
    ("entry", "host", "address", "port", "covered"),
    [
        ("hooks.local", "hooks.local", "10.0.0.1", 80, True),
        ("Hooks.Local.", "hooks.local.", "10.0.0.1", 80, True),
        ("hooks.local", "evil.hooks.local", "10.0.0.1", 80, False),
        ("hooks.local:8080", "hooks.local", "10.0.0.1", 8080, True),
        ("hooks.local:8080", "hooks.local", "10.0.0.1", 80, False),
        ("10.0.0.0/8", "any.example", "10.9.9.9", 80, True),
        ("10.0.0.0/8", "any.example", "11.9.9.9", 80, False),
        ("10.0.0.0/8", "any.example", "::ffff:10.9.9.9", 80, True),
        ("10.0.0.0/8:443", "any.example", "10.9.9.9", 80, False),
        ("10.0.0.5:9000", "10.0.0.5", "10.0.0.5", 9000, True),
        ("127.0.0.1", "127.0.0.1", "127.0.0.2", 80, False),
        ("fd00::/8", "any.example", "fd00::1", 80, True),
        ("::1", "::1", "::1", 80, True),
        ("[::1]:8080", "::1", "::1", 8080, True),
        ("[::1]:8080", "::1", "::1", 8081, False),
        ("[fd00::/8]", "any.example", "fd12::1", 1, True),
    ],
)
def test_allow_list(entry: str, host: str, address: str, port: int, covered: bool) -> None:
    (target,) = allow_list([entry])
    assert target.covers(host, ip_address(address), port) is covered


@pytest.mark.parametrize(
    "entry",
    ["", "*", "*.example", "http://example.com", "10.0.0.1/8", "host:0", "host:99999", "127.1", "[::1", "a:b:c"],
)
def test_wrong_entries_are_named(entry: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        allow_list(["good.example", entry])
    assert repr(entry) in caught.value.detail
