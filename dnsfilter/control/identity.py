"""What a node knows itself by at the control plane, in a file of its own.

    DIRECTORY/identity.json    {"name": …, "site": …, "token": …, "key": …, "installation": …, "url": …}, mode 0600

The key is that under which the control plane signs snapshots. It is pinned: only another enrolment changes it.
"""

import json
import re
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path

from dnsfilter.errors import UnavailableError

IDENTITY = "identity.json"
LARGEST_BYTES = 65_536
TOKEN_BYTES = 1024
_KEY = re.compile(r"[0-9a-f]{64}")
_TOKEN = re.compile(r"[!-~]{16,1024}")


class TokenRefused(UnavailableError):
    """The control plane does not take this one-time token, and will not later."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Name and site as registered, the node's token, the key of the installation's snapshots, where it enrolled."""

    name: str
    site: str
    token: str
    key: str
    installation: str
    url: str

    @property
    def enrolment(self) -> str:
        """What tells this enrolment from every other, and nothing about its token."""
        return sha256(self.token.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"Identity({self.name!r}, site {self.site!r}, key {self.key[:16]}…)"


def load_identity(directory: Path) -> Identity | None:
    """Who this node is; None before it has enrolled. Raises UnavailableError for a file that says no such thing."""
    path = directory / IDENTITY
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(LARGEST_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is no JSON"
        raise UnavailableError(f"read {path}: {reason}") from error
    identity = parse_identity(value)
    if identity is None:
        raise UnavailableError(f"read {path}: it is no identity; enrol this node again")
    return identity


def identity_mark(directory: Path) -> tuple[int, int] | None:
    """Something cheap that changes with each enrolment; None where there has been none."""
    try:
        status = (directory / IDENTITY).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def load_token(path: Path) -> str:
    """The one-time token in a file, which is never repeated. Raises UnavailableError."""
    try:
        with path.open("rb") as file:
            text = file.read(TOKEN_BYTES + 2).decode("ascii", "replace").strip()
    except OSError as error:
        raise UnavailableError(f"read {path}: {(error.strerror or str(error)).lower()}") from error
    if _TOKEN.fullmatch(text) is None:
        raise UnavailableError(f"read {path}: it holds no token")
    return text


def is_key(text: str) -> bool:
    """Whether that is a public key as an identity holds it."""
    return _KEY.fullmatch(text) is not None


def parse_identity(value: object) -> Identity | None:
    """The identity that a JSON value says; None for any other."""
    if not isinstance(value, dict):
        return None
    found = {field.name: value.get(field.name) for field in fields(Identity)}
    texts = {name: text for name, text in found.items() if isinstance(text, str) and len(text) <= TOKEN_BYTES}
    if texts.keys() != found.keys() or not _KEY.fullmatch(texts["key"]) or not _TOKEN.fullmatch(texts["token"]):
        return None
    return Identity(**texts)
