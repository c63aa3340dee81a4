"""Which addresses a server may call for somebody else: pure rules, no look-ups.

The tables are written out, from IANA's special-purpose registries: `ipaddress.is_global` differs between patch releases of Python.
What is not known to be global is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from interlock.domain.errors import ConfigurationError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_IPV4_SPECIAL: Final = tuple(
    (IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared address space of carriers"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "a cloud's host service"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved or broadcast"),
    )
)
_IPV6_GLOBAL: Final = IPv6Network("2000::/3")
_IPV6_SPECIAL: Final = tuple(
    (IPv6Network(network), what)
    for network, what in (
        ("2001::/23", "protocol assignments (Teredo among them)"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
        ("fc00::/7", "unique local"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    )
)
_EMBEDDING: Final = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
# Interface identifiers of ISATAP, RFC 5214: the last 32 bits are an IPv4 address behind the site's router.
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})

_LABEL: Final = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NUMERIC: Final = re.compile(r"(\d+|0x[0-9a-f]*)")


def embedded(address: Address) -> Address:
    """Give the IPv4 address that a packet to this one would reach (IPv4-mapped, NAT64), else the address."""
    if isinstance(address, IPv6Address) and any(address in network for network in _EMBEDDING):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def why_not_global(address: Address) -> str | None:
    """Say what kind of address it is where it is not a global one, else None."""
    reached = embedded(address)
    if isinstance(reached, IPv4Address):
        return next((what for network, what in _IPV4_SPECIAL if reached in network), None)
    if special := next((what for network, what in _IPV6_SPECIAL if reached in network), None):
        return special
    if reached not in _IPV6_GLOBAL:
        return "not global unicast"
    if int(reached) >> 32 & 0xFFFF_FFFF in _ISATAP:
        return "ISATAP"
    return None


def literal(host: str) -> Address | None:
    """Give the address that a host stands for, or None where it is a name.

    Raises:
        ValueError: neither an address in its usual spelling nor a name. Hosts that end in a number are addresses to some
            readers (`127.1`, `0x7f000001`, `017700000001`, `2130706433`): only four plain decimal parts are taken.
    """
    if ":" in host:
        if "%" in host:
            raise ValueError("an address with a zone")
        return IPv6Address(host)
    bare = host.removesuffix(".")
    if len(bare) > 253 or _HOST.fullmatch(bare) is None:
        raise ValueError("not a host name in ASCII (write international names in their xn-- form)")
    if _NUMERIC.fullmatch(bare.rpartition(".")[2]):
        return IPv4Address(bare)
    return None


@dataclass(frozen=True, kw_only=True)
class AllowedTarget:
    """One entry of an allow-list: a host name or a network; on one port, or on any where it is None."""

    host: str | None = None
    network: Network | None = None
    port: int | None = None

    def covers(self, host: str, address: Address, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        if self.network is None:
            return self.host == host.removesuffix(".")
        return address in self.network or embedded(address) in self.network


def allow_list(entries: Sequence[str]) -> tuple[AllowedTarget, ...]:
    """Read an allow-list: `host`, `host:port`, `10.0.0.0/8`, `10.0.0.5:9000`, `fd00::/8`, `[fd00::/8]:443`.

    Raises:
        ConfigurationError: an entry that is none of these; names it.
    """
    return tuple(_allowed(entry) for entry in entries)


def _allowed(entry: str) -> AllowedTarget:
    text = entry.strip().lower()
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?", text)
    plain = re.fullmatch(r"([^:\[\]]+)(?::(\d{1,5}))?", text)
    match = bracketed or plain
    host, port = (match[1], match[2]) if match else (text, None)
    try:
        number = None if port is None else int(port)
        if number is not None and not 0 < number < 65_536:
            raise ValueError("no such port")
        if "/" in host or ":" in host:
            return AllowedTarget(network=ip_network(host), port=number)
        if (address := literal(host)) is not None:
            return AllowedTarget(network=ip_network(address), port=number)
        return AllowedTarget(host=host.removesuffix("."), port=number)
    except ValueError as error:
        raise ConfigurationError(
            f"The allow-list of outgoing calls has the entry {entry!r}: {error}.",
            fix="Give host names or CIDRs, each with an optional `:port`, such as `hooks.example.com:443`.",
        ) from error


def parse_address(text: str) -> Address:
    """Read an address as a resolver gives it. Raises ValueError for anything else, zones included."""
    if "%" in text:
        raise ValueError("an address with a zone")
    return ip_address(text)
