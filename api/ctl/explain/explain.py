"""dnsfilterctl explain and who: what the policy decides for a client."""

from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence

from api.ctl.arguments import question
from api.ctl.command import WHEN, Group, Options, Result, given
from api.ctl.display.local_times import at_words, soon_words
from api.ctl.display.safe_text import columns, escape
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import WrongInput
from api.ctl.policy.suspensions import local_lines, suspended_lines
from api.ctl.remote.client import Client
from api.explain.schemas import (
    AllottedRead,
    ClientRangeRead,
    ConcernRead,
    ConsideredRead,
    DecisionRead,
    NestedRead,
    WhoRead,
    WinnerRead,
)
from dnsfilter.cli.running.instead_of_client import InsteadOfClient
from dnsfilter.policy.device_phrase import use_words
from dnsfilter.policy.fleets import FLEET_WITHOUT_NAME, is_fleet_text

EDE = {15: "Blocked", 16: "Censored", 18: "Prohibited"}
"""Extended DNS error codes of dnsfilter's own refusals, RFC 8914 section 5.2."""
STANDINGS = {
    "in_force": "in force",
    "off": "switched off",
    "not_bound": "binding not in force here",
    "not_in_term": "no term in force",
    "not_covered": "does not cover this funding or audience",
    "other_tier": "does not cover this tier of the service",
    "exempted": "removed here by an exemption",
    "suspended": "suspended",
    "allowed": "freed here by an allowed name",
    "pending": "pending: only monitored for now",
}


def add(groups: Group) -> None:
    """Add the commands."""
    explain = groups.add_command(
        "explain",
        _explain,
        "explain 127.0.5.10 www.tiktok.com",
        "explain 127.0.5.10 https://www.tiktok.com/@ghent",
        'explain 192.0.2.10 www.tiktok.com --at "2026-10-01 09:00"',
        'explain --fleet "phones of staff" www.tiktok.com',
    )
    explain.add_argument("client", metavar="CLIENT", help="address of the client; leave it out with --fleet")
    explain.add_argument("name", type=question, metavar="NAME", help="domain name, or a URL")
    explain.add_argument(
        "--fleet", action=InsteadOfClient, metavar="LABEL", help="a fleet instead of a client: LABEL or AUTHORITY/LABEL"
    )
    explain.add_argument("--at", metavar="WHEN", help=f"{WHEN} (default: now)")
    explain.add_site()
    who = groups.add_command("who", _who, "who 127.0.5.10")
    who.add_argument("address", metavar="ADDRESS", help="address of a client")
    who.add_site()


def _explain(client: Client, options: Options) -> Result:
    asked = given(options, "client", "fleet", "name", "at", "site")
    if options.fleet is not None:
        if options.name is not None:
            raise WrongInput("give either CLIENT before the name, or --fleet")
        try:
            asked["name"] = question(asked.pop("client"))
        except ArgumentTypeError as error:
            raise WrongInput(f"NAME: {error}") from error
    found = client.get(DecisionRead, "/v1/decision", asked)
    return Result(found, lambda: _explained(client, found, Names(client), now=options.at is None))


def _who(client: Client, options: Options) -> Result:
    found = client.get(WhoRead, "/v1/who", given(options, "address", "site"))
    return Result(found, lambda: _owned(client, found, Names(client)))


def _explained(client: Client, found: DecisionRead, names: Names, *, now: bool) -> Iterator[str]:
    if now:
        yield from local_lines(client, found.authority, found.site, names)
    yield from _explanation(found, names, now=now)


def _owned(client: Client, found: WhoRead, names: Names) -> Iterator[str]:
    yield from local_lines(client, found.authority, found.site, names)
    yield from _owner(found, names)


def _explanation(found: DecisionRead, names: Names, *, now: bool) -> Iterator[str]:
    zone = names.time_zone(found.authority)
    if found.suspension is not None:
        yield from suspended_lines(found.suspension.authority, found.suspension.until, found.suspension.reason, names)
    if found.fleet_has_name is False:
        yield FLEET_WITHOUT_NAME
    services = ", ".join(f"{slug}  {names.service(slug)}" for slug in found.services) or "none"
    rows = [
        ("verdict", found.verdict),
        ("answer", answer_words(found)),
        *([("text", found.text)] if found.text else []),
        ("client", found.client),
        ("range", range_words(found.range, found.site)),
        ("authority", names.labelled(found.authority)),
        ("name", found.name),
        ("service", services),
        ("at", f"{at_words(found.at, zone)}, revision {found.revision}"),
        ("winner", _winner(found.winner, names)),
        ("why", found.reason),
    ]
    yield from columns(rows)
    yield ""
    if not found.rows:
        yield "no ban to consider"
        return
    yield "considered:"
    yield from columns([considered_row(row, found, names) for row in found.rows], indent="  ")
    yield from _ahead_lines(found.rows, found.at if now else None, zone)


