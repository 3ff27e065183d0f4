"""Trace a client, a name and a past time back to the grounds of the decision, from what is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.bans.reading import read_ban
from api.bans.schemas import BanRead, FormalRead, TermRead
from api.bindings.reading import read_binding
from api.bindings.schemas import BindingRead
from api.db.models import AuditRow, BanRow, PublicationRow
from api.errors import Invalid
from api.exemptions.reading import read_exemption
from api.exemptions.schemas import ExemptionRead
from api.explain.policy_answers import decision_read
from api.explain.schemas import DecisionRead
from api.publish.past_cache import CheckedPast
from api.publish.past_policies import RAISE_ACT, LoadedServices, PastPolicy, Publication, lost_after
from api.services.schemas import SourceRead
from api.suspensions.state import suspended_at
from api.timestamps import given_timestamp, optional_text, timestamp_text
from api.trace.object_acts import acts_on, acts_on_ban, acts_on_mode
from api.trace.schemas import ListedRead, PublicationRead, TracedActRead, TraceRead
from api.trace.service_lists_naming import Listed, Lists, listed
from blocklists.catalogue import Catalogue
from dnsfilter.policy.decide import Standing, held_term
from dnsfilter.policy.model import Address, Instant, WireName
from dnsfilter.translatable import Text
from dnsfilter.wire.names import name_text


@dataclass(frozen=True, slots=True)
class Question:
    """A client at a site, a name, and a past time."""

    site: str
    client: Address
    name: WireName
    at: Instant


def parse_at(text: str, time_zone: str, now: Instant) -> Instant:
    """Return the past instant of a written time, by default in `time_zone`; raise `Invalid` if it is not past."""
    at = given_timestamp(text, now, time_zone, now, "query.at", past=True)
    if at > now:
        raise Invalid.at(
            "query.at",
            Text(
                "{text!r} is in the future: use {command}",
                text=text,
                command="/v1/decision or dnsfilterctl explain … --at TIME",
            ),
        )
    return at


def trace(
    session: Session, asked: Question, made: CheckedPast, held: LoadedServices, catalogue: Catalogue
) -> TraceRead:
    """Return the grounds of a past decision.

    `made` is the policy in force then, and whether it matches what was published.
    """
    past, reproduced = made
    decision = decision_read(past.policy, asked.site, asked.client, asked.name, asked.at)
    ban, term, formal = _ban(session, past, decision, asked.at)
    binding, exemptions = _binding(past, decision, asked.at), _exemptions(past, decision, asked.at)
    since_s, until_s = _span(session, past.publication)
    services = {service.slug: service for service in past.policy.services}
    sources = _Sources(Lists(session), held, catalogue)
    return TraceRead(
        meaning=_meaning(session, past.publication, reproduced),
        reproduced=reproduced,
        at=timestamp_text(asked.at),
        revision=past.publication.revision,
        since=timestamp_text(since_s),
        until=optional_text(until_s),
        publication=read_publication(past.publication),
        decision=decision,
        ban=ban,
        term=term,
        formal=formal,
        binding=binding,
        exemptions=exemptions,
        acts=_acts(session, past, decision, ban, binding, exemptions),
        lists=[_listed(found, sources) for found in listed(session, past.publication, services, asked.name)],
    )


def read_publication(found: Publication) -> PublicationRead:
    """Return a publication as the API shows it."""
    return PublicationRead(
        number=found.number,
        revision=found.revision,
        since=timestamp_text(found.since_s),
        until=optional_text(found.until_s),
        names=found.names,
        ranges=found.ranges,
        rules=found.rules,
        version=found.version,
        catalogue=found.catalogue,
    )


def _meaning(session: Session, found: Publication, reproduced: bool | None) -> str:
    if reproduced is False:
        return (
            f"not what was in force: the stored revision {found.revision} does not yield the snapshot "
            f"of publication {found.number}. One of the two was altered. A backup or a node may have the original."
        )
    meaning = (
        f"what a node with revision {found.revision} decided at that time by its own clock; "
        "a node that had not fetched it yet used an earlier one"
    )
    lost = lost_after(session, found)
    if any(row.act == RAISE_ACT for row in lost):
        meaning += (
            "; later revisions were lost when an older database was restored, and a node may have had one of them"
        )
    elif lost:
        made = (lost[-1].after or {}).get("time", "an unknown time")
        meaning += (
            f"; then a backup of {made} was restored: revisions made after that time, if there were any, were lost, "
            "and a node may have had one of them"
        )
    return meaning


def _span(session: Session, found: Publication) -> tuple[Instant, Instant | None]:
    """Return when the publication's revision came into force, and when another did; a restart publishes again."""
    other = select(PublicationRow).where(PublicationRow.revision != found.revision)
    before = session.scalar(other.where(PublicationRow.id < found.number).order_by(PublicationRow.id.desc()).limit(1))
    after = session.scalar(other.where(PublicationRow.id > found.number).order_by(PublicationRow.id).limit(1))
    first = select(PublicationRow.time_s).where(PublicationRow.id > (0 if before is None else before.id))
    since_s = session.scalars(first.order_by(PublicationRow.id).limit(1)).one()
    return since_s, None if after is None else after.time_s


