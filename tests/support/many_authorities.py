"""A policy of many small authorities: each has a /24 of loopback and a ban on the same service."""

SERVICE = "tiktok"
NAME = "www.tiktok.com"
MAX_AUTHORITIES = 100


def body_of(number: int) -> str:
    """Return the slug of an authority, numbered from 0."""
    return f"body-{number:02}"


def client_of(number: int) -> str:
    """Return an address in the authority's range."""
    return f"127.0.{100 + number}.10"


def policy_text(count: int) -> str:
    """Return the policy file of `count` authorities with enforced bans."""
    assert 0 < count <= MAX_AUTHORITIES
    return "\n".join(_body(number) for number in range(count))


def _body(number: int) -> str:
    slug = body_of(number)
    return f"""
[[authority]]
slug = "{slug}"
kind = "municipality"
names = {{ nl = "Stad {number}" }}
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@{slug}.example"

[[range]]
prefix = "127.0.{100 + number}.0/24"
authority = "{slug}"
label = "offices"
funding = "public"
audience = "staff"

[[ban]]
authority = "{slug}"
service = "{SERVICE}"
mode = "enforce"

[ban.decision]
organ = "college"
reference = "C-{number}"
date = "2023-03-24"
legal_basis = "decree {number}"

[[ban.term]]
start = "today"
for = "6 months"
"""