def _ahead_lines(rows: Sequence[ConsideredRead | ConcernRead], now: str | None, zone: str | None) -> Iterator[str]:
    """Yield a line for each exemption that will remove a ban. `now` is None if the answer is about another time."""
    ahead = [(row, row.ahead) for row in rows if row.ahead is not None]
    if not ahead:
        return
    yield ""
    for row, found in ahead:
        hours = f" {', '.join(found.hours)}" if found.hours else ""
        when = soon_words(found.next, now, zone)
        yield f"exemption {found.number} removes ban {row.ban_number} here{hours}, next {when}"


def answer_words(found: DecisionRead) -> str:
    """Return the answer that the client gets."""
    if found.verdict != "refuse":
        return "not refused: normal DNS answer" + (", counted" if found.verdict == "monitor" else "")
    if found.ede is None:
        return found.rcode
    title = f" ({EDE[found.ede]})" if found.ede in EDE else ""
    return f"{found.rcode}, EDE {found.ede}{title}"


def range_words(found: ClientRangeRead | None, site: str) -> str:
    """Return the range that holds the client."""
    if found is None:
        return f"unregistered: in no range of site {site}"
    if is_fleet_text(found.prefix):
        return f"fleet {found.label} ({use_words(found.audience, found.funding)}) at site {found.site}"
    label = f"{found.label}; " if found.label else ""
    return f"{found.prefix} ({label}{use_words(found.audience, found.funding)}) at site {found.site}"


def _winner(winner: WinnerRead | None, names: Names) -> str:
    if winner is None:
        return "none"
    how = "through a binding" if winner.bound else "its own"
    number, reference, *both = _ban(winner, names)
    listed = "" if winner.prohibited_list is None else f", from {winner.prohibited_list} version {winner.list_version}"
    return f"{reference} ({number}), {' on '.join(both)}, {how}, by the name {winner.suffix}{listed}"


def _ban(ban: WinnerRead | ConsideredRead | ConcernRead, names: Names) -> tuple[str, str, str, str]:
    """Return number, reference, and the names of authority and service."""
    return f"ban {ban.ban_number}", ban.ban, names.authority(ban.authority), names.service(ban.service)


def considered_row(row: ConsideredRead, found: DecisionRead, names: Names) -> tuple[str, ...]:
    """Return a ban that was considered, as cells of a line."""
    if not row.bound:
        source = "own"
    elif row.binding is None:
        source = "bound"
    else:
        source = f"bound, binding {row.binding}"
    return (*_ban(row, names), row.mode, source, _standing(row, found))


def _standing(row: ConsideredRead, found: DecisionRead) -> str:
    words = _standing_words(row)
    if row.standing == "exempted" and row.exemption is not None:
        return f"removed here by exemption {row.exemption}"
    if row.standing == "allowed" and row.allowed is not None:
        return f"freed here by allowed name {row.allowed}"
    if row.standing != "in_force":
        return words
    if found.winner is not None and row.ban_number == found.winner.ban_number:
        return f"{words}, counted" if row.mode == "monitor" else f"{words}, decides"
    return f"{words}, also counted" if row.mode == "monitor" else f"{words}, outranked"


def _standing_words(ban: ConsideredRead | ConcernRead) -> str:
    return STANDINGS.get(ban.standing, ban.standing.replace("_", " "))


def _owner(found: WhoRead, names: Names) -> Iterator[str]:
    zone = names.time_zone(found.authority)
    if found.suspension is not None:
        yield from suspended_lines(found.suspension.authority, found.suspension.until, found.suspension.reason, names)
    rows = [
        ("address", found.address),
        ("range", range_words(found.range, found.site)),
        ("authority", names.labelled(found.authority)),
        ("contact", found.contact or "none"),
        ("at", f"{at_words(found.at, zone)}, revision {found.revision}"),
    ]
    yield from columns(rows)
    if found.nesting or found.space is not None:
        yield ""
        yield "contained in:"
        yield from _nesting_lines(found.nesting, found.space, names)
    if found.range is None:
        return
    yield ""
    if not found.bans:
        yield "no ban applies to this range"
        return
    yield "bans:"
    bans = [
        (
            *_ban(ban, names),
            ban.mode,
            "bound" if ban.bound else "own",
            _standing_words(ban),
            ban.reference or "",
        )
        for ban in found.bans
    ]
    yield from columns(bans, indent="  ")
    yield from _ahead_lines(found.bans, found.at, zone)


def _nesting_lines(nesting: Sequence[NestedRead], space: AllottedRead | None, names: Names) -> Iterator[str]:
    """Yield the ranges that hold an address, the widest first, each indented further; then the space."""
    for depth, held in enumerate(reversed(nesting)):
        label = f"{held.label}; " if held.label else ""
        owner = names.labelled(held.authority)
        yield "  " * (depth + 1) + escape(f"{held.prefix}  {owner}  ({label}{use_words(held.audience, held.funding)})")
    if space is not None:
        yield escape(f"in {space.prefix}, allotted to {names.labelled(space.authority)}")
