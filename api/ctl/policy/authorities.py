"""dnsfilterctl authority: public authorities."""

import argparse
from collections.abc import Iterator

from api.authorities.schemas import AuthorityRead
from api.ctl.arguments import KINDS, reason
from api.ctl.command import Body, Group, Options, Result, given
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words, end_words, usable_zone
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names, name_of
from api.ctl.exit_codes import WrongInput
from api.ctl.policy.onboarding import add_onboard
from api.ctl.policy.succession import add_ends
from api.ctl.policy.suspensions import banner_lines, find_current
from api.ctl.remote.client import Client, path
from dnsfilter.policy.faults import usage_fault
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.model import Usage

_OFF_RULES = {
    "reason": "require a reason to switch a ban off; approvers may set this too",
    "approver": "require approval when an operator switches a ban off; only administrators set no",
}
_FIELDS = ("kind", "languages", "time_zone", "contact", "usage", "group", "filtering_database")


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("authority")
    lister = group.add_verb("list", _list, "List authorities by slug.", "authority list --kind municipality")
    lister.add_argument("--kind", choices=KINDS, metavar="KIND", help=f"only this kind: {', '.join(KINDS)}")
    lister.add_argument("--group", metavar="NAME", help="only authorities of this group")
    lister.add_limit()
    show = group.add_verb("show", _show, "Show an authority.", "authority show ghent")
    show.add_slug("authority")
    _add_set(group)
    _add_client_level(group)
    add_onboard(group)
    remove = group.add_verb(
        "remove", _remove, "Remove an authority that has no ranges, bans or bindings.", "authority remove ghent"
    )
    remove.add_slug("authority")
    add_ends(group)


def _add_set(group: Group) -> None:
    parser = group.add_verb(
        "set",
        _set,
        "Register an authority, or change the given fields of one that exists.",
        'authority set ghent --kind municipality --name "nl=Stad Gent" --languages nl --contact ict@ghent.example',
        'authority set ghent --usage none --reason "the council does not need it"',
        "authority set ghent --off-needs-reason yes --off-needs-approver yes",
        "authority set ghent --register on",
    )
    parser.add_slug("authority")
    parser.add_argument("--kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument(
        "--name", action="append", type=_name, metavar="LANGUAGE=NAME", help="name in a language; may be repeated"
    )
    parser.add_argument("--languages", type=_words, metavar="LIST", help="languages in order, for example nl,fr")
    parser.add_argument("--time-zone", metavar="ZONE", help=f"time zone (default for a new authority: {DEFAULT_ZONE})")
    parser.add_argument(
        "--contact", metavar="TEXT", help="address or telephone number of a function, never of a person"
    )
    parser.add_argument("--usage", type=_usage, metavar="LEVEL", help=f"what to count: {', '.join(Usage)}")
    parser.add_argument(
        "--reason", type=reason, metavar="TEXT", help="the reason for --usage; an approver must give one"
    )
    parser.add_argument("--group", metavar="NAME", help="group, for display only; gives no permissions")
    parser.add_argument(
        "--register",
        choices=("on", "off"),
        metavar="ON/OFF",
        help="publish its bans in force at /register, which anybody may read",
    )
    parser.add_argument(
        "--filtering-database",
        metavar="ID",
        help='identifier under which browsers know the register as a database; "" for none',
    )
    for option, what in _OFF_RULES.items():
        parser.add_argument(f"--off-needs-{option}", choices=("yes", "no"), metavar="YES/NO", help=what)


def _add_client_level(group: Group) -> None:
    parser = group.add_verb(
        "client-level",
        _set_client_level,
        "Keep refused queries under daily pseudonyms of clients, until an end. Another usage level ends it early.",
        'authority client-level ghent --until 2026-12-31 --purpose "find devices that keep asking" '
        '--decision CBS/2026/1234 --legal-basis "decree over local government, article 56" --consultation DPO/2026/17',
    )
    parser.add_slug("authority")
    parser.add_argument("--until", required=True, metavar="DATE", help="last day, or end; at most six months from now")
    parser.add_argument("--purpose", required=True, type=reason, metavar="TEXT", help="what it is for")
    parser.add_argument("--decision", required=True, metavar="TEXT", help="reference of the formal decision")
    parser.add_argument("--legal-basis", required=True, metavar="TEXT", help="legal basis")
    parser.add_argument(
        "--consultation",
        required=True,
        metavar="TEXT",
        help="reference of the advice of the data protection officer and of staff",
    )


def _list(client: Client, options: Options) -> Result:
    page = client.list(AuthorityRead, path("authorities"), options.limit, given(options, "kind", "group"))
    return listed(page, lambda: _table(page.items), "authorities")


def _show(client: Client, options: Options) -> Result:
    found = client.get(AuthorityRead, path("authorities", options.authority))
    return Result(found, lambda: _shown_first(client, found))


