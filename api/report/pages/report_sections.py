"""Put a report into sections, in one language. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from api.bans.schemas import FormalRead
from api.report.pages.content import Content, Facts, Part, Section, Table
from api.report.pages.drawings import bypass_chart, modes_chart, queries_chart
from api.report.pages.first_page import first_page, not_counted
from api.report.pages.phrases import phrases_in
from api.report.pages.scope_words import concerned, range_acts, scope_changes, scope_facts
from api.report.pages.words import Words
from api.report.schemas import (
    BanReportRead,
    BoundRead,
    BucketRead,
    CountsRead,
    ExemptionReportRead,
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
    words, phrases = Words(made, language), phrases_in(language)
    is_study = made.kind is ReportKind.STUDY
    service = made.bans[0].service_name if made.bans else ""
    title = phrases.title_study if is_study else phrases.title_ban.format(service=service)
    period = phrases.period.format(first=words.day(made.first), last=words.day(made.last))
    sections = [first_page(words)]
    for number, ban in enumerate(made.bans):
        parts = list(_of_ban(words, ban, 3 if is_study else 2))
        if is_study:
            parts.insert(0, Section(ban.service_name))
        sections += [replace(parts[0], begins_page=number == 0), *parts[1:]]
    sections += [
        Section(phrases.suspensions, [_suspensions(words)]),
        Section(phrases.bypass, list(_bypass(words))),
        Section(phrases.source, [phrases.source_note, _source(words)]),
        Section(phrases.annex, list(_annex(words)), begins_page=True),
    ]
    return Content(language, title, f"{words.authority(made.authority)}, {period}", sections)


def _of_ban(words: Words, ban: BanReportRead, level: int) -> Iterator[Section]:
    phrases = words.phrases
    yield Section(phrases.decision, list(_decision(words, ban)), level)
    yield Section(phrases.terms, [_terms(words, ban)], level)
    yield Section(phrases.modes, list(_modes(words, ban)), level)
    yield Section(phrases.queries, list(_queries(words, ban)), level)
    yield Section(phrases.bound, list(_bound(words, ban)), level)
    yield Section(phrases.exemptions, [_exemptions(words, ban)], level)
    yield Section(phrases.lists, list(_lists(words, ban)), level)


def _decision(words: Words, ban: BanReportRead) -> Iterator[Part]:
    phrases = words.phrases
    rows = _formal(words, ban.decision)
    if rows:
        yield Facts(rows)
    else:
        yield phrases.no_decision
    if ban.provisional:
        yield phrases.is_provisional
    yield scope_facts(words, ban)
    if ban.scope_changes:
        yield scope_changes(words, ban)


def _formal(words: Words, decision: FormalRead) -> list[tuple[str, str]]:
    phrases = words.phrases
    rows = [
        (phrases.organ, decision.organ),
        (phrases.reference, decision.reference),
        (phrases.date, words.day(decision.date) if decision.date else ""),
        (phrases.legal_basis, decision.legal_basis),
        (phrases.advice, decision.advice),
        (phrases.link, decision.link),
        (phrases.follows, words.ban(decision.follows) if decision.follows else ""),
    ]
    return [(name, value) for name, value in rows if value]


def _terms(words: Words, ban: BanReportRead) -> Table:
    phrases = words.phrases
    columns = [phrases.number, phrases.start, phrases.end, phrases.review, phrases.recorded, phrases.decision]
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
    return Table(phrases.terms, [*columns, phrases.ended_early], rows, frozenset({0}))


def _formal_words(words: Words, decision: FormalRead) -> str:
    return "; ".join(f"{name}: {value}" for name, value in _formal(words, decision))


def _modes(words: Words, ban: BanReportRead) -> Iterator[Part]:
    phrases = words.phrases
    yield modes_chart(words, ban)
    if ban.modes:
        columns = [phrases.start, phrases.end, phrases.mode, phrases.reason, phrases.entry, phrases.account]
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
        yield Table(phrases.mode, columns, rows, frozenset({4}))
    else:
        yield phrases.no_modes
    if ban.in_force:
        rows = [_span(words, one) for one in ban.in_force]
        yield Table(phrases.in_force_for, [phrases.start, phrases.end, phrases.length], rows)
    else:
        yield phrases.not_in_force
    if ban.no_ban:
        rows = [_span(words, one) for one in ban.no_ban]
        yield Table(phrases.no_ban_for, [phrases.start, phrases.end, phrases.length], rows)
    gaps = sorted([*ban.not_in_force, *ban.partly_in_force], key=lambda gap: gap.start)
    if gaps:
        start, end, length = phrases.start, phrases.end, phrases.length
        rows = [[*_span(words, one), words.word(one.cause), concerned(words, one)] for one in gaps]
        yield Table(phrases.gaps, [start, end, length, phrases.cause, phrases.concerned], rows)
    else:
        yield phrases.no_gaps
    yield phrases.outages


def _span(words: Words, one: SpanRead) -> list[str]:
    return [
        words.start(one.start),
        words.end(one.end),
        words.length([(parse_instant(one.start), parse_instant(one.end))]),
    ]


def _queries(words: Words, ban: BanReportRead) -> Iterator[Part]:
    phrases = words.phrases
    yield from not_counted(words)
    yield queries_chart(words, ban)
    rows = [[words.days(one.first, one.last), *_bucket(words, one)] for one in ban.buckets]
    total = [phrases.total, *_counts(words, ban.total)]
    caption = getattr(phrases, f"by_{words.made.interval}")
    columns = [phrases.days, phrases.refused, phrases.monitored, phrases.exempted]
    yield Table(caption, columns, rows, frozenset({1, 2, 3}), total)
    yield phrases.hidden


def _bucket(words: Words, bucket: BucketRead) -> list[str]:
    """Return the counts of an interval, or that there was no ban and so nothing to count."""
    counts = _counts(words, bucket)
    return counts if bucket.banned or set(counts) != {words.integer(0)} else [words.phrases.no_ban, "", ""]


def _bound(words: Words, ban: BanReportRead) -> Iterator[Part]:
    phrases = words.phrases
    if not ban.bound:
        yield phrases.no_bound
        return
    columns = [phrases.authority, phrases.ground, phrases.instrument, phrases.start, phrases.end, phrases.ended]
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
    yield Table(phrases.bound, columns, rows)
    columns = [phrases.authority, phrases.refused, phrases.monitored, phrases.exempted]
    counts = [[words.authority(one.authority), *_counts(words, one.counts)] for one in ban.bound]
    yield Table(phrases.bound_counts, columns, counts, frozenset({1, 2, 3}))
    for slug in dict.fromkeys(one.authority for one in ban.bound if one.usage is Usage.NONE):
        yield phrases.not_counted.format(authority=words.authority(slug))
    for one in ban.bound:
        if one.suspended:
            rows = [[str(row.number), words.start(row.start), words.end(row.end), row.reason] for row in one.suspended]
            caption = f"{phrases.suspensions}: {words.authority(one.authority)}"
            yield Table(caption, [phrases.number, phrases.start, phrases.end, phrases.reason], rows, frozenset({0}))


def _counts(words: Words, counts: CountsRead) -> list[str]:
    return [words.figure(one) for one in (counts.refused, counts.monitored, counts.exempted)]


def _bound_end(words: Words, one: BoundRead) -> str:
    if one.ground is Ground.AGREEMENT and one.accepted is None:
        return words.phrases.not_accepted
    return "" if one.ended is None else _joined(words.end(one.ended), one.ended_reason, one.ended_reference)


def _exemptions(words: Words, ban: BanReportRead) -> Part:
    phrases = words.phrases
    if not ban.exemptions:
        return phrases.no_exemptions
    columns = [phrases.number, phrases.ranges, phrases.start, phrases.end, phrases.reason]
    rows = [
        [
            str(one.number),
            ", ".join(one.ranges),
            words.start(one.start),
            "; ".join((_exemption_end(words, one), *map(words.hours, one.hours))),
            one.reason,
            phrases.requested_by.format(at=words.at(one.requested), account=words.account(one.requested_by)),
            _outcome(words, one),
        ]
        for one in ban.exemptions
    ]
    return Table(phrases.exemptions, [*columns, phrases.requested, phrases.decided], rows, frozenset({0}))


def _exemption_end(words: Words, one: ExemptionReportRead) -> str:
    end = words.end(one.end)
    return (
        end if one.end == one.planned_end else f"{end} ({words.phrases.planned.format(end=words.end(one.planned_end))})"
    )


def _outcome(words: Words, one: ExemptionReportRead) -> str:
    """Return how an exemption was decided: it may have been approved and then revoked."""
    phrases, account = words.phrases, words.account(one.decided_by)
    steps = []
    if one.approved is not None:
        # The account that decided last revoked it.
        phrase = phrases.approved if one.revoked is None else phrases.approved_alone
        steps.append(phrase.format(at=words.at(one.approved), account=account))
    if one.rejected is not None:
        steps.append(phrases.rejected.format(at=words.at(one.rejected), account=account))
    if one.revoked is not None:
        steps.append(phrases.revoked.format(at=words.at(one.revoked), account=account))
    return _joined("; ".join(steps) or phrases.undecided, one.note)


def _suspensions(words: Words) -> Part:
    phrases, found = words.phrases, words.made.suspensions
    if not found:
        return phrases.no_suspensions
    columns = [phrases.number, phrases.concerned, phrases.start, phrases.end, phrases.reason, phrases.account]
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
    return Table(phrases.suspensions, columns, rows, frozenset({0}))


def _bypass(words: Words) -> Iterator[Part]:
    made, phrases = words.made, words.phrases
    yield phrases.bypass_note
    if not made.bypass_total:
        yield phrases.no_bypass
        return
    yield bypass_chart(words)
    kinds = list(made.bypass_total)
    rows = [
        [words.days(one.first, one.last), *(words.figure(one.attempts[kind]) for kind in kinds)] for one in made.bypass
    ]
    total = [phrases.total, *map(words.figure, made.bypass_total.values())]
    columns = [phrases.days, *map(words.word, kinds)]
    yield Table(phrases.bypass, columns, rows, frozenset(range(1, len(columns))), total)


def _lists(words: Words, ban: BanReportRead) -> Iterator[Part]:
    phrases = words.phrases
    if not ban.lists:
        yield phrases.no_lists
        return
    columns = [phrases.start, phrases.end, phrases.digest, phrases.names, phrases.added, phrases.removed]
    rows = [
        [
            words.at(one.since),
            phrases.until_now if one.until is None else words.at(one.until),
            one.digest[:SHOWN_DIGEST],
            ", ".join(f"{tier.tier}: {words.integer(tier.names)}" for tier in one.tiers),
            "" if one.added is None else words.integer(one.added),
            "" if one.removed is None else words.integer(one.removed),
        ]
        for one in ban.lists
    ]
    yield Table(phrases.lists, columns, rows, frozenset({4, 5}))
    yield phrases.lists_note


def _annex(words: Words) -> Iterator[Part]:
    phrases = words.phrases
    columns = [phrases.entry, phrases.date, phrases.account, phrases.act, phrases.object, phrases.reason]
    for ban in words.made.bans:
        rows = [
            [
                str(act.seq),
                words.at(act.time),
                words.account(act.account),
                words.word(act.act),
                words.object(act.object),
                act.reason,
            ]
            for act in ban.acts
        ]
        if rows:
            caption = phrases.acts_on.format(service=ban.service_name)
            yield Table(caption, columns, rows, frozenset({0}))
    if words.made.range_acts:
        yield range_acts(words)
    elif not any(ban.acts for ban in words.made.bans):
        yield phrases.no_acts


def _source(words: Words) -> Facts:
    phrases, record = words.phrases, words.made.record
    return Facts(
        [
            (phrases.revision, str(record.revision)),
            (phrases.last_entry, str(record.seq)),
            (phrases.entry_time, words.at(record.time)),
            (phrases.entry_hash, record.hash),
        ]
    )


def _joined(*texts: str) -> str:
    return ": ".join(filter(None, texts))
