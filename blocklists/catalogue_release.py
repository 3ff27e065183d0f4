"""The number and date of a catalogue. A number is never used for other content, and only grows."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from importlib.resources import files

from dnsfilter.errors import ConfigError, Problem

RELEASE_FILE = "catalogue-release.toml"
_HEAD = "# Number, date and content of catalogue/. Written by `make catalogue`.\n"


@dataclass(frozen=True, slots=True)
class Release:
    """A numbered catalogue. `content` is the digest of its files."""

    number: int
    made: date
    content: str

    @property
    def text(self) -> str:
        """Return the release as its file has it."""
        return f'{_HEAD}number = {self.number}\ndate = {self.made}\ncontent = "{self.content}"\n'


def content_digest(texts: Mapping[str, str]) -> str:
    """Return the digest of a catalogue's files, by name."""
    return sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()


def next_release(held: Release, texts: Mapping[str, str], today: date) -> Release:
    """Return the release of these files: `held` if they are its content, else one with the next number."""
    content = content_digest(texts)
    return held if content == held.content else Release(held.number + 1, today, content)


def parse_release(text: str) -> Release:
    """Read a release. Raise ConfigError."""
    try:
        match tomllib.loads(text):
            case {"number": int(number), "date": date() as made, "content": str(content)} if (
                number > 0 and not isinstance(made, datetime)
            ):
                return Release(number, made, content)
        problem = "must have a number above 0, a date and the digest `content`"
    except ValueError as error:
        problem = f"read as TOML: {error}"
    raise ConfigError((Problem(RELEASE_FILE, problem),))


def load_release() -> Release:
    """Return the release of the packaged catalogue. Raise ConfigError."""
    return parse_release((files("blocklists") / RELEASE_FILE).read_text(encoding="utf-8"))
