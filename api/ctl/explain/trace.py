"""dnsfilterctl trace: from a past answer to the formal decision behind it."""

from collections.abc import Iterator, Sequence

from api.ctl.arguments import question
from api.ctl.command import WHEN, Group, Options, Result, given
from api.ctl.display.account_names import Accounts
from api.ctl.display.local_times import at_words, period_words, term_words
from api.ctl.display.safe_text import columns
from api.ctl.display.shown_names import Names
from api.ctl.explain.explain import answer_words, considered_row, range_words
from api.ctl.policy.ban_lines import decision_rows
from api.ctl.policy.bindings import NEW_NAMES
from api.ctl.policy.revisions import digest_rows
from api.ctl.remote.client import Client
from api.explain.schemas import SuspendedRead
from api.trace.schemas import ListedRead, PublicationRead, TracedActRead, TraceRead

SHOWN_FIELDS = 4
"""Maximum number of fields to name for an act. `--json` names them all."""

_COMPARED = {
    True: "the stored policy compiles to the rules and ranges of this snapshot",
    False: "THE STORED POLICY DOES NOT COMPILE TO THIS SNAPSHOT: one of the two was altered",
    None: "not compared: compiled by another version",
}

Cells = list[tuple[str, str]]


def add(groups: Group) -> None:
    """Add the command."""
    trace = groups.add_command("trace", _trace, 'trace 127.0.5.10 www.tiktok.com --at "2026-03-02 10:15"')
    trace.add_argument("client", metavar="CLIENT", help="address of the client")
    trace.add_argument("name", type=question, metavar="NAME", help="domain name, or a URL")
    trace.add_argument("--at", required=True, metavar="WHEN", help=f"{WHEN}, in the past")
    trace.add_site()


def _trace(client: Client, options: Options) -> Result:
    found = client.get(TraceRead, "/v1/trace", given(options, "client", "name", "at", "site"))
    return Result(found, lambda: _lines(found, Names(client), Accounts(client)))


def _lines(found: TraceRead, names: Names, accounts: Accounts) -> Iterator[str]:
    zone = names.time_zone(found.decision.authority)
    blocks = [
        _question(found, names, zone),
        _revision(found, zone),
        *([_list(entry, names, zone) for entry in found.lists]),
        *([_ban(found, names)] if found.ban is not None else []),
        *([_binding(found, zone)] if found.binding is not None else []),
        *([_exemptions(found)] if found.exemptions else []),
    ]
    for block in blocks:
        yield from columns(block)
        yield ""
    if found.acts:
        yield "acts:"
        accounts.prepare({act.account for act in found.acts})
        yield from columns([_act(act, zone, accounts) for act in found.acts], indent="  ")
        yield ""
    if found.decision.rows:
        yield "considered:"
        yield from columns([considered_row(row, found.decision, names) for row in found.decision.rows], indent="  ")
        yield ""
    yield f"This is {found.meaning}."


def _question(found: TraceRead, names: Names, zone: str | None) -> Cells:
    decision = found.decision
    return [
        ("question", f"{decision.client} asked for {decision.name}"),
        ("at", at_words(found.at, zone)),
        ("range", range_words(decision.range, decision.site)),
        ("authority", names.labelled(decision.authority)),
        ("answer", answer_words(decision)),
        *([("text", decision.text)] if decision.text else []),
        *([("suspended", _suspended(decision.suspension, zone))] if decision.suspension is not None else []),
        ("why", decision.reason),
    ]


def _suspended(found: SuspendedRead, zone: str | None) -> str:
    subject = "for everybody" if found.authority is None else "for the authority"
    return f"suspension {found.number}, {subject}, until {at_words(found.until, zone)}: {found.reason}"


def _revision(found: TraceRead, zone: str | None) -> Cells:
    publication = found.publication
    return [
        ("revision", f"{found.revision}, {_span(found.since, found.until, zone)}"),
        ("snapshot", f"publication {publication.number}, {_span(publication.since, publication.until, zone)}"),
        ("compared", _COMPARED[found.reproduced]),
        *digest_rows(publication),
    ]


def _list(entry: ListedRead, names: Names, zone: str | None) -> Cells:
    reach = "this name only" if entry.exact else "and all below it"
    return [
        ("list", f"{entry.service}  {names.service(entry.service)}, tier {entry.tier}: {entry.name}, {reach}"),
        ("version", entry.digest),
        ("listed", f"since {_since(entry.since, zone)}"),
        *(("source", f"{source.id}  {source.what}") for source in entry.sources),
    ]


def _since(publication: PublicationRead, zone: str | None) -> str:
    return f"{at_words(publication.since, zone)} (publication {publication.number}, revision {publication.revision})"


def _ban(found: TraceRead, names: Names) -> Cells:
    ban = found.ban
    if ban is None:
        return []
    zone = names.time_zone(ban.authority)
    rows = [
        ("ban", f"{ban.authority}/{ban.service} (ban {ban.number}), {names.words(f'{ban.authority}/{ban.service}')}"),
        ("mode", ban.mode),
        ("reply", " ".join([ban.reply, *ban.addresses])),
    ]
    if found.term is not None:
        rows.append(("term", term_words(found.term, zone)))
    return [*rows, *(decision_rows(found.formal) if found.formal is not None else [])]


def _binding(found: TraceRead, zone: str | None) -> Cells:
    binding = found.binding
    if binding is None:
        return []
    return [
        ("binding", f"{binding.number}: {binding.ban} applies in {binding.authority} by {binding.ground}"),
        ("instrument", f"{binding.instrument} {binding.date}".strip()),
        ("period", period_words(binding.start, binding.end, zone)),
        *([NEW_NAMES] if binding.new_names_at_once else []),
    ]


def _exemptions(found: TraceRead) -> Cells:
    return [
        (
            "exemption",
            f"{one.number} from {one.ban}, {period_words(one.start, one.end, one.time_zone)}: {one.reason}",
        )
        for one in found.exemptions
    ]


def _act(act: TracedActRead, zone: str | None, accounts: Accounts) -> Sequence[str]:
    many = len(act.fields) > SHOWN_FIELDS
    fields = f"sets {len(act.fields)} fields" if many else f"sets {', '.join(act.fields)}" if act.fields else ""
    return (
        str(act.seq),
        at_words(act.time, zone),
        accounts.words(act.account),
        act.act,
        act.object,
        f"revision {act.revision}",
        fields,
    )


def _span(since: str, until: str | None, zone: str | None) -> str:
    end = "still in force" if until is None else f"superseded {at_words(until, zone)}"
    return f"in force since {at_words(since, zone)}, {end}"
