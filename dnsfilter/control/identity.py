"""The identity of a node at its control plane, in a file.

    DIRECTORY/identity.json    {"name": …, "site": …, "token": …, "key": …, "installation": …, "url": …}, mode 0600

The control plane signs snapshots with the key. The key is pinned: only another enrolment changes it.
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
    """The control plane refuses this one-time token. A retry does not help."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Registered name and site, the node's token, the key of snapshots, the installation, the URL of enrolment."""

    name: str
    site: str
    token: str
    key: str
    installation: str
    url: str

    @property
    def enrolment(self) -> str:
        """Return a mark that is unique to this enrolment and reveals nothing about its token."""
        return sha256(self.token.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"Identity({self.name!r}, site {self.site!r}, key {self.key[:16]}…)"


def load_identity(directory: Path) -> Identity | None:
    """Return the identity of this node. None before it has enrolled. Raise UnavailableError for an invalid file."""
    path = directory / IDENTITY
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(LARGEST_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not JSON"
        raise UnavailableError(f"read {path}: {reason}") from error
    identity = parse_identity(value)
    if identity is None:
        raise UnavailableError(f"read {path}: it is not an identity; enrol this node again")
    return identity


def identity_mark(directory: Path) -> tuple[int, int] | None:
    """Return a value that changes with each enrolment and is cheap to read. None before the first one."""
    try:
        status = (directory / IDENTITY).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def load_token(path: Path) -> str:
    """Return the one-time token in a file. Errors do not contain it. Raise UnavailableError if there is none."""
    try:
        with path.open("rb") as file:
            text = file.read(TOKEN_BYTES + 2).decode("ascii", "replace").strip()
    except OSError as error:
        raise UnavailableError(f"read {path}: {(error.strerror or str(error)).lower()}") from error
    if _TOKEN.fullmatch(text) is None:
        raise UnavailableError(f"read {path}: it contains no token")
    return text


def is_key(text: str) -> bool:
    """Return whether the text is a public key as in an identity: 64 hexadecimal digits."""
    return _KEY.fullmatch(text) is not None


def parse_identity(value: object) -> Identity | None:
    """Return the identity of a JSON value. None if the value is not one."""
    if not isinstance(value, dict):
        return None
    found = {field.name: value.get(field.name) for field in fields(Identity)}
    texts = {name: text for name, text in found.items() if isinstance(text, str) and len(text) <= TOKEN_BYTES}
    if texts.keys() != found.keys() or not _KEY.fullmatch(texts["key"]) or not _TOKEN.fullmatch(texts["token"]):
        return None
    return Identity(**texts)
