"""The identity provider of an organisation (OpenID Connect), as settings name it."""

import re
import stat
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

MAX_SECRET = 1024
"""The most bytes of a file with a client secret."""
MAX_TEXT = 255
_PRINTABLE = re.compile(rf"[!-~]{{1,{MAX_TEXT}}}")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9-]+(?:\.[a-z0-9-]+)+")


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """The provider, this installation's client at it, and which claim names an account.

    With a `domain`, the claim is LOGIN@DOMAIN. Without one, it is the login itself.
    """

    issuer: str
    client_id: str
    secret_file: Path
    claim: str
    domain: str | None
    console_url: str


def is_secure(url: str) -> bool:
    """Return whether a URL is https with a host, or plain http to this machine, and has no password or fragment."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or not _PRINTABLE.fullmatch(url) or "@" in parts.netloc or "#" in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def parse_issuer(text: str) -> str:
    """Return an issuer. Raise ValueError."""
    if not is_secure(text) or "?" in text:
        raise ValueError(f"{text!r} is not an issuer: write the https URL that your provider states, without a query")
    return text


def parse_console_url(text: str) -> str:
    """Return the URL of the console without a path. Raise ValueError."""
    if not is_secure(text) or "?" in text or urlsplit(text).path not in ("", "/"):
        raise ValueError(f"{text!r} is not the console's URL: write for example https://dnsfilter.example.org")
    return text.rstrip("/")


def parse_client_id(text: str) -> str:
    """Return a client id. Raise ValueError."""
    if not _PRINTABLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a client id: write the one that your provider gave, without spaces")
    return text


def parse_claim(text: str) -> str:
    """Return the name of a claim. Raise ValueError."""
    if not _PRINTABLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a claim: write for example preferred_username")
    return text


def parse_domain(text: str) -> str:
    """Return a domain. Raise ValueError."""
    if not _DOMAIN.fullmatch(text):
        raise ValueError(f"{text!r} is not a domain: write what follows the @ in the claim, such as example.org")
    return text


def parse_secret_file(text: str) -> Path:
    """Return the file of a client secret. Raise ValueError if it has none, or if everybody may read it."""
    read_secret(Path(text))
    return Path(text)


def read_secret(path: Path) -> str:
    """Return the client secret in a file. Raise ValueError if it has none, or if everybody may read it."""
    try:
        if not path.is_file():
            raise ValueError(f"file {path} does not exist")
        mode = path.stat().st_mode
        with path.open("rb") as file:
            content = file.read(MAX_SECRET + 1)
    except OSError as error:
        raise ValueError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ValueError(f"everybody on this machine may read or write {path}: chmod 640 {path}")
    if len(content) > MAX_SECRET or not (secret := content.strip()).isascii() or not secret or len(secret.split()) > 1:
        raise ValueError(f"{path} is not a client secret: write the secret alone, on one line")
    return secret.decode()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
