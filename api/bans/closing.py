"""The end of a ban with its authority, begun or not."""

from api.bans import service
from api.bans.reading import decision_columns, shown
from api.bans.standing import effective_end
from api.db.models import AuthorityRow, BanRow
from api.db.unit import UnitOfWork
from dnsfilter.policy.model import DecisionRecord, Instant


def close(
    unit: UnitOfWork, authority: AuthorityRow, row: BanRow, at: Instant, reason: str, decision: DecisionRecord
) -> None:
    """End every term that reaches beyond `at`; nothing where none does.

    A ban that has begun is ended as by `service.end`. One that has not stays on record too: a term that would begin
    before `at` ends then, and a later one as it begins.
    """
    beyond = [term for term in row.terms if (end := effective_end(term)) is None or end > max(at, term.start_s)]
    if not beyond:
        return
    if any(term.start_s <= unit.now_s for term in row.terms):
        service.end(unit, authority, row, at, reason, decision)
        return
    before = shown(unit.session, row, unit.now_s, authority.time_zone)
    for term in beyond:
        term.ended_s, term.ended_reason = max(at, term.start_s), reason
        term.ended_decision = decision_columns(decision)
    row.revision = unit.new_revision()
    unit.session.flush()
    after = shown(unit.session, row, unit.now_s, authority.time_zone)
    unit.record("ban.end", f"ban/{row.authority}/{row.service}", before, after, row.authority)
