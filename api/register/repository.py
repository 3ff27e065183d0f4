"""Queries of the public register. Each of them sees only authorities that publish one."""

from collections.abc import Mapping, Sequence

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from api.db.models import AuthorityRow, BanRow, CheckpointRow, ExemptionRow, TermRow
from api.exemptions.schemas import ExemptionState
from api.exemptions.state import in_state
from api.http.pagination import Paging, Sorting, sorted_page
from dnsfilter.policy.model import Instant

SORTING = Sorting(AuthorityRow.slug, {"slug": AuthorityRow.slug})
MAX_BANS_OF_A_REFERENCE = 50


def page(session: Session, paging: Paging) -> tuple[Sequence[AuthorityRow], str | None]:
    """Return a page of the authorities that publish a register, by slug."""
    return sorted_page(session, select(AuthorityRow).where(AuthorityRow.public_register), SORTING, "slug", *paging)


def find(session: Session, slug: str) -> AuthorityRow | None:
    """Return an authority that publishes a register, or None."""
    return session.scalar(select(AuthorityRow).where(AuthorityRow.slug == slug, AuthorityRow.public_register))


def bans(session: Session, slug: str) -> Sequence[BanRow]:
    """Return the bans of an authority by service."""
    return session.scalars(select(BanRow).where(BanRow.authority == slug).order_by(BanRow.service)).all()


def named_by(session: Session, reference: str) -> Sequence[tuple[str, str]]:
    """Return authority and service of the bans whose formal decision, or that of a term, has this reference."""
    of_term = exists().where(TermRow.ban == BanRow.number, TermRow.decision["reference"].as_string() == reference)
    statement = (
        select(BanRow.authority, BanRow.service)
        .join(AuthorityRow, AuthorityRow.slug == BanRow.authority)
        .where(AuthorityRow.public_register, or_(BanRow.decision["reference"].as_string() == reference, of_term))
    )
    ordered = statement.order_by(BanRow.authority, BanRow.service).limit(MAX_BANS_OF_A_REFERENCE)
    return [(authority, service) for authority, service in session.execute(ordered)]


def exemptions(session: Session, slug: str, now: Instant) -> Mapping[int, tuple[int, Instant]]:
    """Return for each ban of an authority how many exemptions from it are in force, and when the last of them ends."""
    statement = (
        select(ExemptionRow.ban, func.count(), func.max(ExemptionRow.end_s))
        .join(BanRow, BanRow.number == ExemptionRow.ban)
        .where(BanRow.authority == slug, in_state(ExemptionState.IN_FORCE, now))
        .group_by(ExemptionRow.ban)
    )
    return {ban: (count, end) for ban, count, end in session.execute(statement)}


def last_checkpoint(session: Session) -> CheckpointRow | None:
    """Return the newest checkpoint, or None."""
    return session.scalar(select(CheckpointRow).order_by(CheckpointRow.number.desc()).limit(1))
