"""What devices need to ask by a fleet's name: Apple's profile, and lines for Android, Windows and Intune. Pure."""

import plistlib
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from uuid import NAMESPACE_DNS, uuid5

_DNS_SETTINGS = "com.apple.dnsSettings.managed"


@dataclass(frozen=True, slots=True)
class Resolver:
    """The fleet's label and token, and the name and addresses of the nodes that its devices ask."""

    label: str
    token: str
    server: str
    addresses: tuple[IPv4Address | IPv6Address, ...]

    @property
    def host(self) -> str:
        """The name by which devices ask over TLS."""
        return f"{self.token}.{self.server}"

    @property
    def url(self) -> str:
        """The template by which devices ask over HTTPS (RFC 8484)."""
        return f"https://{self.server}/dns-query/{self.token}"


def apple_profile(resolver: Resolver, *, dot: bool) -> bytes:
    """Return a configuration profile with a DNSSettings payload, for DNS over TLS or over HTTPS.

    Its identifiers depend on fleet and server only: a new profile replaces the one before.
    """
    identifier = f"dns.{uuid5(NAMESPACE_DNS, f'{resolver.server}/{resolver.label}')}"
    settings: dict[str, object] = {"DNSProtocol": "TLS" if dot else "HTTPS"}
    settings |= {"ServerName": resolver.host} if dot else {"ServerURL": resolver.url}
    if resolver.addresses:
        settings["ServerAddresses"] = list(map(str, resolver.addresses))
    payload = {
        "PayloadType": _DNS_SETTINGS,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{identifier}.settings",
        "PayloadUUID": _uuid(f"{identifier}.settings"),
        "PayloadDisplayName": f"DNS of {resolver.label}",
        "DNSSettings": settings,
        "ProhibitDisablement": True,
    }
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": _uuid(identifier),
        "PayloadDisplayName": f"DNS of {resolver.label}",
        "PayloadDescription": f"Names are looked up by {resolver.server}, outside the office too.",
        "PayloadContent": [payload],
    }
    return plistlib.dumps(profile)


def android_lines(resolver: Resolver) -> Iterator[str]:
    """Yield Android's private DNS name (DNS over TLS)."""
    yield resolver.host


def windows_lines(resolver: Resolver) -> Iterator[str]:
    """Yield PowerShell commands for Windows 11: DNS over HTTPS, and all names by these servers (NRPT)."""
    if not resolver.addresses:
        yield "# Windows chooses a server by its address: give --address for these lines"
        return
    for address in resolver.addresses:
        yield (
            f"Add-DnsClientDohServerAddress -ServerAddress {address} -DohTemplate {resolver.url} "
            "-AllowFallbackToUdp $false -AutoUpgrade $true"
        )
    servers = ",".join(map(str, resolver.addresses))
    yield f"Add-DnsClientNrptRule -Namespace . -NameServers {servers}"


def intune_lines(resolver: Resolver) -> Iterator[str]:
    """Yield what Intune asks for, for each platform."""
    yield "iOS, iPadOS, macOS: a profile of the type Custom, with the file of --for apple"
    yield f"Android Enterprise: device restrictions, private DNS, host name: {resolver.host}"
    yield "Windows: a platform script that runs as system, with the lines of --for windows:"
    yield from windows_lines(resolver)


def _uuid(text: str) -> str:
    return str(uuid5(NAMESPACE_DNS, text)).upper()
