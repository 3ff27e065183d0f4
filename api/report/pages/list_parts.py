"""What a report says of prohibited lists: their versions, and when they named which services. In one language. Pure."""

from collections.abc import Iterator

from api.http.formal_decisions import FormalDecisionRead
from api.lists.schemas import ListTermRead
from api.report.pages.content import Part, Table
from api.report.pages.words import Words
from api.report.schemas import BanReportRead, ListedReportRead, NamedServiceRead


def versions(words: Words) -> Table:
    """Return the versions of the list of the report, each with its decision and what it changed."""
    _, found = words.text, words.list_named(words.made.prohibited_list)
    columns = [_("Version"), _("Recorded"), _("Formal decision"), _("Adds"), _("Takes off"), _("Terms")]
    rows = [
        [
            str(version.version),
            words.at(version.recorded),
            decision_words(words, version.decision),
            ", ".join(map(words.service, version.adds)),
            ", ".join(map(words.service, version.removes)),
            "; ".join(_term(words, term) for term in version.terms),
        ]
        for version in (found.versions if found is not None else ())
    ]
    return Table(_("Versions of the list"), columns, rows, frozenset({0}))


def decision_words(words: Words, decision: FormalDecisionRead) -> str:
    """Return organ, reference and date of a decision."""
    day = words.day(decision.date) if decision.date else ""
    return ", ".join(filter(None, (decision.organ, decision.reference, day)))


def of_ban(words: Words, ban: BanReportRead) -> list[tuple[str, str]]:
    """Return the list that a ban is from, its version and the decision behind that version."""
    _ = words.text
    if ban.prohibited_list is None:
        return []
    found = words.list_named(ban.prohibited_list)
    decisions = (
        decision_words(words, each.decision)
        for each in (found.versions if found is not None else ())
        if each.version == ban.list_version
    )
    version = ": ".join(filter(None, (str(ban.list_version), next(decisions, ""))))
    return [(_("Prohibited list"), words.listed(ban.prohibited_list)), (_("Version of the list"), version)]


def services(words: Words) -> Table:
    """Return the services of the list, with when they were on it, and what the bans on them did."""
    _, made = words.text, words.made
    bans = {ban.number: ban for ban in made.bans}
    columns = [_("Service"), _("On the list"), _("Mode"), _("Term in force"), _("Of which without effect")]
    columns += [_("Refused"), _("Monitored"), _("Exempted")]
    rows = []
    for one in made.listed:
        ban = None if one.ban is None else bans.get(one.ban)
        rows.append([one.service_name, _times(words, one), *_did(words, ban, one)])
    counts = (made.total.refused, made.total.monitored, made.total.exempted)
    total = [_("Total"), "", "", "", "", *map(words.figure, counts)]
    return Table(_("Services of the list"), columns, rows, frozenset({5, 6, 7}), total)


def left_out(words: Words, found: list[NamedServiceRead]) -> Iterator[Part]:
    """Return a paragraph on services that a study leaves out, if there are any."""
    if found:
        names = ", ".join(one.service_name for one in found)
        yield words.text("Not only monitored in this time, and so not part of the study: {services}.", services=names)


def _times(words: Words, one: ListedReportRead) -> str:
    until = words.text("still on it")
    return "; ".join(
        f"{words.at(each.since)} – {until if each.until is None else words.at(each.until)} ({each.version})"
        for each in one.times
    )


def _did(words: Words, ban: BanReportRead | None, one: ListedReportRead) -> list[str]:
    _ = words.text
    if ban is None:
        return [_("no ban"), "", "", "", "", ""]
    mode = words.word(ban.modes[-1].mode) if ban.modes else ""
    kept = "" if one.from_list else _("ban without the list")
    return [
        ", ".join(filter(None, (mode, kept))),
        words.spans(ban.in_force),
        words.spans(ban.not_in_force),
        *map(words.figure, (ban.total.refused, ban.total.monitored, ban.total.exempted)),
    ]


def _term(words: Words, term: ListTermRead) -> str:
    return f"{words.start(term.start)} – {words.end(term.end)}"