def _shown_first(client: Client, found: AuthorityRead) -> Iterator[str]:
    yield from banner_lines(find_current(client, found.slug), Names(client))
    yield from _lines(found)


def _set(client: Client, options: Options) -> Result:
    where = path("authorities", options.authority)
    body: Body = given(options, *_FIELDS)
    if options.register is not None:
        body["public_register"] = options.register == "on"
    names = dict(options.name or ())
    rules = {name: value == "yes" for name, value in given(options, "off_needs_reason", "off_needs_approver").items()}
    if rules:
        if body or names:
            raise WrongInput(
                "--off-needs-reason and --off-needs-approver take no other option. Use a second command for those."
            )
        return _shown(client.send(AuthorityRead, "PATCH", f"{where}/off-rules", rules))
    if options.reason is not None:
        if names or list(body) != ["usage"]:
            raise WrongInput("--reason is for --usage alone. Use a second command for other options.")
        return _shown(client.send(AuthorityRead, "PATCH", f"{where}/usage", {**body, "reason": options.reason}))
    known = client.find(AuthorityRead, where)
    if known is None:
        return _shown(client.send(AuthorityRead, "PUT", where, {**body, "names": names}, {"If-None-Match": "*"}))
    if names:
        body["names"] = {**known.names, **names}
    # Names are merged here, so require the revision that was read: a concurrent change must not be lost.
    return _shown(client.send(AuthorityRead, "PATCH", where, body, {"If-Match": f'"r{known.revision}"'}))


def _set_client_level(client: Client, options: Options) -> Result:
    body = given(options, "until", "purpose", "decision", "legal_basis", "consultation")
    where = path("authorities", options.authority, "client-level")
    return _shown(client.send(AuthorityRead, "PUT", where, body))


def _remove(client: Client, options: Options) -> Result:
    client.delete(path("authorities", options.authority))
    return Result({"removed": options.authority}, lambda: [f"removed authority {options.authority}"])


def _shown(found: AuthorityRead) -> Result:
    return Result(found, lambda: _lines(found))


def _lines(found: AuthorityRead) -> Iterator[str]:
    yield from columns(
        [
            ("authority", f"{found.slug}  {name_of(found)}"),
            *(("name", f"{tag}: {name}") for tag, name in found.names.items()),
            ("kind", found.kind),
            ("languages", ", ".join(found.languages)),
            ("time zone", found.time_zone),
            ("contact", found.contact),
            ("usage", found.usage),
            *_client_rows(found),
            ("group", found.group or "none"),
            ("register", "published at /register" if found.public_register else "not published"),
            ("database", found.filtering_database or "none"),
            ("off needs", _off_words(found)),
            *_end_rows(found),
            ("revision", str(found.revision)),
        ]
    )


def _client_rows(found: AuthorityRead) -> Iterator[tuple[str, str]]:
    level = found.client_level
    if level is not None:
        yield "clients", f"noted {end_words(level.until, usable_zone(found.time_zone))}: {level.purpose}"
        yield "basis", ", ".join((level.decision, level.legal_basis, level.consultation))


def _off_words(found: AuthorityRead) -> str:
    """Return what switching a ban off requires."""
    needs = (("a reason", found.off_needs_reason), ("an approver", found.off_needs_approver))
    return " and ".join(what for what, needed in needs if needed) or "nothing more"


def _end_rows(found: AuthorityRead) -> Iterator[tuple[str, str]]:
    if found.closes is None:
        return
    verb = "closed" if found.state == "closed" else "closes"
    yield verb, f"{at_words(found.closes, usable_zone(found.time_zone))}: {found.closed_reason}"
    if found.closed_decision is not None:
        words = (found.closed_decision.organ, found.closed_decision.reference, found.closed_decision.date)
        yield "decision", ", ".join(filter(None, words))
    if found.successor is not None:
        yield "successor", found.successor


def _table(items: list[AuthorityRead]) -> Iterator[str]:
    rows = [
        (item.slug, name_of(item), item.kind, _state(item), item.time_zone, item.usage, item.contact) for item in items
    ]
    yield from table(
        ("authority", "name", "kind", "state", "time zone", "usage", "contact"),
        rows,
        ("usage", "contact", "time zone", "name"),
    )


def _state(item: AuthorityRead) -> str:
    if item.closes is None:
        return item.state
    end = end_words(item.closes, usable_zone(item.time_zone))
    return f"closed, was served {end}" if item.state == "closed" else f"closing, served {end}"


def _name(text: str) -> tuple[str, str]:
    language, equals, name = text.partition("=")
    if not language or not equals or not name.strip():
        raise argparse.ArgumentTypeError(f'{text!r} is not a name in a language. Write for example "nl=Stad Gent"')
    return language, name.strip()


def _usage(text: str) -> str:
    fault = usage_fault(text)
    if fault is None and text not in list(Usage):
        fault = f"{text!r} is not one of {', '.join(Usage)}"
    if fault is not None:
        raise argparse.ArgumentTypeError(fault)
    return text


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]
