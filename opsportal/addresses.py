"""Which IP addresses are on the public internet: by the IANA special-purpose registries as they are listed here, whatever
the tables of the interpreter's `ipaddress` say.

https://www.iana.org/assignments/iana-ipv4-special-registry/ and .../iana-ipv6-special-registry/, of 2026.
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Blocks of which nothing is public. Those that are globally reachable by the registry, but stand for no host of
# another's (anycast of 6to4, AS112, AMT, PCP, TURN), are here too.
_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
# Public addresses are allotted from this one (https://www.iana.org/assignments/ipv6-address-space/).
_V6_GLOBAL = ipaddress.IPv6Network("2000::/3")
_V6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    )
)  # fmt: skip
# What carries an IPv4 address in its last 32 bits: compatible, mapped, translated (RFC 2765), NAT64 (RFC 6052).
_WRAPPING = tuple(
    ipaddress.IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
)
_MAPPED = _WRAPPING[1], _WRAPPING[3]
# The identifier of an ISATAP interface (RFC 5214), before its IPv4 address, with the bit of a global one or without.
_ISATAP = (0x00005EFE, 0x02005EFE)


def is_public(address: Address) -> bool:
    """Whether it is a single host's on the public internet. What it carries (`unwrapped`) is not looked at."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _V4)
    return address in _V6_GLOBAL and not any(address in network for network in _V6)


def unwrapped(address: Address) -> list[Address]:
    """The address and, of an IPv6 address that leads to an IPv4 one, that too. Of a mapped one, and one of NAT64, only
    that: the prefix itself says nothing."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    bits = int(address)
    last = ipaddress.IPv4Address(bits & 0xFFFFFFFF)
    if bits > 1 and any(address in network for network in _MAPPED):
        return [last]
    inner: list[Address] = []
    if bits > 1 and any(address in network for network in _WRAPPING):
        inner.append(last)
    if bits >> 112 == 0x2002:  # 6to4
        inner.append(ipaddress.IPv4Address((bits >> 80) & 0xFFFFFFFF))
    if bits >> 96 == 0x20010000:  # Teredo: its server, and its client in ones' complement
        inner += [ipaddress.IPv4Address((bits >> 64) & 0xFFFFFFFF), ipaddress.IPv4Address(~bits & 0xFFFFFFFF)]
    if (bits >> 32) & 0xFFFFFFFF in _ISATAP:
        inner.append(last)
    return [address, *inner]
