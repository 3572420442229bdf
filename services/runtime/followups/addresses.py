"""Where a webhook may go: the guard against requests that reach into our own network (SSRF).

The name is resolved here and the call goes to the very address that was checked, so a name that resolves differently
a moment later changes nothing.
"""

import asyncio
import ipaddress
import socket
from typing import NamedTuple

from services.errors import Rejected, Retry

_TRANSLATED = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]
_SITE = ipaddress.ip_network("fec0::/10")  # private before RFC 3879; Python takes it for the open internet


class Target(NamedTuple):
    """An address that may be called for this host name."""

    host: str
    address: str


def is_public(address: str) -> bool:
    """Whether this is an address of the open internet: not private, loopback, link-local, multicast, reserved, and
    not an IPv6 form that stands for an IPv4 address."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and (ip.ipv4_mapped or any(ip in net for net in (*_TRANSLATED, _SITE))):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


async def resolve(host: str, port: int, private: frozenset[str]) -> Target:
    """An address of `host` that may be called. Hosts named in `private` may be anywhere.

    Raises Rejected (code "address") when the host has an address that is not public, Retry when it has none now.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Retry(f"the host {host} could not be resolved: {error}") from error
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    if not addresses:
        raise Retry(f"the host {host} has no address")
    if host not in private and not all(map(is_public, addresses)):
        raise Rejected("address", f"{host} is a private address; allow the host in the settings if it is meant")
    return Target(host, addresses[0])
