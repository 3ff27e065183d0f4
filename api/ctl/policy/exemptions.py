"""dnsfilterctl exemption: remove one ban from named ranges."""

from collections.abc import Iterator
from dataclasses import replace

from api.ctl.arguments import prefix
from api.ctl.ban_references import METAVAR, reference
from api.ctl.command import (
    PROGRAM,
    Group,
    Options,
    Result,
    given,
    term_body,
)
from api.ctl.display.account_names import Accounts
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words, period_words, usable_zone
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.ctl.numbered import Numbered
from api.ctl.policy.approvals import add_deciding, outcome_rows, prepare
from api.ctl.remote.client import Client, path
from api.exemptions.schemas import ExemptionRead, ExemptionState


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("exemption")
    lister = group.add_verb("list", _list, "List exemptions, including requests.", "exemption list --ban ghent/tiktok")
    lister.add_argument("--ban", type=reference, metavar=METAVAR, help="only exemptions from this ban")
    lister.add_slug("--site", "only exemptions at this site")
    lister.add_state(ExemptionState)
    lister.add_limit()
    group.add_numbered("show", _EXEMPTIONS.show, "Show an exemption.", "exemption show 1")
    _add_ask(group)
    add_deciding(group, "exemption", _EXEMPTIONS)
    revoke = _EXEMPTIONS.act("revoke", "reason")
    group.add_numbered("revoke", revoke, "Revoke an exemption.", 'exemption revoke 1 --reason "not used"').add_reason()


def _add_ask(group: Group) -> None:
    parser = group.add_verb(
        "ask",
        _ask,
        "Ask for an exemption. It takes effect when approved.",
        'exemption ask ghent/tiktok 192.0.2.0/28 --for "3 months" --hours "Mon-Fri 09:00-12:00" --reason "promotion"',
    )
    parser.add_ban("ban to remove")
    parser.add_argument("ranges", nargs="+", type=prefix, metavar="PREFIX", help="ranges, exactly as registered")
    parser.add_argument(
        "--hours",
        action="append",
        metavar="HOURS",
        help='weekly hours: "Mon-Fri 09:00-12:00", or 12-14h every day; may be repeated',
    )
    parser.add_argument(
        "--time-zone",
        metavar="ZONE",
        help="time zone of hours and dates (default: that of the authority of the ranges)",
    )
    parser.add_reason()
    parser.add_site()
    parser.add_term()


def _list(client: Client, options: Options) -> Result:
    page = client.list(ExemptionRead, path("exemptions"), options.limit, given(options, "ban", "site", "state"))
    return listed(page, lambda: _table(page.items, Names(client), Accounts(client)), "exemptions")


def _ask(client: Client, options: Options) -> Result:
    body = {**given(options, "ban", "site", "ranges", "hours", "time_zone", "reason"), **term_body(options)}
    made = client.send(ExemptionRead, "POST", path("exemptions"), body)
    approver = made.ban.partition("/")[0]
    waits = f"It waits for an approver of {approver}, who types: {PROGRAM} exemption approve {made.number}"
    shown = _EXEMPTIONS.shown(client, made)
    return replace(shown, notes=(*shown.notes, waits))


def _lines(found: ExemptionRead, names: Names, accounts: Accounts) -> Iterator[str]:
    zone = usable_zone(found.time_zone)
    rows = [
        ("exemption", str(found.number)),
        ("from the ban", f"{found.ban}: {names.words(found.ban)}"),
        ("ranges", f"{', '.join(found.ranges)} at site {found.site}"),
        ("term", period_words(found.start, found.end, zone)),
        *(("hours", f"{hours} {found.time_zone}") for hours in found.hours),
        ("reason", found.reason),
        ("state", _state(found)),
        *([("next", f"from {at_words(found.next, zone)}")] if found.next is not None else []),
        *outcome_rows(found, zone, accounts),
    ]
    yield from columns(rows)


_EXEMPTIONS = Numbered(ExemptionRead, "exemptions", _lines)


def _state(found: ExemptionRead) -> str:
    """Return the state, and whether an exemption in force is outside its weekly hours now."""
    words = found.state.replace("_", " ")
    return f"{words}, but not at this hour" if found.state == "in_force" and found.holds is False else words


def _table(items: list[ExemptionRead], names: Names, accounts: Accounts) -> Iterator[str]:
    prepare(items, names, accounts)
    rows = [
        (
            str(item.number),
            *names.both(item.ban),
            ",".join(item.ranges),
            _state(item),
            period_words(item.start, item.end, usable_zone(item.time_zone)),
            "; ".join(item.hours),
            accounts.words(item.requested_by),
        )
        for item in items
    ]
    yield from table(
        ("no.", "ban of", "name", "service", "name", "ranges", "state", "term", "hours", "asked by"),
        rows,
        ("name", "asked by", "hours"),
    )
