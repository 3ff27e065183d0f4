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
    made, _ = words.made, words.text
    is_study = made.kind is ReportKind.STUDY
    parts: list[Part] = [Conclusion(" ".join(_of_study(words) if is_study else _of_ban(words, made.bans[0])))]
    rows = [
        (_("Authority"), f"{words.authority(made.authority)} ({made.authority})"),
        (_("Time of the report"), _("{first} through {last}", first=words.day(made.first), last=words.day(made.last))),
        (_("Data until"), words.end(made.until)),
        (
            _("Queries counted through"),
            words.short_day(made.counted_through) if made.counted_through else _("no day is over"),
        ),
    ]
    if not is_study:
        for ban in made.bans:
            rows += _results(words, ban)
    attempts = ", ".join(f"{words.word(kind)} {words.figure(found)}" for kind, found in made.bypass_total.items())
    rows.append((_("Attempts to bypass the resolver"), attempts or _("No attempt was counted.")))
    parts.append(Facts(rows))
    if is_study and made.bans:
        parts.append(_services(words))
    lines = [_("Name"), _("Function"), _("Place and date"), _("Signature")]
    parts += [
        *not_counted(words),
        _("Times are in the time zone {zone}. An end without a time of day is the last day.", zone=made.time_zone),
        Signature(lines),
    ]
    return Section(_("Summary"), parts)


def not_counted(words: Words) -> list[Part]:
    """Return a paragraph if the authority's queries are not counted."""
    made = words.made
    if made.usage is not Usage.NONE:
        return []
    return [words.text("Queries are not counted: {authority}.", authority=words.authority(made.authority))]


def _of_ban(words: Words, ban: BanReportRead) -> Iterator[str]:
    _, made = words.text, words.made
    if not ban.in_force:
        yield _("In this time no ban on {service} was in force.", service=ban.service_name)
        return
    yield _(
        "The ban on {service} was in force for {length}.", service=ban.service_name, length=_length(words, ban.in_force)
    )
    for phrase, spans in (
        (_("For {length} there was no ban."), ban.no_ban),
        (_("For {length} of its time in force it refused nobody, because it was off or suspended."), ban.not_in_force),
        (
            _(
                "For {length} it did not refuse some clients, because a node was suspended or an act took "
                "them out of its scope."
            ),
            ban.partly_in_force,
        ),
        (_("For {length} it only counted queries and answered them."), ban.only_monitored),
        (_("For {length} it answered with the addresses that it gives, not with a refusal."), ban.addressed),
    ):
        if spans:
            yield phrase.format(length=_length(words, spans))
    if not ban.not_in_force and not ban.partly_in_force:
        yield _("While it was in force, it was never off or suspended, and no act on it narrowed its scope.")
    if made.range_acts:
        yield _(
            "While it was in force, acts on networks of the authority: {count}. The annex lists them.",
            count=words.integer(len(made.range_acts)),
        )
    if made.counted_through is not None and made.usage is not Usage.NONE:
        day, queries = words.day(made.counted_through), words.figure(ban.total.refused)
        yield _("Through {day}, queries refused: {queries}.", day=day, queries=queries)


def _of_study(words: Words) -> Iterator[str]:
    _, count = words.text, len(words.made.bans)
    if count:
        yield _("Services that were only monitored in this time, not refused: {count}.", count=words.integer(count))
    else:
        yield _("No service was only monitored in this time.")


def _length(words: Words, spans: Iterable[SpanRead]) -> str:
    """Return how long spans last together. An instant in several of them counts once."""
    return words.length(union((parse_instant(one.start), parse_instant(one.end)) for one in spans))


def _results(words: Words, ban: BanReportRead) -> Iterator[tuple[str, str]]:
    _ = words.text
    yield _("Term in force"), _length(words, ban.in_force)
    yield _("Of which without effect"), _length(words, ban.not_in_force)
    for name, spans in (
        (_("Of which without effect for some clients"), ban.partly_in_force),
        (_("Of which only monitored"), ban.only_monitored),
        (_("Of which with addresses as reply"), ban.addressed),
        (_("No ban"), ban.no_ban),
    ):
        if spans:
            yield name, _length(words, spans)
    yield _("Queries refused"), words.figure(ban.total.refused)
    for one in ban.bound:
        name = _("Queries refused ({authority})", authority=words.authority(one.authority))
        yield name, words.figure(one.counts.refused)
    yield _("Queries monitored (answered and counted)"), words.figure(ban.total.monitored)
    yield _("Queries answered because of an exemption"), words.figure(ban.total.exempted)


def _services(words: Words) -> Table:
    _ = words.text
    columns = [_("Service"), _("Term in force"), _("Of which without effect"), _("Monitored"), _("Exempted")]
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
    return Table(_("Queries monitored (answered and counted)"), columns, rows, frozenset({3, 4}))
