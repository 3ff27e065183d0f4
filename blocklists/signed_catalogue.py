"""Catalogue updates: all files of a catalogue as one signed file, for an installation between releases. Pure.

{"date": "2026-12-01", "files": {"tiktok.toml": "…"}, "format": 1, "key": "…", "number": 7, "signature": "…"}

`key` is the public key under which the file is signed. It only makes a message clearer: an installation trusts the key
of its own setting.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from typing import NoReturn, TypeAlias

from blocklists.catalogue import Catalogue, parse_catalogue
from blocklists.catalogue_release import Release
from dnsfilter.errors import ConfigError, DnsfilterError
from dnsfilter.snapshot.signature import is_signed

MAX_BYTES = 8 << 20
"""Maximum size of a signed catalogue: thirty times that of the packaged one."""
FORMAT = 1
Sign: TypeAlias = Callable[[Mapping[str, object], bytes], bytes]
"""Sign a JSON object in a context: `signed_json` with a key."""
_CONTEXT = b"dnsfilter catalogue 1\0"
_SHOWN_PROBLEMS = 5


class Refusal(StrEnum):
    """Why a signed catalogue is refused."""

    NO_KEY = "no_key"
    TOO_LARGE = "too_large"
    DAMAGED = "damaged"
    OTHER_KEY = "other_key"
    SIGNATURE = "signature"
    NOT_NEWER = "not_newer"


class RefusedCatalogue(DnsfilterError):
    """A signed catalogue that cannot be used. The message says what is wrong, and what to do."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def sign_catalogue(texts: Mapping[str, str], release: Release, public_key: str, sign: Sign) -> bytes:
    """Return the file of a catalogue's files, signed under `public_key`. The bytes are always the same.

    Raise ConfigError.
    """
    parse_catalogue(texts)
    value = {
        "date": str(release.made),
        "files": dict(texts),
        "format": FORMAT,
        "key": public_key,
        "number": release.number,
    }
    return sign(value, _CONTEXT)


def open_catalogue(data: bytes, public_key: str, newest: int) -> Catalogue:
    """Return the catalogue of a signed file. Raise RefusedCatalogue.

    `public_key` is the trusted key in hexadecimal; empty if none is. `newest` is the highest number known until now.
    """
    if not public_key:
        _refuse(Refusal.NO_KEY, "no key is trusted: set catalogue_key to the public key of who signs the catalogue")
    if len(data) > MAX_BYTES:
        _refuse(Refusal.TOO_LARGE, f"the file has {len(data)} bytes, at most {MAX_BYTES} are allowed")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        _refuse(Refusal.DAMAGED, "the file is damaged, or no signed catalogue: it is not JSON. Get it again")
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        _refuse(Refusal.DAMAGED, f"the file is no signed catalogue of format {FORMAT}. Get it again")
    if value.get("key") != public_key:
        # Until the signature is verified, this text is anybody's.
        named = ascii(str(value.get("key"))[:16])[1:-1]
        _refuse(
            Refusal.OTHER_KEY,
            f"the file is signed under the key {named}…, and this installation trusts {public_key[:16]}… alone. Ask "
            "who gave you the file, or change the setting catalogue_key",
        )
    if not is_signed(value, _CONTEXT, public_key):
        _refuse(Refusal.SIGNATURE, f"the signature is not valid for {public_key[:16]}…: somebody changed the file")
    return _catalogue(value, newest)


def demand_newer(number: int, made: date | None, newest: int) -> None:
    """Raise RefusedCatalogue unless a catalogue's number is higher than `newest`."""
    if number <= newest:
        _refuse(
            Refusal.NOT_NEWER,
            f"the file is catalogue {number} of {made}, and this installation already has {newest}. Get a newer one",
        )


def _catalogue(value: Mapping[str, object], newest: int) -> Catalogue:
    """Return the catalogue of a file whose signature is valid."""
    number, texts = value.get("number"), value.get("files")
    try:
        made = date.fromisoformat(str(value.get("date")))
    except ValueError:
        _refuse(Refusal.DAMAGED, f"the date {str(value.get('date'))[:20]!r} is none such as 2026-12-01")
    if (
        not isinstance(number, int)
        or not isinstance(texts, dict)
        or not all(isinstance(t, str) for t in texts.values())
    ):
        _refuse(Refusal.DAMAGED, "the file lacks a number, or the texts of the services")
    demand_newer(number, made, newest)
    try:
        return parse_catalogue(texts, number, made)
    except ConfigError as error:
        shown = "; ".join(map(str, error.problems[:_SHOWN_PROBLEMS]))
        _refuse(Refusal.DAMAGED, f"{len(error.problems)} problems in its services: {shown}")


def _refuse(reason: Refusal, message: str) -> NoReturn:
    raise RefusedCatalogue(reason, message)
