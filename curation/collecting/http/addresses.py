"""Which addresses may be asked at all: scheme, port, spelling, and the network that a name leads to."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from curation.errors import ForgeError

if TYPE_CHECKING:
    from curation.collecting.http.settings import DoorSettings

MAX_URL = 4096
_PORTS = frozenset({80, 443})
# The last label of a name is never a number, so this is an IPv4 address in some spelling (WHATWG URL).
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_HAS_USER = re.compile(r"[^/?#]*//[^/?#]*@")
_HOST = re.compile(r"[a-z0-9_][a-z0-9._-]{0,252}|\[[0-9a-f:.]+\]")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\\\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
# IANA's special-purpose registries, and one public address that is a cloud's own service (Azure's).
_NOT_PUBLIC_4 = [
    ipaddress.IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
    )
]
# Everything that is public lies in 2000::/3: so v4-mapped, NAT64, link-local, unique local and multicast
# are out, and these parts of it too (Teredo and other protocols, documentation, 6to4, AS112).
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = [
    ipaddress.IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
]


class AddressRefused(ForgeError):  # noqa: N818 - named like Rejected
    """An address that is never asked, whatever lies there."""


def is_public(address: str) -> bool:
    """Return whether an IP address, in its plain spelling, is one of the public internet."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_4)
    return ip.scope_id is None and ip in _PUBLIC_6 and not any(ip in network for network in _NOT_PUBLIC_6)


def host_of(url: URL) -> str:
    """Return the host as it stands in a URL: ASCII, lower case, IPv6 in brackets."""
    return url.host_subcomponent or ""


def checked(text: str, settings: DoorSettings, origin: URL | None = None) -> URL:
    """Return the URL that a text is, when it may be asked.

    origin: the page that redirected here; what it says is not trusted more than the page itself. Raises
    AddressRefused for another scheme or port, credentials, control characters, odd spellings of addresses
    and addresses that are not public. Names are checked when they are resolved: CheckedResolver.
    """
    if len(text) > MAX_URL or _FORBIDDEN.search(text):
        raise AddressRefused("the address is over-long or has blanks or control characters in it")
    try:
        url = URL(text)
        if origin is not None:
            url = origin.join(url)
        port = url.port
    except (ValueError, TypeError) as error:
        raise AddressRefused("the address is not a valid URL") from error
    if url.scheme not in {"http", "https"}:
        raise AddressRefused(f"only http and https are asked, not {url.scheme or 'nothing'!r}")
    if "@" in url.raw_authority or _HAS_USER.match(text):
        raise AddressRefused("the address has a user name or a password in it")
    host = host_of(url)
    if host.endswith("."):
        host = host.rstrip(".")
        url = url.with_host(host) if host else url
    if not _HOST.fullmatch(host) or port is None:
        raise AddressRefused("the address names no proper host")
    trusted = settings.trusts(host, port)
    if origin is not None:
        _check_hop(origin, url, trusted, settings)
    if not trusted:
        _check_untrusted(host, port)
    return url.with_fragment(None) if url.raw_fragment else url


def _check_hop(origin: URL, url: URL, trusted: bool, settings: DoorSettings) -> None:
    if origin.scheme == "https" and url.scheme != "https":
        raise AddressRefused("a redirect from https to http is not followed")
    if trusted and not settings.trusts(host_of(origin), origin.port or 0):
        raise AddressRefused("a redirect into a trusted host from any other is not followed")


def _check_untrusted(host: str, port: int) -> None:
    if port not in _PORTS:
        raise AddressRefused(f"port {port} is not asked, only 80 and 443 (else list it in trusted_hosts)")
    literal = host.strip("[]")
    if ":" in literal or _NUMBER.fullmatch(literal.rpartition(".")[2]):
        if not is_public(literal):
            raise AddressRefused("the address is not one of the public internet")
    elif literal == "localhost" or literal.endswith((".localhost", ".local", ".internal")):
        raise AddressRefused("the name is not one of the public internet")


class CheckedResolver(AbstractResolver):
    """Resolves a name once and hands out only addresses that were checked, so that they are connected to.

    trusts: whether a host and port may have private addresses.
    """

    def __init__(self, trusts: Callable[[str, int], bool]) -> None:
        """Use the operating system's resolver, in threads."""
        self._trusts, self._system = trusts, ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of host; raises AddressRefused when any one of them is not public."""
        found = await self._system.resolve(host, port, family)
        if not self._trusts(host, port) and not all(is_public(entry["host"]) for entry in found):
            raise AddressRefused("the name leads to an address that is not one of the public internet")
        return found

    async def close(self) -> None:
        """Close the system's resolver."""
        await self._system.close()
