"""How dnsfilterctl prints bans."""

from collections.abc import Iterable, Iterator

from api.bans.schemas import BanRead, BanWarningRead, FormalRead
from api.ctl.display.account_names import Accounts
from api.ctl.display.local_times import at_words, reach_words, term_words
from api.ctl.display.safe_text import columns, table
from api.ctl.display.shown_names import Names
from api.http.formal_decisions import FormalDecisionRead
from dnsfilter.policy.calendar import parse_instant


def warning_notes(warnings: Iterable[BanWarningRead] | None) -> tuple[str, ...]:
    """Return a line for each warning."""
    return tuple(f"warning: {one.message}" for one in warnings or ())


def ban_notes(ban: BanRead) -> tuple[str, ...]:
    """Return the notes and warnings of a ban."""
    return *ban.notes, *warning_notes(ban.warnings)


def ban_lines(ban: BanRead, names: Names, more: Iterable[tuple[str, str]] = ()) -> Iterator[str]:
    """Yield a ban with its decision and terms, and `more` rows."""
    zone = names.time_zone(ban.authority)
    rows = [
        ("authority", names.labelled(ban.authority)),
        ("service", f"{ban.service}  {names.service(ban.service)}"),
        ("mode", _mode(ban, zone)),
        ("state", _state(ban)),
        ("reply", " ".join([ban.reply, *ban.addresses])),
        ("tiers", ",".join(map(str, ban.tiers))),
        ("funding", ", ".join(ban.funding)),
        ("audience", ", ".join(ban.audience)),
        ("number", f"{ban.number}, revision {ban.revision}"),
        *_list_rows(ban),
        *decision_rows(ban.decision),
    ]
    for term in ban.terms:
        rows.append(("term", term_words(term, zone)))
        rows += decision_rows(term.decision, "  ")
        if term.ended_decision is not None:
            rows += decision_rows(term.ended_decision, "  ended: ")
    yield from columns([*rows, *more])


def _list_rows(ban: BanRead) -> list[tuple[str, str]]:
    if ban.prohibited_list is None:
        return []
    return [("from the list", f"{ban.prohibited_list}, version {ban.list_version}")]


def decision_rows(decision: FormalDecisionRead, prefix: str = "") -> list[tuple[str, str]]:
    """Return the rows of a formal decision, one for each known field."""
    fields = [
        ("organ", decision.organ),
        ("reference", decision.reference),
        ("decided", decision.date),
        ("legal basis", decision.legal_basis),
        ("advice", decision.advice),
        ("link", decision.link),
        ("follows", (decision.follows or "") if isinstance(decision, FormalRead) else ""),
    ]
    return [(prefix + name, value) for name, value in fields if value]


def _mode(ban: BanRead, zone: str | None) -> str:
    words = ban.mode if ban.mode_set is None else f"{ban.mode}, set {at_words(ban.mode_set, zone)}"
    if ban.off_until is not None:
        words += f", until {_off_end(ban, zone)}"
    return f"{words}: {ban.mode_reason}" if ban.mode_reason else words


def _state(ban: BanRead) -> str:
    words = [ban.state.replace("_", " ")]
    if ban.ending is not None:
        left, is_review = ban.ending.days_left, ban.ending.what == "review"
        if not left:
            words.append("review overdue")
        elif left == 1:  # A day that has begun is a day: perhaps only minutes are left.
            words.append("review within a day" if is_review else "within a day")
        else:
            words.append(f"review in {left} days" if is_review else f"{left} days left")
    return ", ".join([*words, "provisional"] if ban.provisional else words)


def _list_order(ban: BanRead) -> tuple[int, int]:
    """Return the sort key of a list: suspended bans first, then those that end, the earliest first."""
    if ban.state == "suspended":
        return 0, 0
    return (1, parse_instant(ban.ending.at)) if ban.ending is not None else (2, 0)


def ban_table(items: list[BanRead], names: Names, _accounts: Accounts) -> Iterator[str]:
    """Return a table of bans."""
    names.prepare({item.authority for item in items}, {item.service for item in items})
    rows = [
        (
            item.authority,
            names.authority(item.authority),
            item.service,
            names.service(item.service),
            item.mode,
            item.reply,
            _state(item),
            reach_words(item.terms, names.time_zone(item.authority)),
        )
        for item in sorted(items, key=_list_order)
    ]
    yield from table(
        ("authority", "name", "service", "name", "mode", "reply", "state", "term"), rows, ("name", "reply")
    )


def _off_end(ban: BanRead, zone: str | None) -> str:
    """Return until when a ban is off, and the mode that returns then."""
    return "set again" if ban.off_until is None else f"{at_words(ban.off_until, zone)}, then {ban.returns_to}"


def off_table(items: list[BanRead], names: Names, accounts: Accounts) -> Iterator[str]:
    """Return a table of bans that are off: since when, until when, by whom and why."""
    names.prepare({item.authority for item in items}, {item.service for item in items})
    accounts.prepare({item.mode_set_by for item in items})
    rows = []
    for item in items:
        zone = names.time_zone(item.authority)
        since = "" if item.mode_set is None else at_words(item.mode_set, zone)
        by = "" if item.mode_set_by is None else accounts.words(item.mode_set_by)
        subject = (item.authority, names.authority(item.authority), item.service, names.service(item.service))
        rows.append((*subject, since, _off_end(item, zone), by, item.mode_reason))
    yield from table(("authority", "name", "service", "name", "off since", "until", "by", "reason"), rows, ("name",))
