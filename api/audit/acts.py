"""The acts that this version records. Lists of acts can be filtered by them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import AuditRow
from api.errors import Invalid, did_you_mean

_VERBS: Mapping[str, Sequence[str]] = {
    "account": ("make", "disable", "enable", "erase"),
    "authority": ("register", "change", "close", "remove", "set_client_level", "set_off_rules", "set_usage"),
    "ban": (
        "adopt", "adopt_provisionally", "change", "confirm", "end", "remove", "renew",
        "set_enforce", "set_monitor", "set_off", "set_scope",
    ),
    "binding": ("propose", "bind", "accept", "set_new_names", "withdraw", "end"),
    "capture": ("start", "end"),
    "catalogue": ("load",),
    "checkpoint": ("key",),
    "exemption": ("request", "approve", "reject", "revoke", "withdraw"),
    "feed": ("set", "remove", "fetch"),
    "fleet": ("add", "rotate", "end", "load"),
    "grant": ("make", "end"),
    "installation": ("raise_revision", "restore"),
    "list": (
        "create", "change", "remove", "adopt", "add", "remove_service", "renew", "end", "continue",
        "set_enforce", "set_monitor", "set_off",
    ),
    "list_link": ("bind", "propose", "follow", "accept", "adopt", "renew", "set_new_names", "withdraw", "end"),
    "name": ("refuse", "allow", "end"),
    "node": (
        "register", "invite", "enrol", "remove", "journal_gap",
        "suspend", "end_suspension", "use_revision", "unquarantine", "flush_cache",
        "refuse_name", "allow_name", "end_name",
    ),
    "notice": ("test",),
    "passkey": ("add", "remove"),
    "peer": ("set", "break", "end"),
    "policy": ("apply", "load", "rollback"),
    "range": ("register", "change", "remove", "transfer"),
    "refusals": ("lift",),
    "request": ("ask", "approve", "reject", "withdraw"),
    "service": ("define", "change", "remove", "update", "follow_release"),
    "session": ("begin", "confirm", "end"),
    "sign_in_link": ("make",),
    "site": ("register", "change", "remove"),
    "space": ("allot", "transfer", "withdraw"),
    "suspension": ("start", "end"),
    "token": ("key", "make", "revoke"),
    "update": ("hold_back", "accept", "reject", "object", "replace", "withdraw_objection"),
    "usage": ("erase", "read_clients"),
    "webhook": ("add", "remove"),
}  # fmt: skip
FAMILIES = frozenset(_VERBS)
ACTS = frozenset(f"{family}.{verb}" for family, verbs in _VERBS.items() for verb in verbs)


def demand_act(session: Session, name: str) -> None:
    """Raise `Invalid` if this version and the audit log know no act and no family of acts of this name."""
    if name in ACTS or name in _VERBS:
        return
    found = AuditRow.act == name if "." in name else AuditRow.act.startswith(f"{name}.", autoescape=True)
    if session.scalar(select(AuditRow.seq).where(found).limit(1)) is None:
        hint = did_you_mean(name, ACTS | _VERBS.keys()) or f" Acts begin with {', '.join(_VERBS)}."
        raise Invalid.at("query.act", f'No act "{name}".{hint}')
