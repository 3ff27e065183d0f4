"""The first page of a report: one conclusion, the figures, and a place to sign. In one language. Pure."""

from collections.abc import Iterator

from api.report.pages.content import Conclusion, Facts, Part, Section, Signature, Table
from api.report.pages.list_parts import left_out, services
from api.report.pages.words import Words
from api.report.schemas import BanReportRead, CountsRead, ReportKind
from dnsfilter.policy.model import Usage


def first_page(words: Words) -> Section:
    """Return the first page."""
    made, _ = words.made, words.text
    parts: list[Part] = [Conclusion(" ".join(_conclusion(words)))]
    rows = [
        (_("Authority"), f"{words.authority(made.authority)} ({made.authority})"),
        (_("Time of the report"), _("{first} through {last}", first=words.day(made.first), last=words.day(made.last))),
        (_("Data until"), words.end(made.until)),
        (
            _("Queries counted through"),
            words.short_day(made.counted_through) if made.counted_through else _("no day is over"),
        ),
    ]
    if made.prohibited_list is not None:
        rows.append((_("Prohibited list"), words.listed(made.prohibited_list)))
    if made.category is not None:
        rows.append((_("Category"), words.word(made.category)))
    if made.kind is ReportKind.BAN:
        rows += _results(words, made.bans[0])
    elif made.kind is ReportKind.LIST:
        rows += _counts(words, made.total)
    attempts = ", ".join(f"{words.word(kind)} {words.figure(found)}" for kind, found in made.bypass_total.items())
    rows.append((_("Attempts to bypass the resolver"), attempts or _("No attempt was counted.")))
    parts.append(Facts(rows))
    if made.kind is ReportKind.LIST:
        parts += [services(words), _several(words)]
    elif made.kind is ReportKind.STUDY and made.bans:
        parts += [_services(words), _several(words)]
    parts += left_out(words, made.left_out)
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


def _conclusion(words: Words) -> Iterator[str]:
    match words.made.kind:
        case ReportKind.BAN:
            return _of_ban(words, words.made.bans[0])
        case ReportKind.LIST:
            return _of_list(words)
        case ReportKind.STUDY:
            return _of_study(words)


def _of_list(words: Words) -> Iterator[str]:
    _, made = words.text, words.made
    yield _(
        "Services that the prohibited list named: {count}. Of these, with a ban in force in this time: {banned}.",
        count=words.integer(len(made.listed)),
        banned=words.integer(sum(bool(ban.in_force) for ban in made.bans)),
    )
    yield from _refused(words, made.total)


def _several(words: Words) -> str:
    return words.text(
        "A query that several of these bans counted counts once in the total. The total then has two bounds."
    )


def _refused(words: Words, total: CountsRead) -> Iterator[str]:
    made = words.made
    if made.counted_through is not None and made.usage is not Usage.NONE:
        day, queries = words.day(made.counted_through), words.figure(total.refused)
        yield words.text("Through {day}, queries refused: {queries}.", day=day, queries=queries)


def _of_ban(words: Words, ban: BanReportRead) -> Iterator[str]:
    _, made = words.text, words.made
    if not ban.in_force:
        yield _("In this time no ban on {service} was in force.", service=ban.service_name)
        return
    yield _(
        "The ban on {service} was in force for {length}.", service=ban.service_name, length=words.spans(ban.in_force)
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
        (_("For {length} it only monitored: it counted queries and answered them."), ban.only_monitored),
        (_("For {length} it answered with the addresses that it gives, not with a refusal."), ban.addressed),
    ):
        if spans:
            yield phrase.format(length=words.spans(spans))
    if not ban.not_in_force and not ban.partly_in_force:
        yield _("While it was in force, it was never off or suspended, and no act on it narrowed its scope.")
    if made.range_acts:
        yield _(
            "While it was in force, acts on networks of the authority: {count}. The annex lists them.",
            count=words.integer(len(made.range_acts)),
        )
    yield from _refused(words, ban.total)


def _of_study(words: Words) -> Iterator[str]:
    _, count = words.text, len(words.made.bans)
    if count:
        yield _("Services that were only monitored in this time, not refused: {count}.", count=words.integer(count))
    else:
        yield _("No service was only monitored in this time.")


def _results(words: Words, ban: BanReportRead) -> Iterator[tuple[str, str]]:
    _ = words.text
    yield _("Term in force"), words.spans(ban.in_force)
    yield _("Of which without effect"), words.spans(ban.not_in_force)
    for name, spans in (
        (_("Of which without effect for some clients"), ban.partly_in_force),
        (_("Of which only monitored"), ban.only_monitored),
        (_("Of which with addresses as reply"), ban.addressed),
        (_("No ban"), ban.no_ban),
    ):
        if spans:
            yield name, words.spans(spans)
    refused, *others = _counts(words, ban.total)
    yield refused
    for one in ban.bound:
        name = _("Queries refused ({authority})", authority=words.authority(one.authority))
        yield name, words.figure(one.counts.refused)
    yield from others


def _counts(words: Words, counts: CountsRead) -> list[tuple[str, str]]:
    _ = words.text
    return [
        (_("Queries refused"), words.figure(counts.refused)),
        (_("Queries monitored (answered and counted)"), words.figure(counts.monitored)),
        (_("Queries answered because of an exemption"), words.figure(counts.exempted)),
    ]


def _services(words: Words) -> Table:
    _ = words.text
    columns = [_("Service"), _("Term in force"), _("Of which without effect"), _("Monitored"), _("Exempted")]
    rows = [
        [
            ban.service_name,
            words.spans(ban.in_force),
            words.spans(ban.not_in_force),
            words.figure(ban.total.monitored),
            words.figure(ban.total.exempted),
        ]
        for ban in words.made.bans
    ]
    total = words.made.total
    last = [_("Total"), "", "", words.figure(total.monitored), words.figure(total.exempted)]
    return Table(_("Queries monitored (answered and counted)"), columns, rows, frozenset({3, 4}), last)
