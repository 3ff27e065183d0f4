"""A decision in words that can be read over the telephone. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from api.console.frame.page_words import N_, Words
from api.explain.schemas import ConsideredRead, DecisionRead, WinnerRead
from dnsfilter.policy.decide import Standing
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.model import Mode
from dnsfilter.policy.reasons import DecisionCause
from dnsfilter.policy.single_names import is_single_name


@dataclass(frozen=True, slots=True)
class ConsideredBan:
    """A ban that was considered, with the name of its authority and service, and why it decides or does not."""

    row: ConsideredRead
    authority: str
    service: str
    decides: bool
    why: str


def zone_of(found: DecisionRead) -> str:
    """Return the time zone of the client's authority."""
    return found.authorities[found.authority].time_zone if found.authority in found.authorities else DEFAULT_ZONE


def sentences(w: Words, found: DecisionRead) -> list[str]:
    """Return the decision as sentences, the most important first."""
    return list(_sentences(w, found))


def considered(w: Words, found: DecisionRead) -> list[ConsideredBan]:
    """Return the bans that were considered, the deciding one first."""
    rows = [
        ConsideredBan(row, _authority(w, found, row.authority), _service(found, row.service), _decides(row, found), why)
        for row in found.rows
        for why in [" ".join(_why(w, row, found))]
    ]
    return sorted(rows, key=lambda each: not each.decides)


def _sentences(w: Words, found: DecisionRead) -> Iterator[str]:
    about = next((row for row in found.rows if row.ban_number == found.cause_ban), None)
    authority = "" if about is None else _authority(w, found, about.authority)
    service = "" if about is None else _service(found, about.service)
    match found.cause:
        case DecisionCause.UNREGISTERED:
            yield from _unregistered(w, found)
        case DecisionCause.NO_SERVICE:
            yield w.translate("Answered, because no list of services has the name {name}.", name=found.name)
        case DecisionCause.NO_BAN:
            services = ", ".join(found.service_names.values())
            own = _authority(w, found, found.authority)
            yield w.translate("Answered, because {authority} has no ban on {service}.", authority=own, service=services)
        case DecisionCause.BAN:
            assert found.winner is not None
            assert about is not None
            yield from _of_winner(w, found, found.winner, about)
        case DecisionCause.SUSPENDED:
            yield w.translate("Answered, because nothing is refused for now.")
            if found.suspension is not None:
                until = w.at(found.suspension.until, zone_of(found))
                yield w.translate("The bans apply again from {time} on.", time=until)
                yield w.translate("Reason: {reason}", reason=found.suspension.reason)
        case DecisionCause.EXEMPTED:
            text = N_("Answered, because exemption {number} sets aside the ban of {authority} on {service} here.")
            number = about.exemption if about is not None else ""
            yield w.translate(text, number=number, authority=authority, service=service)
        case DecisionCause.ALLOWED:
            yield w.translate("Answered, because {authority} allows this name.", authority=authority)
        case DecisionCause.OFF:
            text = N_("Answered, because {authority} has switched its ban on {service} off.")
            yield w.translate(text, authority=authority, service=service)
        case DecisionCause.NOT_IN_FORCE:
            yield w.translate("Answered, because no ban is in force here for this name.")


def _unregistered(w: Words, found: DecisionRead) -> Iterator[str]:
    if found.verdict != "refuse":
        yield w.translate("Answered, because nothing is refused for anybody for now.")
        return
    yield w.translate("Refused, because the address {client} is in no registered network.", client=found.client)
    yield w.translate("Its network must be registered first. Give this address to the people who register networks.")


