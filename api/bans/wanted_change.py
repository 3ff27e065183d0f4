"""The change of a ban that a caller asks for."""

from dataclasses import dataclass

from api.bans.state import switch_at
from api.db.models import BanRow
from dnsfilter.policy.model import Audience, FormalDecision, Funding, Instant, Mode, Reply, Term


@dataclass(frozen=True, slots=True)
class BanChange:
    """A change of a ban; None leaves a field as it is. A new mode without a reason clears the reason.

    With `off_until` the ban is off until then. Afterwards `mode` returns; if `mode` is `off`, the current or earlier
    mode returns. `loaded` means that the ban comes with a complete policy into an empty database. Its formal decision
    was made elsewhere, and is accepted as far as it is known.
    """

    mode: Mode | None = None
    mode_reason: str | None = None
    off_until: Instant | None = None
    reply: Reply | None = None
    addresses: tuple[str, ...] | None = None
    tiers: frozenset[int] | None = None
    funding: frozenset[Funding] | None = None
    audience: frozenset[Audience] | None = None
    decision: FormalDecision | None = None
    terms: tuple[Term, ...] | None = None
    provisional: bool | None = None
    loaded: bool = False


def as_decided(row: BanRow, now: Instant, *, reason: str = "") -> BanChange:
    """Return how a ban applies, as a change of itself later or of another ban. A mode off with an end stays so.

    `reason` replaces a missing reason, unless the ban refuses.
    """
    switch = switch_at(row, now)
    return BanChange(
        mode=row.lasting_mode,
        mode_reason=switch.reason or ("" if switch.mode is Mode.ENFORCE else reason),
        off_until=switch.until,
        reply=Reply(row.reply),
        addresses=tuple(row.addresses),
        tiers=frozenset(row.tiers),
        funding=frozenset(map(Funding, row.funding)),
        audience=frozenset(map(Audience, row.audience)),
    )
