"""Unbound that answers for itself over TLS and HTTPS, and in clear text at port 53 of an address of its own."""

import datetime
from pathlib import Path

from tests.support.certificates import DAY, Authority
from tests.support.ports import free_port
from tests.support.unbound import Unbound

NAME = "dns.example.org"
NOBODY = "127.0.0.1:9"


class EncryptedUnbound(Unbound):
    """Unbound with a certificate for `name` by a new authority, whose file is `ca`.

    It answers `www.example.org` with 192.0.2.80 over TLS, over HTTPS, and in clear text at port 53.
    """

    def __init__(
        self, directory: Path, address: str, *, name: str = NAME, lasting: datetime.timedelta = 30 * DAY
    ) -> None:
        authority = Authority(directory / name)
        certificate, key = directory / name / "certificate.pem", directory / name / "key.pem"
        authority.issue(certificate, key, name=name, lasting=lasting)
        self.ca = authority.ca
        self.tls_port, self.https_port = free_port(address), free_port(address)
        self.tls_address = address
        extra = f"""\
    interface: {address}@53
    interface: {address}@{self.tls_port}
    interface: {address}@{self.https_port}
    tls-port: {self.tls_port}
    https-port: {self.https_port}
    tls-service-key: "{key}"
    tls-service-pem: "{certificate}"
    local-zone: "example.org." static
    local-data: "www.example.org. 300 A 192.0.2.80"
"""
        super().__init__(NOBODY, extra=extra)

    def url(self, name: str = NAME, scheme: str = "tls") -> str:
        """Return the server as the configuration writes it."""
        if scheme == "https":
            return f"https://{self.tls_address}:{self.https_port}/dns-query#{name}"
        return f"tls://{self.tls_address}:{self.tls_port}#{name}"