def _of_winner(w: Words, found: DecisionRead, winner: WinnerRead, about: ConsideredRead) -> Iterator[str]:
    authority, service, zone = _authority(w, found, winner.authority), _service(found, winner.service), zone_of(found)
    if about.pending_until is not None and found.verdict != "refuse":
        text = N_("Answered for now: the name {name} is new on the list of {service}.")
        yield w.translate(text, name=winner.suffix, service=service)
        until = w.at(about.pending_until, zone)
        yield w.translate("The ban of {authority} refuses it from {time} on.", authority=authority, time=until)
        return
    if found.verdict != "refuse":
        text = N_("Answered and counted, because {authority} only monitors {service}, and does not refuse it.")
        yield w.translate(text, authority=authority, service=service)
        return
    yield _refused(w, winner, authority, service, zone)
    if winner.review_by is not None:
        yield w.translate("The ban is reviewed by {day}.", day=w.day(winner.review_by, zone))
    client = _authority(w, found, found.authority)
    if winner.bound:
        yield w.translate("This ban also applies to {authority}.", authority=client)
    if found.authority in found.authorities:
        contact = found.authorities[found.authority].contact
        yield w.translate("If you have questions, contact {authority}: {contact}.", authority=client, contact=contact)


def _refused(w: Words, winner: WinnerRead, authority: str, service: str, zone: str) -> str:
    values = {"authority": authority, "service": service, "reference": winner.reference}
    if winner.end is None:
        if is_single_name(winner.service):
            return w.translate("Refused, because {authority} refuses the name {service}.", **values)
        if not winner.reference:
            return w.translate("Refused, because {authority} banned {service}.", **values)
        return w.translate("Refused, because {authority} banned {service} by decision {reference}.", **values)
    values["day"] = w.through(winner.end, zone)
    if is_single_name(winner.service):
        return w.translate("Refused, because {authority} refuses the name {service}, through {day}.", **values)
    if not winner.reference:
        return w.translate("Refused, because {authority} banned {service}, through {day}.", **values)
    text = N_("Refused, because {authority} banned {service} by decision {reference}, through {day}.")
    return w.translate(text, **values)


def _why(w: Words, row: ConsideredRead, found: DecisionRead) -> Iterator[str]:
    """Yield why a ban decides, or does not."""
    zone = zone_of(found)
    match row.standing:
        case Standing.IN_FORCE:
            yield _in_force(w, row, found)
        case Standing.OFF:
            yield w.translate("Switched off.")
        case Standing.NOT_BOUND:
            own = _authority(w, found, found.authority)
            yield w.translate("It does not apply to {authority} at this time.", authority=own)
        case Standing.NOT_IN_TERM:
            yield w.translate("It is not in force at this time: its term has ended, or has not begun.")
        case Standing.NOT_COVERED:
            yield w.translate("It does not cover the devices of this network.")
        case Standing.OTHER_TIER:
            yield w.translate("It does not cover this part of the service.")
        case Standing.EXEMPTED:
            yield w.translate("Exemption {number} sets it aside here.", number=row.exemption)
        case Standing.SUSPENDED:
            yield w.translate("Suspended: nothing is refused for now.")
        case Standing.ALLOWED:
            yield w.translate("Set aside here, because the authority allows this name.")
    if row.pending_until is not None and row.standing == Standing.PENDING:
        until = w.at(row.pending_until, zone)
        yield w.translate("The name is new on the list: only monitored until {time}, then refused.", time=until)
    if row.ahead is not None:
        text = N_("Exemption {number} sets it aside here from {time} on.")
        yield w.translate(text, number=row.ahead.number, time=w.at(row.ahead.next, zone))


def _in_force(w: Words, row: ConsideredRead, found: DecisionRead) -> str:
    if _decides(row, found):
        return w.translate("This ban decides.")
    if row.mode == Mode.MONITOR:
        return w.translate("It monitors: it counts the query, and refuses nothing.")
    if row.bound and found.winner is not None and not found.winner.bound:
        return w.translate("It would refuse too, but the authority's own ban comes first.")
    return w.translate(
        "It would refuse too, but a ban that names the address more exactly, or an older one, comes first."
    )


def _decides(row: ConsideredRead, found: DecisionRead) -> bool:
    return found.winner is not None and row.ban_number == found.winner.ban_number


def _authority(w: Words, found: DecisionRead, slug: str | None) -> str:
    return w.name(found.authorities[slug].names) if slug in found.authorities else slug or ""


def _service(found: DecisionRead, slug: str) -> str:
    return found.service_names.get(slug, slug)
