"""Parse arguments of commands, and the words that they may have."""

import argparse
import re
from collections.abc import Callable
from enum import StrEnum
from ipaddress import ip_network

from api.ctl.ban_references import is_service, is_slug
from api.http.patterns import MIN_REASON
from dnsfilter.policy.model import Audience, Funding, Kind
from dnsfilter.policy.single_names import parse_single_name
from dnsfilter.wire.name_or_url import parse_typed_name
from dnsfilter.wire.names import name_text

MAX_DIGITS = 19


def words_of(kind: type[StrEnum]) -> tuple[str, ...]:
    """Return the words of an enumeration, in its order."""
    return tuple(map(str, kind))


KINDS, FUNDING, AUDIENCE = words_of(Kind), words_of(Funding), words_of(Audience)


def slug(text: str) -> str:
    """Parse an argument that names an authority, a service or a site."""
    if not is_slug(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a slug. Use lower-case letters, digits and hyphens, for example ghent"
        )
    return text


def service(text: str) -> str:
    """Parse an argument that names a service."""
    if not is_service(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a service. Write tiktok, or ghent:games for an own service")
    return text


def own_service(text: str) -> str:
    """Parse an argument that names an authority's own service."""
    if ":" not in text or not is_service(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an own service. Write for example ghent:games")
    return text


def reason(text: str) -> str:
    """Parse an argument that gives a reason."""
    if len(text.strip()) < MIN_REASON:
        raise argparse.ArgumentTypeError(f"give a reason of at least {MIN_REASON} characters")
    return text


def question(text: str) -> str:
    """Parse an argument as a domain name. Of a URL, only the host leaves this machine."""
    try:
        return name_text(parse_typed_name(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def single_name(text: str) -> str:
    """Parse an argument as a name that can be refused or allowed by itself. Of a URL, only the host counts."""
    try:
        return name_text(parse_single_name(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def integer(least: int, most: int, fault: str = "") -> Callable[[str], int]:
    """Return the parser of an argument that is a number from `least` to `most`. `fault` replaces the error text."""
    problem = fault or f"is not a number from {least} to {most}"

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} {problem}")
        return int(text)

    return parse


number = integer(1, 999_999_999, "is not a number from 1 to 999999999. Type the command `list` to see the numbers")
"""Parse the number of a binding, an exemption, a grant or a token."""


def prefix(text: str) -> str:
    """Parse an address prefix; a single address counts as one."""
    try:
        return str(ip_network(text))
    except ValueError as error:
        # Imported here, because it needs pydantic.
        from api.http.prefixes import why_no_prefix

        raise argparse.ArgumentTypeError(why_no_prefix(text)) from error


def tiers(text: str) -> list[int]:
    """Parse comma-separated tiers."""
    if not re.fullmatch(r"[1-9](,[1-9]){0,8}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of tiers. Write for example 1,2")
    return sorted({int(part) for part in text.split(",")})
