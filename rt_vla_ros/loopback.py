"""Loopback addresses, and addresses of the same subscriber."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether it is a loopback address or the name localhost."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_address(name: str) -> bool:
    """Whether it is an IP address, not a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def subscriber(address: str) -> str:
    """The subscriber of an address: an IPv4 address, or a /64 prefix of IPv6."""
    try:
        read = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(read, ipaddress.IPv6Address):
        return str(read.ipv4_mapped or ipaddress.ip_network((read, 64), strict=False))
    return str(read)
