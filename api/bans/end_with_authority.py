"""End a ban when its authority closes, even if the ban has not begun."""

from api.bans.reading import decision_columns, shown
from api.db.models import AuthorityRow, BanRow
from api.db.unit_of_work import UnitOfWork
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import FormalDecision, Instant


def close(
    unit: UnitOfWork, authority: AuthorityRow, row: BanRow, at: Instant, reason: str, decision: FormalDecision
) -> None:
    """End every term that reaches beyond `at`, and keep it. Do nothing if there is none.

    Unlike `service.end`, keep a term that begins later than `at`: it ends when it begins.
    """
    ends = [(term, term.period.end_by_act(at, unit.now_s)) for term in row.terms]
    beyond = [(term, end) for term, end in ends if until(term.period.end) > end]
    if not beyond:
        return
    before = shown(unit.session, row, unit.now_s, authority.time_zone)
    for term, end in beyond:
        term.ended_s, term.ended_reason = end, reason
        term.ended_decision = decision_columns(decision)
    row.revision = unit.new_revision()
    unit.session.flush()
    after = shown(unit.session, row, unit.now_s, authority.time_zone)
    unit.record("ban.end", f"ban/{row.authority}/{row.service}", before, after, row.authority)