def _ban(
    session: Session, past: PastPolicy, decision: DecisionRead, at: Instant
) -> tuple[BanRead | None, TermRead | None, FormalRead | None]:
    """Return the deciding ban as it was, its term in force, and the formal decision behind that."""
    if decision.winner is None:
        return None, None, None
    row = _ban_row(past, decision.winner.ban_number)
    ban = read_ban(session, row, at, _zones(past)[row.authority], suspended_at(past.rows.suspensions, at))
    # Both are in the order of their starts.
    rows = sorted(row.terms, key=lambda term: (term.start_s, term.id))
    held = held_term(rows, at)
    term = next(read for read, kept in zip(ban.terms, rows, strict=True) if kept is held)
    return ban, term, term.decision if term.decision != FormalRead() else ban.decision


def _binding(past: PastPolicy, decision: DecisionRead, at: Instant) -> BindingRead | None:
    """Return the binding through which the deciding ban applied."""
    if decision.winner is None or not decision.winner.bound:
        return None
    number = next(row.binding for row in decision.rows if row.ban_number == decision.winner.ban_number)
    row = next(row for row in past.rows.bindings if row.number == number)
    return read_binding(row, decision.winner.ban, at, _zones(past)[row.authority])


def _exemptions(past: PastPolicy, decision: DecisionRead, at: Instant) -> list[ExemptionRead]:
    """Return the exemptions that removed a ban for this question."""
    numbers = {row.exemption for row in decision.rows if row.standing == Standing.EXEMPTED}
    found = [row for row in past.rows.exemptions if row.number in numbers]
    references = {row.ban: _ban_row(past, row.ban) for row in found}
    return [read_exemption(row, f"{references[row.ban].authority}/{references[row.ban].service}", at) for row in found]


def _acts(
    session: Session,
    past: PastPolicy,
    decision: DecisionRead,
    ban: BanRead | None,
    binding: BindingRead | None,
    exemptions: list[ExemptionRead],
) -> list[TracedActRead]:
    found: list[tuple[AuditRow, list[str]]] = []
    revision = past.publication.revision
    if decision.suspension is not None:
        found += acts_on(session, f"suspension/{decision.suspension.number}", revision)
    if ban is not None:
        found += acts_on_ban(session, f"ban/{ban.authority}/{ban.service}", revision)
    for row in decision.rows:
        if row.standing == Standing.OFF:
            found += acts_on_mode(session, f"ban/{row.ban}", revision)
    freed = {row.allowed for row in decision.rows if row.standing == Standing.ALLOWED}
    for allowed in past.policy.allowed:
        if allowed.number in freed:
            found += acts_on(session, f"name/{allowed.authority}/{name_text(allowed.name)}", revision)
    if binding is not None:
        found += acts_on(session, f"binding/{binding.number}", revision)
    for exemption in exemptions:
        found += acts_on(session, f"exemption/{exemption.number}", revision)
    return [
        TracedActRead(
            seq=row.seq,
            time=timestamp_text(row.time_s),
            account=row.account,
            act=row.act,
            object=row.object,
            revision=row.revision,
            fields=fields,
        )
        for row, fields in sorted(found, key=lambda item: item[0].seq)
    ]


@dataclass(frozen=True, slots=True)
class _Sources:
    """The sources of the installed catalogue."""

    lists: Lists
    held: LoadedServices
    catalogue: Catalogue

    def of(self, found: Listed) -> Sequence[SourceRead]:
        """Return the sources of a listed name; none if the installed list differs."""
        if self.lists.packaged(self.held.digest, found.service) != found.digest:
            return ()
        ids = {
            source
            for entry in self.catalogue.entries
            if entry.slug == found.service
            for tier in entry.tiers
            if tier.number == found.tier
            for name in tier.names
            if (name.text, name.exact) == (found.name, found.exact)
            for source in name.sources
        }
        return [
            SourceRead(id=source.id, what=source.what, licence=source.licence, revision=source.revision)
            for entry in self.catalogue.entries
            if entry.slug == found.service
            for source in entry.sources
            if source.id in ids
        ]


def _listed(found: Listed, sources: _Sources) -> ListedRead:
    return ListedRead(
        service=found.service,
        tier=found.tier,
        name=found.name,
        exact=found.exact,
        digest=found.digest,
        since=read_publication(found.since),
        sources=list(sources.of(found)),
    )


def _ban_row(past: PastPolicy, number: int) -> BanRow:
    return next(row for row in past.rows.bans if row.number == number)


def _zones(past: PastPolicy) -> Mapping[str, str]:
    return {row.slug: row.time_zone for row in past.rows.authorities}
