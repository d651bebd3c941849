"""Which addresses are of the public internet: asked before anything is sent to where foreign text says."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Prefixes in which an IPv4 address travels inside of an IPv6 one: mapped and compatible, NAT64 (RFC 6052); 6to4 and
# Teredo are known to `ipaddress`.
_EMBEDDED = tuple(ipaddress.IPv6Network(text) for text in ("::ffff:0:0/96", "::/96", "64:ff9b::/96"))
# Of one network only, though `ipaddress` takes some of them for public: site-local (RFC 3879), local NAT64 (RFC 8215).
_LOCAL = tuple(ipaddress.IPv6Network(text) for text in ("fec0::/10", "64:ff9b:1::/48"))


def is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in network for network in _LOCAL if network.version == address.version)


def unwrapped(address: Address) -> list[Address]:
    """The address and, of an IPv6 address that leads to an IPv4 one, that too."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inner: list[Address] = []
    if address.sixtofour:
        inner.append(address.sixtofour)
    if address.teredo:
        inner += address.teredo
    if int(address) > 1 and any(address in network for network in _EMBEDDED):
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    # The wrapping prefix itself says nothing: ::ffff:8.8.8.8 is as public as 8.8.8.8.
    wrapped = bool(inner) and any(address in network for network in _EMBEDDED)
    return inner if wrapped else [address, *inner]
