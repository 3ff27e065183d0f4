"""Rows and values as the schemas of reports."""

from collections.abc import Mapping
from itertools import chain
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import AuditRow, InstallationRow
from api.db.models.audit_log import INSTALLATION
from api.report.gaps import Gap
from api.report.range_acts import RANGE_FIELDS
from api.report.schemas import (
    BanGapRead,
    ModeSpanRead,
    RangeActRead,
    RecordRead,
    ReportActRead,
    ScopeChangeRead,
    ScopeFieldRead,
    SpanRead,
)
from api.report.scope_changes import changed_fields
from api.report.timeline import ModeSpan
from api.timestamps import timestamp_text
from api.trace.object_acts import fields_set
from dnsfilter.policy.intervals import Intervals
from dnsfilter.policy.model import Audience, Funding


def read_record(session: Session) -> RecordRead:
    """Return the state of the database."""
    row = session.get_one(InstallationRow, INSTALLATION)
    last = session.scalars(select(AuditRow).order_by(AuditRow.seq.desc()).limit(1)).one()
    return RecordRead(
        installation=row.identity,
        revision=row.revision,
        seq=last.seq,
        hash=last.hash,
        time=timestamp_text(last.time_s),
    )


def read_spans(found: Intervals) -> list[SpanRead]:
    """Return times."""
    return [SpanRead(start=timestamp_text(start), end=timestamp_text(end)) for start, end in found]


def read_mode(span: ModeSpan) -> ModeSpanRead:
    """Return a mode and its time."""
    return ModeSpanRead(
        start=timestamp_text(span.start),
        end=timestamp_text(span.end),
        mode=span.mode,
        reason=span.reason,
        act=span.act,
        account=span.account,
    )


def read_gap(gap: Gap) -> BanGapRead:
    """Return a time without effect."""
    out = gap.left_out
    return BanGapRead(
        start=timestamp_text(gap.start),
        end=timestamp_text(gap.end),
        cause=gap.cause,
        nodes=list(gap.nodes),
        tiers=list(out.tiers) if out else [],
        funding=[Funding(word) for word in out.funding] if out else [],
        audience=[Audience(word) for word in out.audience] if out else [],
    )


def read_scope_change(act: AuditRow) -> ScopeChangeRead:
    """Return what an act changed of scope and reply."""
    before, after = act.before or {}, act.after or {}
    return ScopeChangeRead(
        time=timestamp_text(act.time_s),
        act=act.seq,
        account=act.account,
        reason=reason_of(act),
        fields=[
            ScopeFieldRead(name=name, before=_texts(before.get(name)), after=_texts(after[name]))
            for name in changed_fields(act)
        ],
    )


def read_act(act: AuditRow, names: Mapping[int, str]) -> ReportActRead:
    """Return an act, with the name of its account if `names` has it."""
    return ReportActRead(
        seq=act.seq,
        hash=act.hash,
        time=timestamp_text(act.time_s),
        account=act.account,
        name=names.get(act.account),
        act=act.act,
        object=act.object,
        revision=act.revision,
        reason=reason_of(act),
        fields=sorted(fields_set(act)),
    )


def read_range_act(act: AuditRow) -> RangeActRead:
    """Return an act on a range."""
    before, after = act.before or {}, act.after or {}
    return RangeActRead(
        seq=act.seq,
        time=timestamp_text(act.time_s),
        account=act.account,
        act=act.act,
        site=(after or before)["site"],
        prefix=(after or before)["prefix"],
        fields=[
            ScopeFieldRead(name=name, before=_texts(before.get(name)), after=_texts(after.get(name)))
            for name in RANGE_FIELDS
            if before.get(name) != after.get(name)
        ],
    )


def _texts(value: object) -> list[str]:
    if value is None:
        return []
    return list(map(str, value)) if isinstance(value, list) else [str(value)]


_REASONS: Final = ("mode_reason", "ended_reason", "note", "reason")


def reason_of(act: AuditRow) -> str:
    """Return the reason that an act gave: the text that it set, for a ban also at one of its terms."""
    before, after = act.before or {}, act.after or {}
    known = {term["ended_reason"] for term in before.get("terms", ())}
    ended = (term["ended_reason"] for term in after.get("terms", ()) if term["ended_reason"] not in known)
    changed = (after[field] for field in _REASONS if after.get(field) and after[field] != before.get(field))
    return str(next(chain(filter(None, ended), changed), ""))
