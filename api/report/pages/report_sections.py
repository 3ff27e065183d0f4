"""Put a report into sections, in one language. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from api.bans.schemas import FormalRead
from api.report.pages.content import Content, Facts, Part, Section, Table
from api.report.pages.drawings import bypass_chart, modes_chart, queries_chart
from api.report.pages.first_page import first_page, not_counted
from api.report.pages.list_parts import of_ban, versions
from api.report.pages.scope_words import concerned, range_acts, scope_changes, scope_facts
from api.report.pages.words import Words
from api.report.schemas import (
    BanReportRead,
    BoundRead,
    BucketRead,
    CountsRead,
    ExemptionReportRead,
    Interval,
    Language,
    ReportKind,
    ReportRead,
    SpanRead,
)
from dnsfilter.policy.calendar import parse_instant
from dnsfilter.policy.model import Ground, Usage

SHOWN_DIGEST = 16
"""Digits of a digest in a table."""


def content_of(made: ReportRead, language: Language) -> Content:
    """Return a report in a language."""
    words = Words(made, language)
    _ = words.text
    period = _("{first} through {last}", first=words.day(made.first), last=words.day(made.last))
    sections = [first_page(words)]
    if made.kind is ReportKind.LIST:
        sections.append(Section(_("Versions of the list"), [versions(words)]))
    for number, ban in enumerate(made.bans):
        is_one = made.kind is ReportKind.BAN
        parts = list(_of_ban(words, ban, 2 if is_one else 3))
        if not is_one:
            parts.insert(0, Section(ban.service_name))
        sections += [replace(parts[0], begins_page=number == 0), *parts[1:]]
    sections += [
        Section(_("Suspensions"), [_suspensions(words)]),
        Section(_("Attempts to bypass the resolver"), list(_bypass(words))),
        Section(
            _("Source"),
            [
                _(
                    "This report is made from the database at the revision below, whose audit log ends with "
                    "the entry below. When its last day is over, the same record gives the same report. Each "
                    "act names its entry in the audit log. Each number of queries is the sum of the days in "
                    "its row. The command dnsfilterctl audit verify checks the audit log."
                ),
                _source(words),
            ],
        ),
        Section(_("Annex: acts"), list(_annex(words)), begins_page=True),
    ]
    return Content(language, _title(words), f"{words.authority(made.authority)}, {period}", sections)


def _title(words: Words) -> str:
    _, made = words.text, words.made
    match made.kind:
        case ReportKind.BAN:
            return _("Report on the ban on {service}", service=made.bans[0].service_name)
        case ReportKind.LIST:
            return _("Report on the prohibited list {name}", name=words.listed(made.prohibited_list or ""))
        case ReportKind.STUDY:
            return _("Study of services that are only monitored")


def _of_ban(words: Words, ban: BanReportRead, level: int) -> Iterator[Section]:
    _ = words.text
    yield Section(_("Formal decision"), list(_decision(words, ban)), level)
    yield Section(_("Terms"), [_terms(words, ban)], level)
    yield Section(_("Modes and times in force"), list(_modes(words, ban)), level)
    yield Section(_("Queries over time"), list(_queries(words, ban)), level)
    yield Section(_("Bindings to other authorities"), list(_bound(words, ban)), level)
    yield Section(_("Exemptions"), [_exemptions(words, ban)], level)
    yield Section(_("Lists of names"), list(_lists(words, ban)), level)


def _decision(words: Words, ban: BanReportRead) -> Iterator[Part]:
    _ = words.text
    rows = _formal(words, ban.decision)
    if rows or ban.prohibited_list is not None:
        yield Facts([*rows, *of_ban(words, ban)])
    else:
        yield _("No formal decision is recorded.")
    if ban.provisional:
        yield _("The ban is provisional: it applies without a formal decision for 72 hours.")
    yield scope_facts(words, ban)
    if ban.scope_changes:
        yield scope_changes(words, ban)


def _formal(words: Words, decision: FormalRead) -> list[tuple[str, str]]:
    _ = words.text
    rows = [
        (_("Organ"), decision.organ),
        (_("Reference"), decision.reference),
        (_("Date"), words.day(decision.date) if decision.date else ""),
        (_("Legal basis"), decision.legal_basis),
        (_("Advice"), decision.advice),
        (_("Link"), decision.link),
        (_("Follows the ban"), words.ban(decision.follows) if decision.follows else ""),
    ]
    return [(name, value) for name, value in rows if value]


def _terms(words: Words, ban: BanReportRead) -> Table:
    _ = words.text
    columns = [_("No."), _("From"), _("Until"), _("Review by"), _("Recorded"), _("Formal decision")]
    rows = [
        [
            str(number),
            words.start(term.start),
            words.end(term.end),
            "" if term.review_by is None else words.start(term.review_by),
            words.at(term.recorded),
            _formal_words(words, term.decision) or ban.decision.reference,
            "" if term.ended is None else _joined(words.end(term.ended), term.ended_reason),
        ]
        for number, term in enumerate(ban.terms, start=1)
    ]
    return Table(_("Terms"), [*columns, _("Ended early")], rows, frozenset({0}))


def _formal_words(words: Words, decision: FormalRead) -> str:
    return "; ".join(f"{name}: {value}" for name, value in _formal(words, decision))


def _modes(words: Words, ban: BanReportRead) -> Iterator[Part]:
    _ = words.text
    yield modes_chart(words, ban)
    if ban.modes:
        columns = [_("From"), _("Until"), _("Mode"), _("Reason"), _("Entry"), _("Account")]
        rows = [
            [
                words.start(each.start),
                words.end(each.end),
                words.word(each.mode),
                each.reason,
                "" if each.act is None else str(each.act),
                words.account(each.account),
            ]
            for each in ban.modes
        ]
        yield Table(_("Mode"), columns, rows, frozenset({4}))
    else:
        yield _("No mode is recorded in this time.")
    if ban.in_force:
        rows = [_span(words, one) for one in ban.in_force]
        yield Table(_("Term in force"), [_("From"), _("Until"), _("Duration")], rows)
    else:
        yield _("No term was in force in this time.")
    if ban.no_ban:
        rows = [_span(words, one) for one in ban.no_ban]
        yield Table(_("No ban"), [_("From"), _("Until"), _("Duration")], rows)
    gaps = sorted([*ban.not_in_force, *ban.partly_in_force], key=lambda gap: gap.start)
    if gaps:
        start, end, length = _("From"), _("Until"), _("Duration")
        rows = [[*_span(words, one), words.word(one.cause), concerned(words, one)] for one in gaps]
        yield Table(
            _("Times without effect although a term was in force"), [start, end, length, _("Cause"), _("For")], rows
        )
    else:
        yield _("While it was in force, it was never off or suspended, and no act on it narrowed its scope.")
    yield _(
        "Failures of nodes are not listed, because the control plane does not know them. A node "
        "that could not be reached refused nothing and counted nothing. A suspension on a node "
        "concerns all clients if no other node serves them."
    )


def _span(words: Words, one: SpanRead) -> list[str]:
    return [
        words.start(one.start),
        words.end(one.end),
        words.length([(parse_instant(one.start), parse_instant(one.end))]),
    ]


def _queries(words: Words, ban: BanReportRead) -> Iterator[Part]:
    _ = words.text
    yield from not_counted(words)
    yield queries_chart(words, ban)
    rows = [[words.days(one.first, one.last), *_bucket(words, one)] for one in ban.buckets]
    total = [_("Total"), *_counts(words, ban.total)]
    columns = [_("Days"), _("Refused"), _("Monitored"), _("Exempted")]
    captions = {
        Interval.DAY: _("Queries by day"),
        Interval.WEEK: _("Queries by calendar week"),
        Interval.MONTH: _("Queries by month"),
    }
    yield Table(captions[words.made.interval], columns, rows, frozenset({1, 2, 3}), total)
    yield _(
        "Numbers from 1 to 4 are shown as <5. A total with such numbers is given as the least and "
        "the most that is possible, so that it does not reveal them. A day is counted when it is "
        "over. One visit can cause many queries."
    )


def _bucket(words: Words, bucket: BucketRead) -> list[str]:
    """Return the counts of an interval, or that there was no ban and so nothing to count."""
    counts = _counts(words, bucket)
    return counts if bucket.banned or set(counts) != {words.integer(0)} else [words.text("no ban"), "", ""]


def _bound(words: Words, ban: BanReportRead) -> Iterator[Part]:
    _ = words.text
    if not ban.bound:
        yield _("The ban applied to no other authority.")
        return
    columns = [_("Authority"), _("Ground"), _("Instrument"), _("From"), _("Until"), _("Ended")]
    rows = [
        [
            words.authority(one.authority),
            words.word(one.ground),
            ", ".join(filter(None, (one.instrument, words.short_day(one.date) if one.date else ""))),
            words.start(one.start),
            words.end(one.end),
            _bound_end(words, one),
        ]
        for one in ban.bound
    ]
    yield Table(_("Bindings to other authorities"), columns, rows)
    columns = [_("Authority"), _("Refused"), _("Monitored"), _("Exempted")]
    counts = [[words.authority(one.authority), *_counts(words, one.counts)] for one in ban.bound]
    yield Table(_("Queries at other authorities by this ban"), columns, counts, frozenset({1, 2, 3}))
    for slug in dict.fromkeys(one.authority for one in ban.bound if one.usage is Usage.NONE):
        yield _("Queries are not counted: {authority}.", authority=words.authority(slug))
    for one in ban.bound:
        if one.suspended:
            rows = [[str(row.number), words.start(row.start), words.end(row.end), row.reason] for row in one.suspended]
            caption = _("Suspensions") + f": {words.authority(one.authority)}"
            yield Table(caption, [_("No."), _("From"), _("Until"), _("Reason")], rows, frozenset({0}))


def _counts(words: Words, counts: CountsRead) -> list[str]:
    return [words.figure(one) for one in (counts.refused, counts.monitored, counts.exempted)]


def _bound_end(words: Words, one: BoundRead) -> str:
    if one.ground is Ground.AGREEMENT and one.accepted is None:
        return words.text("not accepted")
    return "" if one.ended is None else _joined(words.end(one.ended), one.ended_reason, one.ended_reference)


def _exemptions(words: Words, ban: BanReportRead) -> Part:
    _ = words.text
    if not ban.exemptions:
        return _("No exemption was requested or in force.")
    columns = [_("No."), _("Networks"), _("From"), _("Until"), _("Reason")]
    rows = [
        [
            str(one.number),
            ", ".join(one.ranges),
            words.start(one.start),
            "; ".join((_exemption_end(words, one), *map(words.hours, one.hours))),
            one.reason,
            _("{at} by {account}", at=words.at(one.requested), account=words.account(one.requested_by)),
            _outcome(words, one),
        ]
        for one in ban.exemptions
    ]
    return Table(_("Exemptions"), [*columns, _("Requested"), _("Decided")], rows, frozenset({0}))


def _exemption_end(words: Words, one: ExemptionReportRead) -> str:
    end = words.end(one.end)
    if one.end == one.planned_end:
        return end
    planned = words.text("planned: {end}", end=words.end(one.planned_end))
    return f"{end} ({planned})"


def _outcome(words: Words, one: ExemptionReportRead) -> str:
    """Return how an exemption was decided: it may have been approved and then revoked."""
    _, account = words.text, words.account(one.decided_by)
    steps = []
    if one.approved is not None:
        # The account that decided last revoked it.
        phrase = _("approved {at} by {account}") if one.revoked is None else _("approved {at}")
        steps.append(phrase.format(at=words.at(one.approved), account=account))
    if one.rejected is not None:
        steps.append(_("rejected {at} by {account}", at=words.at(one.rejected), account=account))
    if one.revoked is not None:
        steps.append(_("revoked {at} by {account}", at=words.at(one.revoked), account=account))
    return _joined("; ".join(steps) or _("not decided"), one.note)


def _suspensions(words: Words) -> Part:
    _, found = words.text, words.made.suspensions
    if not found:
        return _("Nothing was suspended.")
    columns = [_("No."), _("For"), _("From"), _("Until"), _("Reason"), _("Account")]
    rows = [
        [
            str(one.number),
            words.authority(one.authority),
            words.start(one.start),
            words.end(one.end),
            one.reason,
            words.account(one.account),
        ]
        for one in found
    ]
    return Table(_("Suspensions"), columns, rows, frozenset({0}))


def _bypass(words: Words) -> Iterator[Part]:
    made, _ = words.made, words.text
    yield _(
        "These are queries for names by which devices look for another resolver. They are counted "
        "whether or not a ban concerns them."
    )
    if not made.bypass_total:
        yield _("No attempt was counted.")
        return
    yield bypass_chart(words)
    kinds = list(made.bypass_total)
    rows = [
        [words.days(one.first, one.last), *(words.figure(one.attempts[kind]) for kind in kinds)] for one in made.bypass
    ]
    total = [_("Total"), *map(words.figure, made.bypass_total.values())]
    columns = [_("Days"), *map(words.word, kinds)]
    yield Table(_("Attempts to bypass the resolver"), columns, rows, frozenset(range(1, len(columns))), total)


def _lists(words: Words, ban: BanReportRead) -> Iterator[Part]:
    _ = words.text
    if not ban.lists:
        yield _("No list of the service was in force.")
        return
    columns = [_("From"), _("Until"), _("Digest"), _("Names"), _("Added"), _("Removed")]
    rows = [
        [
            words.at(one.since),
            _("still in force") if one.until is None else words.at(one.until),
            one.digest[:SHOWN_DIGEST],
            ", ".join(f"{tier.tier}: {words.integer(tier.names)}" for tier in one.tiers),
            "" if one.added is None else words.integer(one.added),
            "" if one.removed is None else words.integer(one.removed),
        ]
        for one in ban.lists
    ]
    yield Table(_("Lists of names"), columns, rows, frozenset({4, 5}))
    yield _("The digest is the beginning of the SHA-256 of the list that the nodes had. Names are counted by tier.")


def _annex(words: Words) -> Iterator[Part]:
    _ = words.text
    columns = [_("Entry"), _("Date"), _("Account"), _("Act"), _("Object"), _("Reason")]
    made = words.made
    captions = [
        (_("Acts on the prohibited list"), made.list_acts),
        *((_("Acts on the ban on {service}", service=ban.service_name), ban.acts) for ban in made.bans),
    ]
    for caption, acts in captions:
        rows = [
            [
                str(act.seq),
                words.at(act.time),
                words.account(act.account),
                words.word(act.act),
                words.object(act.object),
                act.reason,
            ]
            for act in acts
        ]
        if rows:
            yield Table(caption, columns, rows, frozenset({0}))
    if made.range_acts:
        yield range_acts(words)
    elif not any(acts for _caption, acts in captions):
        yield _("No act was recorded in this time.")


def _source(words: Words) -> Facts:
    _, record = words.text, words.made.record
    return Facts(
        [
            (_("Revision"), str(record.revision)),
            (_("Last entry of the audit log"), str(record.seq)),
            (_("Time of this entry"), words.at(record.time)),
            (_("Hash of this entry"), record.hash),
        ]
    )


def _joined(*texts: str) -> str:
    return ": ".join(filter(None, texts))
