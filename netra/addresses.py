"""Addresses people enter for the server to call: what may be one, and which of them are behind the firewall."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from netra.errors import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
# Of machines at Amazon, Google, Alibaba and Oracle, beside the link-local one that all have.
METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192")))


def check_base_url(text: str) -> str:
    """A base URL fit to be called, without its last slash. Raises Invalid, naming the field `base_url`.

    Private addresses are allowed unless NETRA_PRIVATE_PROVIDERS is off: whoever hosts Netra for others should turn
    it off, since an owner could otherwise make the server call addresses behind its firewall.
    """
    text = text.strip().rstrip("/")
    parts = _split(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid("The base URL must start with http:// or https:// and name a host.", field="base_url")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Invalid("The base URL must hold no credentials, query or fragment.", field="base_url")
    if _is_refused(parts.hostname):
        raise Invalid("This installation does not call private addresses.", field="base_url")
    return text


def may_be_called(address: str) -> bool:
    """Whether the server may connect to an IP address; checked again when it connects, for names change their mind.

    Link-local addresses never: nobody's service lives there but the metadata of cloud machines, keys included; and
    those where some clouds have it besides. Raises ValueError for what is no address.
    """
    found = _meant(ipaddress.ip_address(address.split("%")[0]))
    if found.is_link_local or found.is_multicast or found in METADATA:
        return False
    return settings.PRIVATE_PROVIDERS or found.is_global


def _meant(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where a translator would take it out (RFC 4291, 3056 and 6052)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise Invalid("The base URL is not a URL.", field="base_url") from None
    return parts


def _is_refused(host: str) -> bool:
    """An address written out is never resolved, so this is where it is looked at; names are again as they connect."""
    try:
        return not may_be_called(host)
    except ValueError:
        return not settings.PRIVATE_PROVIDERS and _is_private(host)


def _is_private(host: str) -> bool:
    """Whether a name resolves to an address that may not be called; unresolvable counts as private."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return True
    return not all(may_be_called(each) for each in found)
