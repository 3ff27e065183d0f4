"""The first page of a report: one conclusion, the figures, and a place to sign. In one language. Pure."""

from collections.abc import Iterable, Iterator

from api.report.pages.content import Conclusion, Facts, Part, Section, Signature, Table
from api.report.pages.words import Words
from api.report.schemas import BanReportRead, ReportKind, SpanRead
from dnsfilter.policy.calendar import parse_instant
from dnsfilter.policy.intervals import union
from dnsfilter.policy.model import Usage


def first_page(words: Words) -> Section:
    """Return the first page."""
    made, phrases = words.made, words.phrases
    is_study = made.kind is ReportKind.STUDY
    parts: list[Part] = [Conclusion(" ".join(_of_study(words) if is_study else _of_ban(words, made.bans[0])))]
    rows = [
        (phrases.authority, f"{words.authority(made.authority)} ({made.authority})"),
        (phrases.time, phrases.period.format(first=words.day(made.first), last=words.day(made.last))),
        (phrases.data_until, words.end(made.until)),
        (phrases.counted_through, words.short_day(made.counted_through) if made.counted_through else phrases.no_day),
    ]
    if not is_study:
        for ban in made.bans:
            rows += _results(words, ban)
    attempts = ", ".join(f"{words.word(kind)} {words.figure(found)}" for kind, found in made.bypass_total.items())
    rows.append((phrases.bypass, attempts or phrases.no_bypass))
    parts.append(Facts(rows))
    if is_study and made.bans:
        parts.append(_services(words))
    lines = [phrases.sign_name, phrases.sign_function, phrases.sign_date, phrases.sign_signature]
    parts += [*not_counted(words), phrases.times_in.format(zone=made.time_zone), Signature(lines)]
    return Section(phrases.summary, parts)


def not_counted(words: Words) -> list[Part]:
    """Return a paragraph if the authority's queries are not counted."""
    made = words.made
    if made.usage is not Usage.NONE:
        return []
    return [words.phrases.not_counted.format(authority=words.authority(made.authority))]


def _of_ban(words: Words, ban: BanReportRead) -> Iterator[str]:
    phrases, made = words.phrases, words.made
    if not ban.in_force:
        yield phrases.conclude_never.format(service=ban.service_name)
        return
    yield phrases.conclude_held.format(service=ban.service_name, length=_length(words, ban.in_force))
    for phrase, spans in (
        (phrases.conclude_no_ban, ban.no_ban),
        (phrases.conclude_gaps, ban.not_in_force),
        (phrases.conclude_partly, ban.partly_in_force),
        (phrases.conclude_monitored, ban.only_monitored),
        (phrases.conclude_addressed, ban.addressed),
    ):
        if spans:
            yield phrase.format(length=_length(words, spans))
    if not ban.not_in_force and not ban.partly_in_force:
        yield phrases.no_gaps
    if made.range_acts:
        yield phrases.range_acts_count.format(count=words.integer(len(made.range_acts)))
    if made.counted_through is not None and made.usage is not Usage.NONE:
        day, queries = words.day(made.counted_through), words.figure(ban.total.refused)
        yield phrases.conclude_refused.format(day=day, queries=queries)


def _of_study(words: Words) -> Iterator[str]:
    count = len(words.made.bans)
    yield words.phrases.conclude_study.format(count=words.integer(count)) if count else words.phrases.no_services


def _length(words: Words, spans: Iterable[SpanRead]) -> str:
    """Return how long spans last together. An instant in several of them counts once."""
    return words.length(union((parse_instant(one.start), parse_instant(one.end)) for one in spans))


def _results(words: Words, ban: BanReportRead) -> Iterator[tuple[str, str]]:
    phrases = words.phrases
    yield phrases.in_force_for, _length(words, ban.in_force)
    yield phrases.no_effect_for, _length(words, ban.not_in_force)
    for name, spans in (
        (phrases.partly_for, ban.partly_in_force),
        (phrases.only_monitored_for, ban.only_monitored),
        (phrases.addressed_for, ban.addressed),
        (phrases.no_ban_for, ban.no_ban),
    ):
        if spans:
            yield name, _length(words, spans)
    yield phrases.refused_total, words.figure(ban.total.refused)
    for one in ban.bound:
        name = phrases.refused_there.format(authority=words.authority(one.authority))
        yield name, words.figure(one.counts.refused)
    yield phrases.monitored_total, words.figure(ban.total.monitored)
    yield phrases.exempted_total, words.figure(ban.total.exempted)


def _services(words: Words) -> Table:
    phrases = words.phrases
    columns = [phrases.service, phrases.in_force_for, phrases.no_effect_for, phrases.monitored, phrases.exempted]
    rows = [
        [
            ban.service_name,
            _length(words, ban.in_force),
            _length(words, ban.not_in_force),
            words.figure(ban.total.monitored),
            words.figure(ban.total.exempted),
        ]
        for ban in words.made.bans
    ]
    return Table(phrases.monitored_total, columns, rows, frozenset({3, 4}))
