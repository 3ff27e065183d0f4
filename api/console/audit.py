"""The audit log: acts by filters, each with the state before and after, and the checkpoints that prove them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from fastapi import Response

from api.accounts.schemas import AccountRead
from api.audit.acts import ACTS, FAMILIES
from api.audit.schemas import AuditRead, CheckpointRead
from api.auth.roles import AUDITORS
from api.authorities.schemas import AuthorityRead
from api.console.account_words import account_words
from api.console.authority_choice import own_authorities
from api.console.frame.calls import Refused, calls, read
from api.console.frame.page_route import pages
from api.console.frame.visit import Form, Visit, Visiting, query_form
from api.http.parameters import MAX_LIMIT
from api.http.schemas import Page
from api.server.schemas import ReadinessRead
from dnsfilter.policy.instants import DEFAULT_ZONE

router = pages()
ACTS_SHOWN, CHECKPOINTS_SHOWN = 15, 5
FILTERS = ("authority", "act", "account", "object", "since", "until")
FILE = "audit-log.jsonl"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of an object that an act changed, as texts."""

    name: str
    before: str
    after: str


@router.get("/audit")
@calls("list_audit", "list_accounts", "list_checkpoints", "readiness")
async def audit(visit: Visiting) -> Response:
    """Show acts, newest first."""
    form = query_form(visit.request)
    authorities = await own_authorities(visit)
    query = {**form.given(*FILTERS, "cursor"), "limit": ACTS_SHOWN}
    found, status = Page[AuditRead](items=[]), 200
    try:
        found = await visit.read(Page[AuditRead], "list_audit", query=query)
    except Refused as error:
        form, status = form.refused(error), 422
    accounts = (await visit.read(Page[AccountRead], "list_accounts", query={"limit": MAX_LIMIT})).items
    return await visit.page(
        "audit.html.jinja",
        status=status,
        form=form,
        entries=[(each, differences(each.before, each.after)) for each in found.items],
        following=None if found.next is None else {**form.given(*FILTERS), "cursor": found.next},
        names=await account_words(visit, {each.account for each in found.items}),
        choices=_choices(visit, form, authorities, accounts),
        zone=_zone(visit, form, authorities),
        checkpoints=await _checkpoints(visit),
        trouble=await _trouble(visit),
    )


@router.get("/audit/export")
@calls("export_audit")
async def export(visit: Visiting) -> Response:
    """Send all entries as a file, for those who may have them."""
    return visit.passed_on("export_audit", {"Content-Disposition": f'attachment; filename="{FILE}"'})


def differences(before: dict[str, object] | None, after: dict[str, object] | None) -> list[Difference]:
    """Return the fields that differ, in the order in which they stand after the act, or stood before it."""
    was, becomes = before or {}, after or {}
    names = [*becomes, *(name for name in was if name not in becomes)]
    return [
        Difference(name, _shown(was.get(name)), _shown(becomes.get(name)))
        for name in names
        if was.get(name) != becomes.get(name)
    ]


def _shown(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


async def _checkpoints(visit: Visit) -> list[CheckpointRead] | None:
    """Return the newest checkpoints, or None to those who may not read them."""
    if not visit.holder.has(AUDITORS, None):
        return None
    return (await visit.read(Page[CheckpointRead], "list_checkpoints", query={"limit": CHECKPOINTS_SHOWN})).items


async def _trouble(visit: Visit) -> str | None:
    """Return why no act is recorded, such as a damaged audit log; None if all is well."""
    try:
        return (await visit.read(ReadinessRead, "readiness")).reason
    except Refused as error:
        return read(ReadinessRead, error.answer).reason


def _choices(
    visit: Visit, form: Form, authorities: Sequence[AuthorityRead], accounts: Sequence[AccountRead]
) -> dict[str, list[tuple[str, str]]]:
    """Return the choices of each filter: pairs of value and text. The first is none."""
    words = visit.words
    act = form.text("act")
    acts = sorted(((each, words.act(each)) for each in (*FAMILIES, *({act} & ACTS))), key=itemgetter(1))
    people = [(str(each.number), each.name or each.login or str(each.number)) for each in accounts]
    found = {
        "authority": [(each.slug, words.name(each.names)) for each in authorities],
        "act": acts,
        "account": people,
    }
    every = [("", words.translate("All"))]
    return {name: pairs if name == "authority" else every + pairs for name, pairs in found.items()}


def _zone(visit: Visit, form: Form, authorities: Sequence[AuthorityRead]) -> str:
    """Return the time zone of the chosen authority, or of the only one."""
    wanted = form.text("authority")
    zones = [each.time_zone for each in authorities] if not wanted else [visit.zones.get(wanted, DEFAULT_ZONE)]
    return zones[0] if len(set(zones)) == 1 else DEFAULT_ZONE
