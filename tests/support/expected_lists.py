"""What lists of the API show: as a plain list of decisions, and as facts that no act may alter."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from tests.support.expected_decisions import FOREVER, Ban, Bound, Decided, Exempted, Hours, Span

Pages: TypeAlias = Mapping[str, Sequence[dict[str, Any]]]
"""The items of each list."""

WEEKLY = {
    "Mon-Fri 09:00-12:00": (range(5), 9 * 60, 12 * 60),
    "Sat-Sun 00:00-02:30": ((5, 6), 0, 150),
    "Sun 02:30-24:00": ((6,), 150, 1440),
}
"""Weekly hours as written: days, and minutes of the day. Summer time changes on a Sunday between two and three."""

MERGER = "the two are one"
"""The legal basis of mergers, and of nothing else."""
TERM = ("start", "end", "review_by", "recorded", "decision")
BINDING = ("ban", "authority", "ground", "instrument", "date", "start", "end", "recorded")
EXEMPTION = ("ban", "ranges", "start", "end", "hours", "reason", "approved")


@dataclass(frozen=True)
class Fixed:
    """An item that begins at `start`: the fields that must stay, and the earlier end that an act gave it."""

    start: int
    kept: dict[str, Any]
    ended: str | None


def text(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def second(moment: str | None) -> int:
    return FOREVER if moment is None else int(datetime.fromisoformat(moment).timestamp())


def written(span: Span) -> dict[str, str]:
    return {"start": text(span.start), "end": text(span.end)}


def path_of(ban: Ban) -> str:
    return f"/v1/authorities/{ban.owner}/bans/{ban.service}"


def weekly(written: str, zone: str) -> Hours:
    on, opens, closes = WEEKLY[written]
    return Hours(frozenset(on), opens, closes, ZoneInfo(zone))


def decided_as_shown(pages: Pages) -> Decided:
    """Return ranges, bans, bindings and exemptions as a plain list. Each exemption has one range.

    Suspensions and closings are left out.
    """
    found = Decided({one["prefix"]: (one["authority"], one["funding"], one["audience"]) for one in pages["ranges"]})
    for one in pages["bans"]:
        terms = [_term(term) for term in one["terms"]]
        key, covered = (one["authority"], one["service"]), (set(one["funding"]), set(one["audience"]))
        found.bans[key] = Ban(one["number"], *key, one["mode"], terms, covered, one["provisional"])
    numbered = {ban.number: ban for ban in found.bans.values()}
    for one in pages["bindings"]:
        law = one["ground"] == "law"
        span = _span(one, one["recorded"] if law else one["accepted"], one["ended"])
        numbered[one["ban_number"]].bound[one["number"]] = Bound(one["authority"], law, span)
    for one in pages["exemptions"]:
        span = _span(one, one["approved"], one["rejected"] or one["revoked"])
        hours = weekly(one["hours"][0], one["time_zone"]) if one["hours"] else None
        numbered[one["ban_number"]].exempted[one["number"]] = Exempted(one["ranges"][0], span, hours)
    return found


def fixed_as_shown(pages: Pages) -> dict[object, Fixed]:
    """Return terms, bindings and exemptions, begun or not, by a key that never changes."""
    return dict(_fixed(pages))


def _fixed(pages: Pages) -> Iterator[tuple[object, Fixed]]:
    for ban in pages["bans"]:
        for term in ban["terms"]:
            kept = {name: term[name] for name in TERM}
            yield ("term", ban["number"], *map(str, kept.values())), Fixed(second(term["start"]), kept, term["ended"])
    for one in pages["bindings"]:
        kept = {name: one[name] for name in BINDING}
        yield ("binding", one["number"]), Fixed(second(one["start"]), kept, one["ended"])
    for one in pages["exemptions"]:
        kept = {name: one[name] for name in EXEMPTION}
        start = second(one["start"]) if one["approved"] else FOREVER
        yield ("exemption", one["number"]), Fixed(start, kept, one["revoked"])


def _term(shown: dict[str, Any]) -> Span:
    merged = shown["decision"]["legal_basis"] == MERGER
    return replace(_span(shown, shown["recorded"], shown["ended"]), merged=merged)


def _span(shown: dict[str, Any], known: str | None, ended: str | None) -> Span:
    start, decided = second(shown["start"]), second(shown["end"])
    return Span(start, min(decided, second(ended)), second(known), decided)
